"""Every kind of component, and what is registered for it."""

from __future__ import annotations

from scgnn.registry.component import _KINDS, Component, format_unknown_name
from scgnn.registry.finders import FINDERS


def kinds() -> dict[str, type[Component]]:
    """Every kind by its word, with all built-in components registered."""
    for finder in FINDERS:
        finder.import_builtins()
    return dict(sorted(_KINDS.items()))


def get_component(qualified_name: str) -> type[Component]:
    """The component that ``KIND.NAME`` means.

    Raises
    ------
    ValueError
        There is no such kind or name, or it is a plug-in that cannot be used.
    """
    kind, _, name = qualified_name.partition(".")
    known = kinds()
    if kind not in known:
        raise ValueError(format_unknown_name("kind", kind, list(known)))
    return known[kind].get(name)


Registrations = dict[type[Component], dict[str, type[Component]]]


def registered_components() -> Registrations:
    """What is registered now, by kind; plug-ins that nobody asked for yet are not."""
    return {kind: dict(kind._members) for kind in _KINDS.values()}


def restore(registrations: Registrations) -> None:
    """Register exactly what was registered ``before``: a plug-in that fails leaves no trace."""
    _KINDS.clear()
    for kind, members in registrations.items():
        _KINDS[kind.kind], kind._members = kind, members
