"""Kinds of components and their names.

A *kind* is a class (``class Encoder(Component, kind="encoder")``); an implementation is a frozen
dataclass that registers under a name (``@Encoder.register("gat")``). Its fields are its only
parameters; a recipe names it and sets them.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

C = TypeVar("C", bound="type[Component]")

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
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
        if not NAME.fullmatch(name):
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
            _refuse_defaults(member)
            member.kind, member.name = cls.kind, name
            cls._members[name] = member
            return member

        return add

    @classmethod
    def names(cls) -> list[str]:
        """The names known for this kind, those of installed plug-ins included, sorted."""
        from scgnn import plugins  # it knows the registry, not the other way around

        return sorted({*cls._members, *plugins.offered(cls.kind)})

    @classmethod
    def named(cls, name: str) -> type[Component]:
        """The component of this kind with that name; a plug-in is imported now.

        Raises
        ------
        ValueError
            There is none, and the message suggests the nearest name and lists them all; or it is
            a plug-in that cannot be used, and the message says whose and why.
        """
        if name not in cls._members:
            from scgnn import plugins

            plugins.load(cls.kind, name)
        if name not in cls._members:
            raise ValueError(unknown(cls.kind, name, cls.names()))
        return cls._members[name]


def _refuse_defaults(member: type) -> None:
    for field in dataclasses.fields(member) if dataclasses.is_dataclass(member) else ():
        if field.default is not dataclasses.MISSING and not _plain(field.default):
            raise ValueError(
                f"{member.__name__}: the default of '{field.name}' is a "
                f"{type(field.default).__name__}, which a recipe cannot hold; give a word, a "
                "number, a tuple or a component"
            )


def _plain(value: Any) -> bool:
    """Whether a recipe can hold a value."""
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | int | float) or dataclasses.is_dataclass(value)


def _full_name(member: type) -> str:
    return f"{member.__module__}.{member.__qualname__}"


def unknown(what: str, word: str, known: list[str], of: str = "") -> str:
    """The sentence for a word that is not among the known ones, with the nearest suggestion."""
    near = difflib.get_close_matches(str(word), known, n=1)
    suggestion = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown {what} '{word}'{of}.{suggestion} Known: {', '.join(known) or 'none'}"


def kinds() -> dict[str, type[Component]]:
    """Every kind by its word, with all built-in components registered."""
    importlib.import_module("scgnn.components")
    importlib.import_module("scgnn.pipelines")
    return dict(sorted(_KINDS.items()))


def find(word: str) -> type[Component]:
    """The component that ``KIND.NAME`` means.

    Raises
    ------
    ValueError
        There is no such kind or name, or it is a plug-in that cannot be used.
    """
    kind, _, name = word.partition(".")
    known = kinds()
    if kind not in known:
        raise ValueError(unknown("kind", kind, list(known)))
    return known[kind].named(name)


Registered = dict[type[Component], dict[str, type[Component]]]


def registered() -> Registered:
    """What is registered now, by kind; plug-ins that nobody asked for yet are not."""
    return {kind: dict(kind._members) for kind in _KINDS.values()}


def put_back(before: Registered) -> None:
    """Register exactly what was registered ``before``: a plug-in that fails leaves no trace."""
    _KINDS.clear()
    for kind, members in before.items():
        _KINDS[kind.kind], kind._members = kind, members


def parts(component: Any) -> Iterator[Component]:
    """A component and every component inside it, outermost first."""
    if isinstance(component, Component):
        yield component
    if isinstance(component, tuple | list):
        for item in component:
            yield from parts(item)
    elif dataclasses.is_dataclass(component) and not isinstance(component, type):
        for field in dataclasses.fields(component):
            yield from parts(getattr(component, field.name))


def requirements(component: Any) -> set[str]:
    """The State fields that a component and everything inside it read."""
    return {need for part in parts(component) for need in part.requires}


def slot(default: Any, gives: str = "") -> Any:
    """A dataclass field that holds a component, and the State fields known when it is used."""
    return dataclasses.field(default=default, metadata={"gives": frozenset(gives.split())})


def summary(component: type | object) -> str:
    """The first line of a docstring."""
    return readable((component.__doc__ or "").strip().split("\n")[0])


def readable(docstring: str) -> str:
    """Text of a docstring without its markup."""
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", docstring).replace("``", "")


def is_own(cls: type) -> bool:
    """Whether a class is scgnn's own, not a plug-in's."""
    return cls.__module__.partition(".")[0] == "scgnn"


def dump(value: Any) -> Any:
    """Components as plain data, complete: every default is written out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: dump(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return {"name": value.name, **fields} if isinstance(value, Component) else fields
    if isinstance(value, tuple | list):
        return [dump(item) for item in value]
    return value
