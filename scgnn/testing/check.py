"""Checks: functions that test a component against one rule of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scgnn.registry.component import Component


class CheckFailedError(AssertionError):
    """A component breaks a rule."""


def require(condition: object, message: str) -> None:
    """Raise :class:`CheckFailedError` unless a condition is true."""
    if not condition:
        raise CheckFailedError(message)


def require_shape(actual: Sequence[int], expected: Sequence[int], name: str) -> None:
    """Require the shape of an array or tensor."""
    actual, expected = tuple(actual), tuple(expected)
    require(actual == expected, f"{name}: expected shape {expected}, got {actual}")


def require_finite(values: Any, name: str) -> None:
    """Require the values of an array or tensor to be finite."""
    values = values.detach() if hasattr(values, "detach") else values
    require(np.isfinite(np.asarray(values)).all(), f"{name} is not finite")


@dataclass(frozen=True)
class Check:
    """A rule and the function that tests a component against it.

    Parameters
    ----------
    function
        Takes a component and raises an exception if it breaks the rule; its docstring states
        the rule.
    kind
        Kind of component that the rule applies to; None for all kinds.
    slow
        Whether the check takes minutes.
    """

    function: Callable[..., None]
    kind: str | None = None
    slow: bool = False

    @property
    def name(self) -> str:
        """Name of the check in reports and test ids."""
        return self.function.__name__.removeprefix("check_")

    @property
    def description(self) -> str:
        """The rule as a sentence: the function's docstring without "Check that"."""
        rule = (self.function.__doc__ or "").split("\n")[0].removeprefix("Check that ")
        return rule[:1].upper() + rule[1:]

    def __call__(self, component: Component | type[Component]) -> None:
        """Test a component, or a class with its defaults.

        Parameters
        ----------
        component
            A component of the check's kind, or its class.

        Raises
        ------
        CheckFailedError
            The component breaks the rule.
        Exception
            Whatever else the component raises.
        """
        self.function(component() if isinstance(component, type) else component)


CHECKS: list[Check] = []  # filled when the modules of the suite are imported


def register_check(
    kind: str | None = None, slow: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that registers a check of one kind, or of all kinds."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        CHECKS.append(Check(function, kind, slow))
        return function

    return register
