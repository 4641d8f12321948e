"""Components that break one rule each, by the kind and the name of the check that sees it."""

from importlib import import_module
from pkgutil import iter_modules

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")  # each adds its own to case.CASES
