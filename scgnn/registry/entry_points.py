"""Plug-ins: components of other distributions, and of files named on the command line.

A distribution offers a component by an entry point of the group ``scgnn.components``, named
``kind.name`` with the value ``module:Class``. Offers are read without importing anything; one is
imported when its name is asked for. A built-in is never replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from scgnn.registry.component import Component
from scgnn.registry.introspection import extract_summary, is_builtin
from scgnn.registry.kinds import get_component, kinds, registered_components, restore
from scgnn.registry.plugin_files import MODULE_PREFIX, _format_exception

ENTRY_POINT_GROUP = "scgnn.components"


@dataclass(frozen=True)
class EntryPointComponent:
    """A component that an installed distribution says it has; not imported yet."""

    qualified_name: str
    entry_point: metadata.EntryPoint

    @property
    def source(self) -> str:
        """The distribution and its version."""
        found = self.entry_point.dist
        return f"{found.metadata['Name']} {found.version}" if found else self.entry_point.value

    @property
    def summary(self) -> str:
        """What the distribution says of itself."""
        said = self.entry_point.dist.metadata.json.get("summary") if self.entry_point.dist else None
        return str(said) if said else f"{self.entry_point.value}, not imported yet"


def discover_entry_points() -> dict[str, list[EntryPointComponent]]:
    """What the installed distributions offer, by ``kind.name``."""
    return _discover_entry_points(tuple(sys.path))


@cache
def _discover_entry_points(_search_path: tuple[str, ...]) -> dict[str, list[EntryPointComponent]]:
    found: dict[str, list[EntryPointComponent]] = {}
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
        found.setdefault(entry.name, []).append(EntryPointComponent(entry.name, entry))
    return {word: sorted(found[word], key=lambda offer: offer.source) for word in sorted(found)}


def list_entry_point_names(kind: str) -> set[str]:
    """The names that installed distributions offer for a kind."""
    return {
        word.partition(".")[2] for word in discover_entry_points() if word.partition(".")[0] == kind
    }


def load_entry_point(kind: str, name: str) -> None:
    """Import and register the component of that name, if an installed distribution offers one.

    Raises
    ------
    ValueError
        Two distributions offer it, it cannot be imported, or it is not what it is offered as.
    """
    word = f"{kind}.{name}"
    if (
        word not in discover_entry_points() or name in registered_components()[kinds()[kind]]
    ):  # kinds() brings the built-ins
        return
    if len(discover_entry_points()[word]) > 1:
        raise ValueError(_format_conflict(word))
    (offer,) = discover_entry_points()[word]
    before = registered_components()
    try:
        member = _import_component(offer)
    except ValueError:
        restore(before)
        raise
    # a neighbour in the module that has an offer of its own waits until it is asked for
    restore(
        {
            cls: {
                other: found
                for other, found in members.items()
                if other in before.get(cls, {})
                or f"{cls.kind}.{other}" not in discover_entry_points()
            }
            for cls, members in registered_components().items()
        }
    )
    kinds()[kind]._members[name] = member


def _import_component(component: EntryPointComponent) -> type[Component]:
    """The class that an offer names, if it is a component of the kind and name offered."""
    try:
        member = component.entry_point.load()
    except (Exception, SystemExit) as error:  # a stranger's module raises anything
        raise ValueError(
            f"{_format_origin(component)} cannot be imported ({_format_exception(error)})"
        ) from error
    kind, _, name = component.qualified_name.partition(".")
    if not (isinstance(member, type) and issubclass(member, kinds()[kind])):
        raise ValueError(
            f"{_format_origin(component)}: {component.entry_point.value} is not a class of the kind {kind}"
        )
    if getattr(member, "name", None) != name:
        registers = (
            f"registers as '{member.name}'" if hasattr(member, "name") else "does not register"
        )
        advice = f'decorate it with .register("{name}")'
        raise ValueError(
            f"{_format_origin(component)}: {component.entry_point.value} {registers}; {advice}"
        )
    return member


def _format_origin(component: EntryPointComponent) -> str:
    return f"plug-in {component.qualified_name} of {component.source}"


def _format_conflict(qualified_name: str) -> str:
    sources = " and ".join(offer.source for offer in discover_entry_points()[qualified_name])
    return f"plug-in {qualified_name} is offered by {sources}; uninstall all but one"


def find_unusable() -> Iterator[tuple[str, str]]:
    """Offers that will never be taken, each with the reason in a sentence; imports nothing."""
    for word, found in discover_entry_points().items():
        kind, _, name = word.partition(".")
        if kind not in kinds():
            known = ", ".join(kinds())
            advice = f"no kind '{kind}' (an entry point is named KIND.NAME); known: {known}"
            yield word, f"{_format_origin(found[0])}: {advice}"
        elif is_builtin(registered_components()[kinds()[kind]].get(name, object)):
            for offer in found:
                yield word, f"{_format_origin(offer)} is not used: scgnn's own {kind} has that name"
        elif len(found) > 1:
            yield word, _format_conflict(word)


def diagnose_plugins() -> Iterator[tuple[str, bool, str]]:
    """Each plug-in that is installed, whether it can be used, and its source or what is wrong."""
    wrong = dict(find_unusable())
    for word, found in discover_entry_points().items():
        try:
            if word not in wrong:
                get_component(word)
        except ValueError as error:
            wrong[word] = str(error)
        yield word, word not in wrong, wrong.get(word, found[0].source)


def list_components(kind: str) -> Iterator[tuple[str, str, str]]:
    """Name, summary and source of each component of a kind; plug-ins are not imported."""
    cls = kinds()[kind]
    for name in cls.names():
        member = registered_components()[cls].get(name)
        if member is not None:
            yield name, extract_summary(member), describe_source(member)
        else:
            offer = discover_entry_points()[f"{kind}.{name}"][0]
            yield name, offer.summary, offer.source


def describe_source(cls: type[Component]) -> str:
    """Where a component comes from: scgnn, a distribution and its version, a file or a module."""
    top = cls.__module__.partition(".")[0]
    if top.startswith(MODULE_PREFIX):
        return Path(str(sys.modules[cls.__module__].__file__)).name
    found = discover_entry_points().get(f"{cls.kind}.{cls.name}", [])
    from_there = (offer for offer in found if offer.entry_point.module == cls.__module__)
    return next((offer.source for offer in from_there), top)


class EntryPointFinder:
    """Components of installed distributions; imported when their name is first used."""

    def import_builtins(self) -> None:
        """Do nothing: distributions are not imported before they are used."""

    def names(self, kind: str) -> set[str]:
        """Return the names that installed distributions have for a kind."""
        return list_entry_point_names(kind)

    def load(self, kind: str, name: str) -> None:
        """Import and register the component of that name, if a distribution has it."""
        load_entry_point(kind, name)
