"""Broken components and the list of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class BrokenComponent(NamedTuple):
    """A component that breaks a rule, and the message of the check."""

    check: str
    component: Any
    message: str


CASES: list[BrokenComponent] = []


def register_broken(check: str, message: str, **settings: Any):
    """Return a decorator that makes a class a frozen dataclass and adds it to the cases."""

    def register(cls):
        cls = cls if "__dataclass_fields__" in vars(cls) else dataclass(frozen=True)(cls)
        CASES.append(BrokenComponent(check, cls(**settings), message))
        return cls

    return register
