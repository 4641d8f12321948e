"""Components and their kinds.

A *kind* is a class (``class Encoder(Component, kind="encoder")``). An implementation is a frozen
dataclass that is registered under a name (``@Encoder.register("gat")``). Its fields are its only
parameters; a recipe refers to it by name and sets them.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from scgnn.arguments import shorten
from scgnn.interface import by_interface
from scgnn.registry.finders import FINDERS

if TYPE_CHECKING:
    from typing import Self

C = TypeVar("C", bound="type[Component]")

NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_RULE = "use lower-case letters, digits and underscores, beginning with a letter"

_KINDS: dict[str, type[Component]] = {}


class Component:
    """Part of a pipeline: a frozen dataclass that is registered under a kind and a name.

    Attributes
    ----------
    kind
        Kind of the component, e.g. ``"encoder"``.
    name
        Name in recipes, e.g. ``"gat"``.
    requires
        Fields of :class:`~scgnn.state.State` that it reads besides the expression matrix; a slot
        where these are not available rejects the component before any data is read.
    needs_all_cells
        Why it cannot be used by one of several processes that each have some of the cells, as
        ``needs ...; use ...``; empty if it can. A subclass does not inherit an empty one.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    requires: ClassVar[frozenset[str]] = frozenset()
    needs_all_cells: ClassVar[str] = "may need all cells; leave it out"
    _members: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.kind, cls._members = kind, {}
            _KINDS[kind] = cls

    @classmethod
    def register(cls, name: str) -> Callable[[C], C]:
        """Return a class decorator that registers a component of this kind.

        Parameters
        ----------
        name
            Name in recipes.

        Raises
        ------
        ValueError
            The name is invalid or taken by another class, the class is not of this kind, or a
            recipe cannot represent one of its defaults.
        """
        if not NAME_PATTERN.fullmatch(name):
            raise ValueError(f"invalid component name '{name}': {NAME_RULE}")

        def decorate(member: C) -> C:
            if not issubclass(member, cls):
                raise ValueError(f"{member.__name__} is not a subclass of {cls.__name__}")
            current = _full_name(cls._members.get(name, member))
            if current != _full_name(member):
                raise ValueError(f"{cls.kind} '{name}' is already {current}; choose another name")
            _check_defaults(member)
            member.kind, member.name = cls.kind, name
            cls._members[name] = member
            return member

        return decorate

    @classmethod
    def names(cls) -> list[str]:
        """Return the sorted names of this kind, those of installed plug-ins included."""
        return sorted({*cls._members}.union(*(finder.names(cls.kind) for finder in FINDERS)))

    @classmethod
    def get(cls, name: str) -> type[Self]:
        """Return the component of this kind with that name; a plug-in is imported first.

        Raises
        ------
        ValueError
            There is no such component, or it belongs to a plug-in that cannot be used.
        """
        if name not in cls._members:
            for finder in FINDERS:
                finder.load(cls.kind, name)
        if name not in cls._members:
            plugin_hint = by_interface("add --plugin FILE", "import its module first")
            advice = f"{suggest_components(name, cls.names())} If it is your own, {plugin_hint}."
            bare_name = name.removeprefix(f"{cls.kind}.")
            if bare_name in cls.names():
                advice = f" Did you mean '{bare_name}'?"
            raise ValueError(format_unknown_name(cls.kind, name, cls.names(), advice=advice))
        return cls._members[name]


def find_dataclass_problem(cls: type) -> str:
    """Return why the fields of a component cannot be set and how to declare them, "" if they can.

    Not at registration, as ``dataclass`` can be the outer decorator.
    """
    annotations = vars(cls).get("__annotations__", {})
    has_fields = any("ClassVar" not in str(annotation) for annotation in annotations.values())
    is_decorated = "__dataclass_fields__" in vars(cls)
    if not dataclasses.is_dataclass(cls) or (has_fields and not is_decorated):
        return f"{cls.__name__}: not a dataclass; decorate it with @dataclass(frozen=True)"
    if cls.__hash__ is None:
        return f"{cls.__name__}: not hashable; decorate it with @dataclass(frozen=True)"
    return ""


def _check_defaults(cls: type) -> None:
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if field.default is not dataclasses.MISSING and not _is_plain_data(field.default):
            problem = f"the default of '{field.name}' is a {type(field.default).__name__}"
            advice = "use a string, number, tuple or component"
            message = f"{cls.__name__}: {problem}, which a recipe cannot represent; {advice}"
            raise ValueError(message)


def _is_plain_data(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain_data, value))
    return value is None or isinstance(value, str | int | float) or dataclasses.is_dataclass(value)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def suggest_components(name: str, known: Collection[str] = ()) -> str:
    """Return a sentence that names components of a name, or of a similar one, as ``KIND.NAME``.

    Parameters
    ----------
    name
        Name that is unknown.
    known
        Names that are not suggested.
    """
    by_kind = {kind: set(cls.names()) - set(known) for kind, cls in sorted(_KINDS.items())}
    names = sorted(set().union(*by_kind.values()))
    similar = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
    components = [
        f"{kind}.{choice}" for choice in similar for kind in by_kind if choice in by_kind[kind]
    ]
    return f" There is a component {' and a component '.join(components)}." if components else ""


def format_unknown_name(
    category: str, name: str, choices: list[str], context: str = "", advice: str = ""
) -> str:
    """Return the message for an unknown name, with the most similar valid one if there is any."""
    similar = difflib.get_close_matches(str(name), choices, n=1)
    hint = f" Did you mean '{similar[0]}'?" if similar else ""
    shown, known = shorten(str(name)), ", ".join(choices) or "none"
    return f"unknown {category} '{shown}'{context}.{hint}{advice} Known: {known}"
