"""Exemptions: checks that do not apply to some components, with the reason."""

from __future__ import annotations

from scgnn.components.readers import InMemory, Reader
from scgnn.components.regularizers import Regularizer
from scgnn.components.stopping import NeverStop
from scgnn.registry.component import Component

CALLING_CHECKS = (  # the checks that call a reader
    "is_deterministic_given_seed",
    "does_not_modify_inputs",
    "returns_counts",
    "returns_fresh_copy",
)


def get_exemption_reason(check: str, component: Component | type[Component]) -> str:
    """Return why a check does not apply to a component, "" if it does."""
    cls = component if isinstance(component, type) else type(component)
    if check in CALLING_CHECKS and issubclass(cls, Reader):
        if issubclass(cls, InMemory):
            return "its data are passed from Python, and none are available"
        if getattr(cls, "path", None) == "":  # its default
            return "it reads a file, and none is available"
    if check == "reports_stop_reason" and issubclass(cls, NeverStop):
        return "it never stops by design"
    if check == "separates_distant_blobs" and getattr(cls, "is_baseline", False):
        return "it declares itself a baseline (is_baseline), which need not find structure"
    penalizes_embedding = issubclass(cls, Regularizer) and cls.acts_on != "reconstruction"
    if check == "is_zero_at_perfect_reconstruction" and penalizes_embedding:
        return "its acts_on is not reconstruction: its term depends on the embedding"
    return ""
