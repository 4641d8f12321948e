"""Registry: kinds of components, their names, and where components come from."""

from scgnn.registry.component import NAME, NAME_RULE, Component, unknown
from scgnn.registry.entry_points import EntryPointFinder
from scgnn.registry.finders import FINDERS, Finder
from scgnn.registry.introspection import dump, is_own, parts, readable, requirements, slot, summary
from scgnn.registry.kinds import Registered, find, kinds, put_back, registered

FINDERS.append(EntryPointFinder())

__all__ = [
    "FINDERS",
    "NAME",
    "NAME_RULE",
    "Component",
    "EntryPointFinder",
    "Finder",
    "Registered",
    "dump",
    "find",
    "is_own",
    "kinds",
    "parts",
    "put_back",
    "readable",
    "registered",
    "requirements",
    "slot",
    "summary",
    "unknown",
]
