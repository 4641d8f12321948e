"""Tables of a study: runs, effects of changes and factors, and rankings."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pandas as pd

from scgnn.errors import InputError
from scgnn.evaluation.scores import (
    BASELINES_STAGE,
    EMBEDDING_SCORES,
    flatten_scores,
    get_direction,
    is_comparable,
)
from scgnn.stats.effects import estimate_effects, format_verdicts
from scgnn.stats.factorial import estimate_interactions, estimate_main_effects
from scgnn.stats.ranking import Ranking, rank_variants
from scgnn.study.engine import StudyOutcome
from scgnn.study.spec import Study

# first in tables; the others follow in the order of metrics.json
LEADING_SCORES = ("ari", "nmi", "silhouette", "n_clusters", "seconds", "peak_memory_mb")
EXCLUDED_SCORES = (
    "n_cells",
    "n_genes",
    "stop_reason",
    "peak_memory_mb_by_stage",
    "imputation_baselines.",  # baselines depend on the data, not on a variant
    f"seconds.{BASELINES_STAGE}",
)


def build_runs_table(study: Study, outcome: StudyOutcome) -> pd.DataFrame:
    """Return one row per run: variant, role, axes, status, reason of a failure, and scores."""
    rows = []
    for run in study.runs:
        row: dict[str, Any] = {"run": run.label, "variant": run.variant, "role": run.role}
        row |= {axis.name: run.levels.get(axis.name) for axis in study.axes}
        summary = outcome.summaries.get(run.label)
        row["status"] = "done" if summary else "failed"
        row["reason"] = outcome.failures.get(run.label, "")
        rows.append(row | (flatten_scores(summary.metrics) if summary else {}))
    return pd.DataFrame(rows)


def average_over_factors(table: pd.DataFrame, study: Study, scores: list[str]) -> pd.DataFrame:
    """Return the base as its mean over the factors, one row per block, and the controls."""
    base = table[table["role"] == "base"]
    means = base.groupby(list(study.blocks), sort=False, as_index=False)[scores].mean()
    controls = table[table["role"] == "control"]
    return pd.concat([means.assign(variant="base", role="base"), controls], ignore_index=True)


def list_score_names(table: pd.DataFrame) -> list[str]:
    """Return the columns of a table of runs that are compared, the leading scores first."""
    columns = list(table.columns)
    names = [
        name
        for name in columns[columns.index("reason") + 1 :]
        if not name.startswith(EXCLUDED_SCORES) and pd.api.types.is_numeric_dtype(table[name])
    ]
    return sorted(names, key=(*LEADING_SCORES, *names).index)


class StudyTables:
    """Tables of a study.

    Attributes
    ----------
    runs
        One row per run.
    scores
        Names of the scores that are compared.
    main_score
        Score that ranks the variants: the first that is comparable between them or, if the study
        lists its scores, the first of these; None if there is none.
    effects
        One row per variant and score, :func:`~scgnn.stats.effects.estimate_effects`.
    effects_by_data
        Effects with one value per data set; empty for one data set.
    main_effects, interactions
        The same for levels of factors and for pairs of them; empty without factors.
    ranking
        Ranking of the variants on the main score; None if no block has a score of every variant.
    """

    def __init__(self, study: Study, outcome: StudyOutcome) -> None:
        self.runs = build_runs_table(study, outcome)
        self.scores = list_score_names(self.runs) if outcome.summaries else []
        comparable = list(filter(is_comparable, self.scores))
        if study.scores:
            self.scores = [name for name in dict.fromkeys(study.scores) if name in self.scores]
            comparable = self.scores
        self.main_score = comparable[0] if comparable else None
        self.effects = self.effects_by_data = pd.DataFrame()
        self.main_effects = self.interactions = pd.DataFrame()
        self.ranking: Ranking | None = None
        if not self.scores:
            return
        self._directions = {score: get_direction(score) for score in self.scores}
        if not study.scores:  # each is of an embedding of its own
            self._directions |= dict.fromkeys(EMBEDDING_SCORES, 0)
        if len(study.variants) > 1:
            self.effects = self._estimate_effects(study)
            self._rank_variants(study)
            if self.runs["data"].nunique() > 1:
                self.effects_by_data = self._estimate_effects(study, by="data")
        if study.factors:
            base = self.runs[self.runs["role"] == "base"]
            options: dict[str, Any] = {"blocks": study.blocks, "directions": self._directions}
            self.main_effects = estimate_main_effects(base, self.scores, study.factors, **options)
            self.interactions = estimate_interactions(base, self.scores, study.factors, **options)

    def _rank_variants(self, study: Study) -> None:
        """Rank the variants, without controls in studies that have factors."""
        rows = self.runs[self.runs["role"] != "control"] if study.factors else self.runs
        options: dict[str, Any] = {"blocks": [axis.name for axis in study.axes]}
        if self.main_score is not None and (direction := self._directions[self.main_score]):
            with suppress(InputError):  # no block has a score of every variant
                self.ranking = rank_variants(rows, self.main_score, direction=direction, **options)

    def _estimate_effects(self, study: Study, by: str | None = None) -> pd.DataFrame:
        """Compare changes at every level of the factors, and controls, which have no factors."""
        options: dict[str, Any] = {"by": by, "directions": self._directions}
        axes = [axis.name for axis in study.axes]
        changes = self.runs[self.runs["role"] != "control"]
        averaged = average_over_factors(self.runs, study, self.scores)
        parts = [
            estimate_effects(changes, self.scores, blocks=axes, **options),
            estimate_effects(averaged, self.scores, blocks=study.blocks, **options),
        ]
        effects = format_verdicts(pd.concat([part for part in parts if len(part)]))
        order = effects["score"].map(self.scores.index)
        return effects.iloc[order.argsort(kind="stable")].reset_index(drop=True)
