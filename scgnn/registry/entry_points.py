"""Components of installed distributions.

A distribution declares a component by an entry point of the group ``scgnn.components``, named
``kind.name`` with the value ``module:Class``. Entry points are read without importing anything;
the module is imported when the name is first used. A built-in component is never replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn.registry.component import Component, format_unknown_name
from scgnn.registry.introspection import extract_summary, get_module_file, is_builtin
from scgnn.registry.kinds import get_component, kinds, registered_components, restore
from scgnn.registry.plugin_files import MODULE_PREFIX, format_exception

if TYPE_CHECKING:
    from importlib import metadata

ENTRY_POINT_GROUP = "scgnn.components"


@dataclass(frozen=True)
class EntryPointComponent:
    """Component that an installed distribution declares; not imported yet."""

    entry_point: metadata.EntryPoint

    def __str__(self) -> str:
        return f"plug-in {self.entry_point.name} of {self.source}"

    @property
    def source(self) -> str:
        """Distribution and its version."""
        dist = self.entry_point.dist
        return f"{dist.metadata['Name']} {dist.version}" if dist else self.entry_point.value

    @property
    def summary(self) -> str:
        """Summary of the distribution."""
        dist = self.entry_point.dist
        text = dist.metadata.json.get("summary") if dist else None
        return str(text or f"{self.entry_point.value}, not imported yet")

    def load(self) -> type[Component]:
        """Import the class and check its kind and name.

        Raises
        ------
        ValueError
            It cannot be imported, or is not registered under the declared kind and name.
        """
        kind, _, name = self.entry_point.name.partition(".")
        try:
            member = self.entry_point.load()
        except (Exception, SystemExit) as error:  # third-party code raises anything
            raise ValueError(f"{self} cannot be imported ({format_exception(error)})") from error
        if not (isinstance(member, type) and issubclass(member, kinds()[kind])):
            raise ValueError(f"{self}: {self.entry_point.value} is not a class of the kind {kind}")
        registered = getattr(member, "name", None)
        if registered != name:
            problem = f"is registered as '{registered}'" if registered else "is not registered"
            advice = f'decorate it with .register("{name}")'
            raise ValueError(f"{self}: {self.entry_point.value} {problem}; {advice}")
        return member


def discover_entry_points() -> dict[str, list[EntryPointComponent]]:
    """Return the components that installed distributions declare, by ``kind.name``."""
    return _discover_entry_points(tuple(sys.path))


@cache
def _discover_entry_points(_search_path: tuple[str, ...]) -> dict[str, list[EntryPointComponent]]:
    from importlib import metadata  # 40 ms

    components: dict[str, list[EntryPointComponent]] = {}
    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        components.setdefault(entry_point.name, []).append(EntryPointComponent(entry_point))
    return {name: sorted(components[name], key=lambda c: c.source) for name in sorted(components)}


class EntryPointFinder:
    """Finder of the components of installed distributions."""

    def names(self, kind: str) -> set[str]:
        """Return the names that installed distributions declare for a kind."""
        pairs = (entry.partition(".") for entry in discover_entry_points())
        return {name for prefix, _, name in pairs if prefix == kind}

    def load(self, kind: str, name: str) -> None:
        """Import and register the component of that name, if a distribution declares it.

        Raises
        ------
        ValueError
            Two distributions declare it, or it cannot be imported or is not what was declared.
        """
        qualified_name, declared = f"{kind}.{name}", discover_entry_points()
        # kinds() registers the built-in components
        if qualified_name not in declared or name in registered_components()[kinds()[kind]]:
            return
        if len(declared[qualified_name]) > 1:
            raise ValueError(_format_conflict(qualified_name))
        before = registered_components()
        try:
            member = declared[qualified_name][0].load()
        except ValueError:
            restore(before)
            raise
        # of the other components of its module, those with an entry point of their own wait
        for cls, members in registered_components().items():
            for new in set(members) - set(before.get(cls, ())):
                if f"{cls.kind}.{new}" in declared:
                    del cls._members[new]
        kinds()[kind]._members[name] = member


def _format_conflict(qualified_name: str) -> str:
    sources = " and ".join(c.source for c in discover_entry_points()[qualified_name])
    return f"plug-in {qualified_name} is provided by {sources}; uninstall all but one"


def find_unusable() -> Iterator[tuple[str, str]]:
    """Yield the entry points that are never used, each with the reason; imports nothing."""
    for qualified_name, components in discover_entry_points().items():
        kind, _, name = qualified_name.partition(".")
        if kind not in kinds():
            context = " (entry points are named KIND.NAME)"
            unknown = format_unknown_name("kind", kind, list(kinds()), context)
            yield qualified_name, f"{components[0]}: {unknown}"
        elif is_builtin(registered_components()[kinds()[kind]].get(name, object)):
            for component in components:
                yield qualified_name, f"{component} is ignored: scgnn has a {kind} of that name"
        elif len(components) > 1:
            yield qualified_name, _format_conflict(qualified_name)


def diagnose_plugins() -> Iterator[tuple[str, bool, str]]:
    """Yield each installed plug-in, whether it works, and its source or the problem."""
    problems = dict(find_unusable())
    for qualified_name, components in discover_entry_points().items():
        try:
            if qualified_name not in problems:
                get_component(qualified_name)
        except ValueError as error:
            problems[qualified_name] = str(error)
        problem = problems.get(qualified_name)
        yield qualified_name, problem is None, problem or components[0].source


def list_components(kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, summary and source of each component of a kind; plug-ins are not imported."""
    cls = kinds()[kind]
    for name in cls.names():
        member = registered_components()[cls].get(name)
        if member is not None:
            yield name, extract_summary(member), describe_source(member)
        else:
            component = discover_entry_points()[f"{kind}.{name}"][0]
            yield name, component.summary, component.source


def describe_source(cls: type[Component]) -> str:
    """Return the origin of a component: scgnn, distribution and version, file, or module."""
    package = cls.__module__.partition(".")[0]
    if package.startswith(MODULE_PREFIX):
        return Path(get_module_file(cls.__module__)).name or package
    for component in discover_entry_points().get(f"{cls.kind}.{cls.name}", []):
        if component.entry_point.module == cls.__module__:
            return component.source
    return package
