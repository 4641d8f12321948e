"""Where a check does not apply, and why: the one place for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scgnn.components.readers import InMemory, Reader
from scgnn.components.regularizers import Regularizer
from scgnn.components.stopping import NeverStop
from scgnn.registry.component import Component

CALLING_CHECKS = (  # the checks that call a component
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
        Their names.
    applies
        Says whether a component is one of those.
    reason
        Why they do not apply, in words.
    """

    checks: tuple[str, ...]
    applies_to: Callable[[type[Component]], bool]
    reason: str


def _requires_path(cls: type[Any]) -> bool:
    fields = {field.name: field.default for field in dataclasses.fields(cls)}
    return issubclass(cls, Reader) and fields.get("path") == ""


def _is_in_memory(cls: type[Any]) -> bool:
    return issubclass(cls, InMemory)


def _never_stops(cls: type[Any]) -> bool:
    return issubclass(cls, NeverStop)


def _is_control(cls: type[Any]) -> bool:
    return bool(getattr(cls, "control", False))


def _penalizes_embedding(cls: type[Any]) -> bool:
    return issubclass(cls, Regularizer) and cls.penalty is not Regularizer.penalty


EXEMPTIONS = (
    Exemption(CALLING_CHECKS, _requires_path, "it reads a file, and there is none to read"),
    Exemption(
        CALLING_CHECKS, _is_in_memory, "its data are handed over in Python, and none are here"
    ),
    Exemption(("reports_stop_reason",), _never_stops, "it never stops: that is what it is for"),
    Exemption(
        ("separates_distant_blobs",),
        _is_control,
        "it declares itself a control: it sets the floor that others are read against",
    ),
    Exemption(
        ("is_zero_at_perfect_reconstruction",),
        _penalizes_embedding,
        "it overrides penalty: it looks at the embedding, which the reconstruction does not decide",
    ),
)


def get_exemption_reason(check: str, component: Component | type[Component]) -> str:
    """Why a check does not apply to a component, "" where it does."""
    cls = component if isinstance(component, type) else type(component)
    if not dataclasses.is_dataclass(cls):
        return ""
    return next((e.reason for e in EXEMPTIONS if check in e.checks and e.applies_to(cls)), "")
