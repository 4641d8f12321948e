"""The tables of a study: every run, what each change does, what each factor does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scgnn.evaluation.scores import get_direction
from scgnn.stats.effects import estimate_effects
from scgnn.stats.factorial import estimate_interactions, estimate_main_effects
from scgnn.stats.ranking import Ranking, rank_variants
from scgnn.study.engine import StudyOutcome
from scgnn.study.spec import Study

# what a table asks first; the others follow in the order of metrics.json
LEADING_SCORES = ("ari", "nmi", "silhouette", "n_clusters", "seconds", "peak_memory_mb")
RANKED_SCORES = ("ari", "silhouette")  # the first of these that there is
BASELINES_STAGE = "imputation baselines"  # the stage
NON_SCORE_METRICS = ("n_cells", "n_genes", "stop_reason", "peak_memory_mb_by_stage")


def build_runs_table(study: Study, outcome: StudyOutcome) -> pd.DataFrame:
    """One row a run: variant, role, the axes, status, reason, and the scores in columns."""
    rows = []
    for run in study.runs:
        row: dict[str, Any] = {"run": run.label, "variant": run.variant, "role": run.role}
        row |= {axis.name: run.levels.get(axis.name) for axis in study.axes}
        finished = outcome.summaries.get(run.label)
        row["status"] = "done" if finished else "failed"
        row["reason"] = outcome.failures.get(run.label, "")
        rows.append(row | (flatten_scores(finished.metrics) if finished else {}))
    return pd.DataFrame(rows)


def average_over_factors(table: pd.DataFrame, study: Study, scores: list[str]) -> pd.DataFrame:
    """Base and controls with one row a block: the base is its mean over the factors."""
    base = table[table["role"] == "base"]
    blocks = list(study.blocks)
    mean = base.groupby(blocks, sort=False, as_index=False)[scores].mean()
    named = mean.assign(variant="base", role="base")
    return pd.concat([named, table[table["role"] == "control"]], ignore_index=True)


def flatten_scores(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Scores by one name each: ``seconds`` is their sum, ``seconds.clustering`` one of them.

    What controls of imputation took is no part of the sum: it is not the method's.
    """
    found: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            if name == "seconds":
                found[name] = round(sum(v for k, v in value.items() if k != BASELINES_STAGE), 3)
            found |= {f"{name}.{part}": item for part, item in flatten_scores(value).items()}
        else:
            found[name] = value
    return found


def list_score_names(table: pd.DataFrame) -> list[str]:
    """The columns that are compared, those asked for first in front."""
    start = list(table.columns).index("reason") + 1
    # controls say something of the data, not of a variant
    left_out = (*NON_SCORE_METRICS, "imputation_baselines.", f"seconds.{BASELINES_STAGE}")
    names = [
        name
        for name in table.columns[start:]
        if not name.startswith(left_out) and pd.api.types.is_numeric_dtype(table[name])
    ]
    return [
        *(n for n in LEADING_SCORES if n in names),
        *(n for n in names if n not in LEADING_SCORES),
    ]


class StudyTables:
    """What the runs of a study say.

    Attributes
    ----------
    table
        One row a run.
    scores
        Names of the scores that are compared.
    effects
        Change by score: paired difference, interval, p, verdict.
    by_data
        Effects with one value for each data set, where there are several.
    factors, interactions
        The same for the levels of crossed factors, and for pairs of them; empty without factors.
    rankings
        Variants by their ranks in the blocks, for the scores against a truth or else the
        silhouette.
    """

    def __init__(self, study: Study, outcome: StudyOutcome) -> None:
        self.runs = build_runs_table(study, outcome)
        self.scores = list_score_names(self.runs) if outcome.summaries else []
        self._directions = {score: get_direction(score) for score in self.scores}
        axes = [axis.name for axis in study.axes]
        self.effects = self.effects_by_data = pd.DataFrame()
        self.main_effects = self.interactions = pd.DataFrame()
        self.rankings: dict[str, Ranking] = {}
        if not self.scores:
            return
        if len(study.variants) > 1:
            self.effects = self._estimate_effects(study)
            if len({run.levels["data"] for run in study.runs}) > 1:
                self.effects_by_data = self._estimate_effects(study, by="data")
        blocks = list(study.blocks)
        directions = self._directions
        base = self.runs[self.runs["role"] == "base"]
        if study.factors:
            self.main_effects = estimate_main_effects(
                base, self.scores, study.factors, blocks=blocks, directions=directions
            )
            if len(study.factors) > 1:
                self.interactions = estimate_interactions(
                    base, self.scores, study.factors, blocks=blocks, directions=directions
                )
        for score in (name for name in RANKED_SCORES if name in self.scores):
            rows = self.runs[self.runs["role"] != "control"] if study.factors else self.runs
            if len(study.variants) > 1:
                self.rankings[score] = rank_variants(rows, score, blocks=axes, direction=get_direction(score) or 1)
            break

    def _estimate_effects(self, study: Study, by: str | None = None) -> pd.DataFrame:
        """Changes at every level of the factors, then controls, which have none of them."""
        axes = [axis.name for axis in study.axes]
        changes = self.runs[self.runs["role"] != "control"]
        if not study.factors or len(changes) == len(self.runs):
            return estimate_effects(self.runs, self.scores, blocks=axes, by=by, directions=self._directions)
        found = estimate_effects(changes, self.scores, blocks=axes, by=by, directions=self._directions)
        reduced = average_over_factors(self.runs, study, self.scores)
        controls = estimate_effects(reduced, self.scores, blocks=list(study.blocks), by=by, directions=self._directions)
        both = pd.concat([found, controls], ignore_index=True) if len(found) else controls
        order = both["score"].map({score: at for at, score in enumerate(self.scores)})
        return both.iloc[order.argsort(kind="stable")].reset_index(drop=True)
