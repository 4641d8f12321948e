"""Stops that break one rule each."""

from __future__ import annotations

from broken_components.case import breaks
from scgnn.components.stopping import Stop


@breaks("goes_on_while_cells_move", "it stops though everything moves: enough")
class Impatient(Stop):
    """Stops at once."""

    def __call__(self, rounds):
        return "enough"


@breaks("says_why_it_stops", "all stands still, and it says ''")
class Endless(Stop):
    """Goes on."""

    def __call__(self, rounds):
        return ""
