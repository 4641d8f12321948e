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
        seconds, shared, n_stages, n_unique = self.outcome.summarize_costs()
        fraction = f" ({shared / seconds:.0%})" if seconds else ""
        return (
            f"{n_stages:,} stages, {n_unique:,} of them unique: "
            f"computed in {shared:,.0f} s instead of {seconds:,.0f} s{fraction}"
        )
