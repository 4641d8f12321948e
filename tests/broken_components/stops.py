"""Stops that break one rule each."""

from __future__ import annotations

from broken_components.case import register_broken
from scgnn.components.stopping import StoppingRule


@register_broken("continues_while_clusters_change", "it stops though everything moves: enough")
class ImmediateStop(StoppingRule):
    """Stops at once."""

    def __call__(self, snapshots):
        return "enough"


@register_broken("reports_stop_reason", "all stands still, and it says ''")
class NoStop(StoppingRule):
    """Goes on."""

    def __call__(self, snapshots):
        return ""
