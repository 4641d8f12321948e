"""Registry: kinds of components, their names, and where components come from."""

from scgnn.registry.component import NAME_PATTERN, NAME_RULE, Component, format_unknown_name
from scgnn.registry.entry_points import EntryPointFinder
from scgnn.registry.finders import FINDERS, Finder
from scgnn.registry.introspection import (
    collect_requirements,
    extract_summary,
    is_builtin,
    iter_components,
    slot,
    strip_markup,
    to_dict,
)
from scgnn.registry.kinds import Registrations, get_component, kinds, registered_components, restore

FINDERS.append(EntryPointFinder())

__all__ = [
    "FINDERS",
    "NAME_PATTERN",
    "NAME_RULE",
    "Component",
    "EntryPointFinder",
    "Finder",
    "Registrations",
    "collect_requirements",
    "extract_summary",
    "format_unknown_name",
    "get_component",
    "is_builtin",
    "iter_components",
    "kinds",
    "registered_components",
    "restore",
    "slot",
    "strip_markup",
    "to_dict",
]
