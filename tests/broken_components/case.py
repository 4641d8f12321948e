"""What a broken component is, and the list of them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class BrokenComponent(NamedTuple):
    """A component that breaks a rule, and the words in which the check says so."""

    check: str
    component: Any
    message: str


CASES: list[BrokenComponent] = []


def register_broken(check: str, message: str, **settings: Any):
    """Put a class among the cases; it is made a frozen dataclass without parameters."""

    def add(cls):
        cls = cls if "__dataclass_fields__" in vars(cls) else dataclass(frozen=True)(cls)
        CASES.append(BrokenComponent(check, cls(**settings), message))
        return cls

    return add
