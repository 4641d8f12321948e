"""Registry: kinds of components, their names, and the finders of components."""

from scgnn.registry.component import Component
from scgnn.registry.entry_points import EntryPointFinder
from scgnn.registry.finders import BUILTIN_IMPORTERS, FINDERS
from scgnn.registry.introspection import slot
from scgnn.registry.kinds import get_component, kinds

FINDERS.append(EntryPointFinder())

__all__ = ["BUILTIN_IMPORTERS", "FINDERS", "Component", "get_component", "kinds", "slot"]
