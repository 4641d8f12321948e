"""Exemptions: checks that do not apply to some components, with the reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Exemption:
    """Checks that do not apply to some components.

    Parameters
    ----------
    checks
        Names of the checks.
    applies_to
        Whether a component class is exempt.
    reason
        Why the checks do not apply.
    """

    checks: tuple[str, ...]
    applies_to: Callable[[type[Any]], bool]
    reason: str


def _requires_path(cls: type[Any]) -> bool:
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    return issubclass(cls, Reader) and defaults.get("path") == ""


def _penalizes_embedding(cls: type[Any]) -> bool:
    return issubclass(cls, Regularizer) and cls.acts_on != "reconstruction"


EXEMPTIONS = (
    Exemption(CALLING_CHECKS, _requires_path, "it reads a file, and none is available"),
    Exemption(
        CALLING_CHECKS,
        lambda cls: issubclass(cls, InMemory),
        "its data are passed from Python, and none are available",
    ),
    Exemption(
        ("reports_stop_reason",), lambda cls: issubclass(cls, NeverStop), "it never stops by design"
    ),
    Exemption(
        ("separates_distant_blobs",),
        lambda cls: bool(getattr(cls, "is_baseline", False)),
        "it declares itself a baseline (is_baseline), which need not find structure",
    ),
    Exemption(
        ("is_zero_at_perfect_reconstruction",),
        _penalizes_embedding,
        "its acts_on is not reconstruction: its term depends on the embedding",
    ),
)


def get_exemption_reason(check: str, component: Component | type[Component]) -> str:
    """Return why a check does not apply to a component, "" if it does."""
    cls = component if isinstance(component, type) else type(component)
    if not dataclasses.is_dataclass(cls):
        return ""
    return next((e.reason for e in EXEMPTIONS if check in e.checks and e.applies_to(cls)), "")
