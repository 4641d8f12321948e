"""stopping"""

from __future__ import annotations

from scgnn.components.stopping import StoppingRule
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import make_cells
from scgnn.testing.exercise import CONVERGED_SHIFTS, make_snapshots


@register_check("stop")
def check_continues_while_clusters_change(stop: StoppingRule) -> None:
    """Labels and graph that are new in each round are no reason to stop."""
    for moved in ((0, 1), (0, 1, 4)):
        reason = stop(make_snapshots(make_cells(), *moved))
        require(isinstance(reason, str), f"it says {reason!r}; a reason is text, none is ''")
        require(not reason, f"it stops though everything moves: {reason}")


@register_check("stop")
def check_reports_stop_reason(stop: StoppingRule) -> None:
    """When labels and graph stand still it stops, and says why."""
    reason = stop(make_snapshots(make_cells(), *CONVERGED_SHIFTS))
    require(isinstance(reason, str) and reason, f"all stands still, and it says {reason!r}")
