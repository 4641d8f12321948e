"""What a check is: a small function that holds a component to one rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scgnn.registry.component import Component


class CheckFailedError(AssertionError):
    """A component breaks a rule; the message says how, in a sentence."""


def require(condition: object, message: str) -> None:
    """Raise :class:`Broken` with a sentence unless something holds."""
    if not condition:
        raise CheckFailedError(message)


@dataclass(frozen=True)
class Check:
    """One rule, and the function that tries a component on it.

    Parameters
    ----------
    function
        Takes a component; raises where the rule is broken.
    kind
        The kind it is for; null is for all.
    slow
        Whether it takes minutes.
    """

    function: Callable[..., None]
    kind: str | None = None
    slow: bool = False

    @property
    def name(self) -> str:
        """Its name in tables and in the ids of tests."""
        return self.function.__name__.removeprefix("check_")

    @property
    def description(self) -> str:
        """The rule in words."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    def __call__(self, component: Component | type[Component]) -> None:
        """Try a component, or a class with its defaults.

        Raises
        ------
        Exception
            The rule is broken: :class:`Broken` with a sentence, or what the component raised.
        """
        self.function(component() if isinstance(component, type) else component)


CHECKS: list[Check] = []


def register_check(
    kind: str | None = None, slow: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put a function among the checks of a kind, or of all kinds."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        CHECKS.append(Check(function, kind, slow))
        return function

    return add
