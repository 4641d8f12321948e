"""Components of Python files that a command names by ``--plugin``."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

from scgnn.errors import UserError
from scgnn.registry.component import Component
from scgnn.registry.kinds import kinds, registered_components, restore

MODULE_PREFIX = "scgnn_plugin_"  # of the modules that plug-in files become


def load_file(path: Path) -> list[type[Component]]:
    """Run a Python file and return the components that it registers.

    Raises
    ------
    UserError
        The file cannot be read or run, or registers no component.
    """
    import hashlib

    kinds()  # built-in components first: their names are taken
    before = registered_components()
    # a name of its own, so that files of one name in two folders do not collide
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    module = ModuleType(f"{MODULE_PREFIX}{path.stem}_{digest}")
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # where dataclasses and pickle look it up
    try:
        exec(compile(_read_source(path), str(path), "exec", dont_inherit=True), module.__dict__)
        members = [m for group in registered_components().values() for m in group.values()]
        components = [member for member in members if member.__module__ == module.__name__]
        if not components:
            hint = 'decorate a class, e.g. @Encoder.register("mine")'
            raise UserError(f"{path}: registers no component; {hint}")
    except (Exception, SystemExit) as error:  # third-party code raises anything
        restore(before)
        if isinstance(error, UserError):
            raise
        line = _format_line_number(error, path)
        raise UserError(f"{path}{line}: {format_exception(error)}") from error
    return components


def format_exception(error: BaseException) -> str:
    """Return the type of an error and the first line of its message."""
    lines = (error.msg if isinstance(error, SyntaxError) else str(error)).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])


def _read_source(path: Path) -> str:
    if path.suffix != ".py":
        raise UserError(f"{path}: not a Python file; plug-in files end in .py")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _format_line_number(error: BaseException, path: Path) -> str:
    """Return ``:LINE`` of the file where an error was raised, if known."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
