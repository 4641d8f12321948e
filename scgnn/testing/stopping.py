"""stopping"""

from __future__ import annotations

from scgnn.components.stopping import Stop
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import cells
from scgnn.testing.exercise import STANDING, rounds


@check("stop")
def check_goes_on_while_cells_move(stop: Stop) -> None:
    """Labels and graph that are new in each round are no reason to stop."""
    for moved in ((0, 1), (0, 1, 4)):
        reason = stop(rounds(cells(), *moved))
        demand(isinstance(reason, str), f"it says {reason!r}; a reason is text, none is ''")
        demand(not reason, f"it stops though everything moves: {reason}")


@check("stop")
def check_says_why_it_stops(stop: Stop) -> None:
    """When labels and graph stand still it stops, and says why."""
    reason = stop(rounds(cells(), *STANDING))
    demand(isinstance(reason, str) and reason, f"all stands still, and it says {reason!r}")
