"""Pages to look at: ``report.html`` of a study and of a run, each one file with all in it."""

from scgnn.report.run import render_run_page
from scgnn.report.study import write_report

__all__ = ["render_run_page", "write_report"]
