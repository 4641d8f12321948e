"""Result of a study: its runs, tables and folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scgnn.study.engine import StudyOutcome
from scgnn.study.spec import Study
from scgnn.study.tables import StudyTables


@dataclass(frozen=True)
class StudyResult:
    """Result of a study.

    Attributes
    ----------
    study
        Study that was run.
    folder
        Folder of its files.
    tables
        Runs, effects and rankings.
    outcome
        Finished and failed runs.
    """

    study: Study
    folder: Path
    tables: StudyTables
    outcome: StudyOutcome

    def format_cost(self) -> str:
        """Return the computing time saved by sharing stages as a sentence."""
        costs = self.outcome.list_costs()
        unique = dict(costs)
        seconds = sum(cost.seconds for _, cost in costs)
        shared = sum(cost.seconds for cost in unique.values())
        fraction = f" ({shared / seconds:.0%})" if seconds else ""
        return (
            f"{len(costs):,} stages, {len(unique):,} of them unique: "
            f"computed in {shared:,.0f} s instead of {seconds:,.0f} s{fraction}"
        )
