"""Where a check does not apply, and why: the one place for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scgnn.components.readers import Given, Reader
from scgnn.components.regularizers import Regularizer
from scgnn.components.stopping import NeverStop
from scgnn.registry.component import Component

USES = (  # the checks that call a component
    "same_seed_same_answer",
    "leaves_inputs_alone",
    "gives_counts",
    "reads_anew",
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
    applies: Callable[[type[Component]], bool]
    reason: str


def _needs_a_path(cls: type[Any]) -> bool:
    fields = {field.name: field.default for field in dataclasses.fields(cls)}
    return issubclass(cls, Reader) and fields.get("path") == ""


def _is_given(cls: type[Any]) -> bool:
    return issubclass(cls, Given)


def _never_stops(cls: type[Any]) -> bool:
    return issubclass(cls, NeverStop)


def _is_control(cls: type[Any]) -> bool:
    return bool(getattr(cls, "control", False))


def _looks_at_the_embedding(cls: type[Any]) -> bool:
    return issubclass(cls, Regularizer) and cls.penalty is not Regularizer.penalty


EXEMPTIONS = (
    Exemption(USES, _needs_a_path, "it reads a file, and there is none to read"),
    Exemption(USES, _is_given, "its data are handed over in Python, and none are here"),
    Exemption(("says_why_it_stops",), _never_stops, "it never stops: that is what it is for"),
    Exemption(
        ("two_far_blobs_are_two",),
        _is_control,
        "it declares itself a control: it sets the floor that others are read against",
    ),
    Exemption(
        ("wants_nothing_of_the_truth",),
        _looks_at_the_embedding,
        "it overrides penalty: it looks at the embedding, which the reconstruction does not decide",
    ),
)


def exemption(check: str, component: Component | type[Component]) -> str:
    """Why a check does not apply to a component, "" where it does."""
    cls = component if isinstance(component, type) else type(component)
    if not dataclasses.is_dataclass(cls):
        return ""
    return next((e.reason for e in EXEMPTIONS if check in e.checks and e.applies(cls)), "")
