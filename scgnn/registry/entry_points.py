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
from scgnn.registry.introspection import is_own, summary
from scgnn.registry.kinds import find, kinds, put_back, registered
from scgnn.registry.plugin_files import PREFIX, _said

GROUP = "scgnn.components"


@dataclass(frozen=True)
class Offer:
    """A component that an installed distribution says it has; not imported yet."""

    word: str
    entry: metadata.EntryPoint

    @property
    def source(self) -> str:
        """The distribution and its version."""
        found = self.entry.dist
        return f"{found.metadata['Name']} {found.version}" if found else self.entry.value

    @property
    def summary(self) -> str:
        """What the distribution says of itself."""
        said = self.entry.dist.metadata.json.get("summary") if self.entry.dist else None
        return str(said) if said else f"{self.entry.value}, not imported yet"


def offers() -> dict[str, list[Offer]]:
    """What the installed distributions offer, by ``kind.name``."""
    return _offers(tuple(sys.path))


@cache
def _offers(_path: tuple[str, ...]) -> dict[str, list[Offer]]:
    found: dict[str, list[Offer]] = {}
    for entry in metadata.entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(Offer(entry.name, entry))
    return {word: sorted(found[word], key=lambda offer: offer.source) for word in sorted(found)}


def offered(kind: str) -> set[str]:
    """The names that installed distributions offer for a kind."""
    return {word.partition(".")[2] for word in offers() if word.partition(".")[0] == kind}


def load(kind: str, name: str) -> None:
    """Import and register the component of that name, if an installed distribution offers one.

    Raises
    ------
    ValueError
        Two distributions offer it, it cannot be imported, or it is not what it is offered as.
    """
    word = f"{kind}.{name}"
    if word not in offers() or name in registered()[kinds()[kind]]:  # kinds() brings the built-ins
        return
    if len(offers()[word]) > 1:
        raise ValueError(_twice(word))
    (offer,) = offers()[word]
    before = registered()
    try:
        member = _imported(offer)
    except ValueError:
        put_back(before)
        raise
    # a neighbour in the module that has an offer of its own waits until it is asked for
    put_back(
        {
            cls: {
                other: found
                for other, found in members.items()
                if other in before.get(cls, {}) or f"{cls.kind}.{other}" not in offers()
            }
            for cls, members in registered().items()
        }
    )
    kinds()[kind]._members[name] = member


def _imported(offer: Offer) -> type[Component]:
    """The class that an offer names, if it is a component of the kind and name offered."""
    try:
        member = offer.entry.load()
    except (Exception, SystemExit) as error:  # a stranger's module raises anything
        raise ValueError(f"{_whose(offer)} cannot be imported ({_said(error)})") from error
    kind, _, name = offer.word.partition(".")
    if not (isinstance(member, type) and issubclass(member, kinds()[kind])):
        raise ValueError(f"{_whose(offer)}: {offer.entry.value} is not a class of the kind {kind}")
    if getattr(member, "name", None) != name:
        registers = (
            f"registers as '{member.name}'" if hasattr(member, "name") else "does not register"
        )
        advice = f'decorate it with .register("{name}")'
        raise ValueError(f"{_whose(offer)}: {offer.entry.value} {registers}; {advice}")
    return member


def _whose(offer: Offer) -> str:
    return f"plug-in {offer.word} of {offer.source}"


def _twice(word: str) -> str:
    sources = " and ".join(offer.source for offer in offers()[word])
    return f"plug-in {word} is offered by {sources}; uninstall all but one"


def unusable() -> Iterator[tuple[str, str]]:
    """Offers that will never be taken, each with the reason in a sentence; imports nothing."""
    for word, found in offers().items():
        kind, _, name = word.partition(".")
        if kind not in kinds():
            known = ", ".join(kinds())
            advice = f"no kind '{kind}' (an entry point is named KIND.NAME); known: {known}"
            yield word, f"{_whose(found[0])}: {advice}"
        elif is_own(registered()[kinds()[kind]].get(name, object)):
            for offer in found:
                yield word, f"{_whose(offer)} is not used: scgnn's own {kind} has that name"
        elif len(found) > 1:
            yield word, _twice(word)


def examine() -> Iterator[tuple[str, bool, str]]:
    """Each plug-in that is installed, whether it can be used, and its source or what is wrong."""
    wrong = dict(unusable())
    for word, found in offers().items():
        try:
            if word not in wrong:
                find(word)
        except ValueError as error:
            wrong[word] = str(error)
        yield word, word not in wrong, wrong.get(word, found[0].source)


def rows(kind: str) -> Iterator[tuple[str, str, str]]:
    """Name, summary and source of each component of a kind; plug-ins are not imported."""
    cls = kinds()[kind]
    for name in cls.names():
        member = registered()[cls].get(name)
        if member is not None:
            yield name, summary(member), source(member)
        else:
            offer = offers()[f"{kind}.{name}"][0]
            yield name, offer.summary, offer.source


def source(member: type[Component]) -> str:
    """Where a component comes from: scgnn, a distribution and its version, a file or a module."""
    top = member.__module__.partition(".")[0]
    if top.startswith(PREFIX):
        return Path(str(sys.modules[member.__module__].__file__)).name
    found = offers().get(f"{member.kind}.{member.name}", [])
    from_there = (offer for offer in found if offer.entry.module == member.__module__)
    return next((offer.source for offer in from_there), top)


class EntryPointFinder:
    """Components of installed distributions; imported when their name is first used."""

    def import_builtins(self) -> None:
        """Do nothing: distributions are not imported before they are used."""

    def names(self, kind: str) -> set[str]:
        """Return the names that installed distributions have for a kind."""
        return offered(kind)

    def load(self, kind: str, name: str) -> None:
        """Import and register the component of that name, if a distribution has it."""
        load(kind, name)
