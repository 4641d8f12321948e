"""Plug-ins: components of other distributions, and of files named on the command line.

A distribution offers a component by an entry point of the group ``scgnn.components``, named
``kind.name`` with the value ``module:Class``. Offers are read without importing anything; one is
imported when its name is asked for. A built-in is never replaced.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from scgnn.errors import Diverged, UserError
from scgnn.registry import Component, find, is_own, kinds, parts, put_back, registered, summary

GROUP = "scgnn.components"
PREFIX = "scgnn_plugin_"  # of the modules that plug-in files become


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


def _said(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = words.strip().splitlines()
    return type(error).__name__ + (f": {lines[0]}" if lines else "")


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


def load_file(path: Path) -> list[type[Component]]:
    """Run a Python file whose decorators register components; gives these.

    Raises
    ------
    UserError
        It cannot be read or run, or registers nothing.
    """
    kinds()  # the built-ins come first: a name of theirs is taken
    before = registered()
    module = ModuleType(_module_name(path))
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for it
    try:
        exec(compile(_text(path), str(path), "exec", dont_inherit=True), module.__dict__)
        members = [m for own in registered().values() for m in own.values()]
        found = [m for m in members if m.__module__ == module.__name__]
        if not found:
            advice = 'decorate a class, e.g. @Encoder.register("mine")'
            raise UserError(f"{path}: registers no component; {advice}")
    except UserError:
        put_back(before)
        raise
    except (Exception, SystemExit) as error:
        put_back(before)
        raise UserError(f"{path}{_line(error, path)}: {_said(error)}") from error
    return found


@contextmanager
def blamed(stage: str, args: tuple[Any, ...]) -> Iterator[None]:
    """Name the components that are not scgnn's own when a stage that uses them breaks.

    Raises
    ------
    UserError
        Instead of the error, with the last line of theirs that it went through.
    """
    try:
        yield
    except Exception as error:  # a stranger's code raises anything
        others = list({type(part): None for part in parts(args) if not is_own(type(part))})
        if not others or (isinstance(error, UserError) and not isinstance(error, Diverged)):
            raise
        files = {_file(cls): None for cls in others}
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        whose = " and ".join(f"{cls.kind}.{cls.name} of {source(cls)}" for cls in others)
        said = str(error) if isinstance(error, Diverged) else _said(error)
        first = others[0]
        named = first.__module__.startswith(PREFIX)
        word = _file(first) if named else f"{first.kind}.{first.name}"
        raise UserError(
            f"{stage}: {said}{where}, with {whose}; scgnn-recipe test {word} tries it alone"
        ) from error


def _file(cls: type) -> str:
    return str(getattr(sys.modules[cls.__module__], "__file__", ""))


def _module_name(path: Path) -> str:
    """One module name a file, so that two files of one name do not meet."""
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    return f"{PREFIX}{path.stem}_{digest}"


def _text(path: Path) -> str:
    if path.suffix != ".py":
        raise UserError(f"{path}: not a Python file; a plug-in file ends in .py")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file, so not Python") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _line(error: BaseException, path: Path) -> str:
    """``:LINE`` of the file at which an error began, where it is known."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
