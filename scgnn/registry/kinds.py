"""Kinds of components and what is registered for each."""

from __future__ import annotations

from scgnn.registry.component import (
    _KINDS,
    Component,
    format_unknown_name,
    suggest_components,
)
from scgnn.registry.finders import BUILTIN_IMPORTERS

Registrations = dict[type[Component], dict[str, type[Component]]]


def kinds() -> dict[str, type[Component]]:
    """Return every kind by name; registers all built-in components."""
    for import_builtins in BUILTIN_IMPORTERS:
        import_builtins()
    return dict(sorted(_KINDS.items()))


def get_component(qualified_name: str) -> type[Component]:
    """Return the component ``KIND.NAME``.

    Raises
    ------
    ValueError
        There is no such kind or name, or it belongs to a plug-in that cannot be used.
    """
    kind, _, name = qualified_name.partition(".")
    if kind not in kinds():
        advice = suggest_components(qualified_name)
        raise ValueError(format_unknown_name("kind", kind, list(kinds()), advice=advice))
    return kinds()[kind].get(name)


def registered_components() -> Registrations:
    """Return what is registered by kind; plug-ins that were not used yet are not."""
    return {kind: dict(kind._members) for kind in _KINDS.values()}


def restore(registrations: Registrations) -> None:
    """Restore an earlier result of :func:`registered_components`."""
    _KINDS.clear()
    for kind, members in registrations.items():
        _KINDS[kind.kind], kind._members = kind, members
