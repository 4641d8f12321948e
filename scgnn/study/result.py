"""A whole study: its runs, its tables, its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scgnn.study.engine import StudyOutcome
from scgnn.study.spec import Study
from scgnn.study.tables import StudyTables


@dataclass(frozen=True)
class StudyResult:
    """A study that has run.

    Attributes
    ----------
    study
        What was asked.
    folder
        Where everything is.
    answer
        Its tables.
    outcome
        What became of every run.
    """

    study: Study
    folder: Path
    tables: StudyTables
    outcome: StudyOutcome

    def format_cost(self) -> str:
        """What sharing stages saved, in a sentence."""
        apart, shared, asked, different = self.outcome.summarize_costs()
        part = f"{shared / apart:.0%}" if apart else "nothing"
        return (
            f"{asked:,} stages asked for, {different:,} different ones computed: {shared:,.0f} s "
            f"instead of {apart:,.0f} s for separate runs ({part})"
        )
