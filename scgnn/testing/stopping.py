"""Checks of stopping rules."""

from __future__ import annotations

from scgnn.components.stopping import StoppingRule
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import make_cells
from scgnn.testing.exercise import CONVERGED_SHIFTS, make_snapshots


@register_check("stop")
def check_continues_while_clusters_change(stop: StoppingRule) -> None:
    """Check that it does not stop while clusters and graph change."""
    for shifts in ((0, 1), (0, 1, 4)):
        reason = stop(make_snapshots(make_cells(), *shifts))
        require(isinstance(reason, str), f"it returns {reason!r}; return the reason to stop, or ''")
        require(not reason, f"it stops while clusters and graph change: {reason}")


@register_check("stop")
def check_reports_stop_reason(stop: StoppingRule) -> None:
    """Check that it stops once clusters and graph have converged, and returns the reason."""
    reason = stop(make_snapshots(make_cells(), *CONVERGED_SHIFTS))
    stopped = isinstance(reason, str) and reason
    require(stopped, f"clusters and graph have converged, and it returns {reason!r}")
