"""Stopping rules that break one rule each."""

from __future__ import annotations

from broken_components.case import register_broken
from scgnn.components.stopping import StoppingRule


@register_broken(
    "continues_while_clusters_change", "it stops while clusters and graph change: enough"
)
class ImmediateStop(StoppingRule):
    """Stops at once."""

    def __call__(self, snapshots):
        return "enough"


@register_broken("reports_stop_reason", "clusters and graph have converged, and it returns ''")
class NoStop(StoppingRule):
    """Never stops."""

    def __call__(self, snapshots):
        return ""
