"""The tables of a study: every run, what each change does, what each factor does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scgnn.stats.effects import effects
from scgnn.stats.factorial import interactions, main_effects
from scgnn.stats.ranking import Ranking, ranking
from scgnn.study.engine import Outcome
from scgnn.study.spec import Study

# what a table asks first; the others follow in the order of metrics.json
FIRST = ("ari", "nmi", "silhouette", "n_clusters", "seconds", "peak_memory_mb")
RANKED = ("ari", "silhouette")  # the first of these that there is
CONTROLS = "imputation controls"  # the stage
NOT_SCORES = ("n_cells", "n_genes", "stopped_because", "peak_memory_mb_by_stage")


def long_table(study: Study, outcome: Outcome) -> pd.DataFrame:
    """One row a run: variant, role, the axes, status, reason, and the scores in columns."""
    rows = []
    for run in study.runs:
        row: dict[str, Any] = {"run": run.label, "variant": run.variant, "role": run.role}
        row |= {axis.name: run.place.get(axis.name) for axis in study.axes}
        finished = outcome.finished.get(run.label)
        row["status"] = "done" if finished else "failed"
        row["reason"] = outcome.failed.get(run.label, "")
        rows.append(row | (flat(finished.metrics) if finished else {}))
    return pd.DataFrame(rows)


def over_factors(table: pd.DataFrame, study: Study, scores: list[str]) -> pd.DataFrame:
    """Base and controls with one row a block: the base is its mean over the factors."""
    base = table[table["role"] == "base"]
    blocks = list(study.blocks)
    mean = base.groupby(blocks, sort=False, as_index=False)[scores].mean()
    named = mean.assign(variant="base", role="base")
    return pd.concat([named, table[table["role"] == "control"]], ignore_index=True)


def flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Scores by one name each: ``seconds`` is their sum, ``seconds.clustering`` one of them.

    What controls of imputation took is no part of the sum: it is not the method's.
    """
    found: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            if name == "seconds":
                found[name] = round(sum(v for k, v in value.items() if k != CONTROLS), 3)
            found |= {f"{name}.{part}": item for part, item in flat(value).items()}
        else:
            found[name] = value
    return found


def score_names(table: pd.DataFrame) -> list[str]:
    """The columns that are compared, those asked for first in front."""
    start = list(table.columns).index("reason") + 1
    # controls say something of the data, not of a variant
    left_out = (*NOT_SCORES, "imputation_controls.", f"seconds.{CONTROLS}")
    names = [
        name
        for name in table.columns[start:]
        if not name.startswith(left_out) and pd.api.types.is_numeric_dtype(table[name])
    ]
    return [*(n for n in FIRST if n in names), *(n for n in names if n not in FIRST)]


class Answer:
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

    def __init__(self, study: Study, outcome: Outcome) -> None:
        self.table = long_table(study, outcome)
        self.scores = score_names(self.table) if outcome.finished else []
        axes = [axis.name for axis in study.axes]
        self.effects = self.by_data = pd.DataFrame()
        self.factors = self.interactions = pd.DataFrame()
        self.rankings: dict[str, Ranking] = {}
        if not self.scores:
            return
        if len(study.variants) > 1:
            self.effects = self._effects(study)
            if len({run.place["data"] for run in study.runs}) > 1:
                self.by_data = self._effects(study, by="data")
        blocks = list(study.blocks)
        base = self.table[self.table["role"] == "base"]
        if study.factors:
            self.factors = main_effects(base, self.scores, study.factors, blocks=blocks)
            if len(study.factors) > 1:
                self.interactions = interactions(base, self.scores, study.factors, blocks=blocks)
        for score in (name for name in RANKED if name in self.scores):
            rows = self.table[self.table["role"] != "control"] if study.factors else self.table
            if len(study.variants) > 1:
                self.rankings[score] = ranking(rows, score, blocks=axes)
            break

    def _effects(self, study: Study, by: str | None = None) -> pd.DataFrame:
        """Changes at every level of the factors, then controls, which have none of them."""
        axes = [axis.name for axis in study.axes]
        changes = self.table[self.table["role"] != "control"]
        if not study.factors or len(changes) == len(self.table):
            return effects(self.table, self.scores, blocks=axes, by=by)
        found = effects(changes, self.scores, blocks=axes, by=by)
        reduced = over_factors(self.table, study, self.scores)
        controls = effects(reduced, self.scores, blocks=list(study.blocks), by=by)
        both = pd.concat([found, controls], ignore_index=True) if len(found) else controls
        order = both["score"].map({score: at for at, score in enumerate(self.scores)})
        return both.iloc[order.argsort(kind="stable")].reset_index(drop=True)
