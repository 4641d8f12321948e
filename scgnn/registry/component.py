"""Kinds of components and their names.

A *kind* is a class (``class Encoder(Component, kind="encoder")``); an implementation is a frozen
dataclass that registers under a name (``@Encoder.register("gat")``). Its fields are its only
parameters; a recipe names it and sets them.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from scgnn.registry.finders import FINDERS

C = TypeVar("C", bound="type[Component]")


NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


NAME_RULE = "lower-case letters and digits, words joined by _, a letter first"


_KINDS: dict[str, type[Component]] = {}


class Component:
    """A part of a pipeline: a frozen dataclass with a name, found through its kind.

    Attributes
    ----------
    kind
        The kind it belongs to, e.g. ``"encoder"``.
    name
        Its name in recipes, e.g. ``"gat"``.
    requires
        Fields of :class:`~scgnn.state.State` that it reads besides the expression matrix; a slot
        that cannot give them refuses the component before any data is read.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    requires: ClassVar[frozenset[str]] = frozenset()
    _members: ClassVar[dict[str, type[Component]]]

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.kind = kind
            cls._members = {}
            _KINDS[kind] = cls

    @classmethod
    def register(cls, name: str) -> Callable[[C], C]:
        """Make a class known under ``name`` among the components of this kind.

        Raises
        ------
        ValueError
            The class is not of this kind, a default is nothing that a recipe can hold, the name
            is none, or it is taken: a component never replaces another.
        """
        if not NAME_PATTERN.fullmatch(name):
            raise ValueError(f"'{name}' is no name of a component: {NAME_RULE}")

        def add(member: C) -> C:
            if not issubclass(member, cls):
                raise ValueError(
                    f"{member.__name__} is no {cls.__name__}; derive it from that class"
                )
            taken = cls._members.get(name)
            if taken is not None and _full_name(taken) != _full_name(member):
                where = _full_name(taken)
                raise ValueError(f"{cls.kind} '{name}' is already {where}; choose another name")
            _check_defaults(member)
            member.kind, member.name = cls.kind, name
            cls._members[name] = member
            return member

        return add

    @classmethod
    def names(cls) -> list[str]:
        """The names known for this kind, those of installed plug-ins included, sorted."""
        return sorted({*cls._members}.union(*(finder.names(cls.kind) for finder in FINDERS)))

    @classmethod
    def get(cls, name: str) -> type[Component]:
        """The component of this kind with that name; a plug-in is imported now.

        Raises
        ------
        ValueError
            There is none, and the message suggests the nearest name and lists them all; or it is
            a plug-in that cannot be used, and the message says whose and why.
        """
        if name not in cls._members:
            for finder in FINDERS:
                finder.load(cls.kind, name)
        if name not in cls._members:
            raise ValueError(format_unknown_name(cls.kind, name, cls.names()))
        return cls._members[name]


def _check_defaults(cls: type) -> None:
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if field.default is not dataclasses.MISSING and not _is_plain_data(field.default):
            raise ValueError(
                f"{cls.__name__}: the default of '{field.name}' is a "
                f"{type(field.default).__name__}, which a recipe cannot hold; give a word, a "
                "number, a tuple or a component"
            )


def _is_plain_data(value: Any) -> bool:
    """Whether a recipe can hold a value."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain_data, value))
    return value is None or isinstance(value, str | int | float) or dataclasses.is_dataclass(value)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def format_unknown_name(category: str, name: str, choices: list[str], context: str = "") -> str:
    """The sentence for a word that is not among the known ones, with the nearest suggestion."""
    near = difflib.get_close_matches(str(name), choices, n=1)
    suggestion = f" Did you mean '{near[0]}'?" if near else ""
    return (
        f"unknown {category} '{name}'{context}.{suggestion} Known: {', '.join(choices) or 'none'}"
    )
