"""Components of Python files that a command names by ``--plugin``."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

from scgnn.arguments import read_text_file
from scgnn.errors import UserError
from scgnn.registry.component import Component, find_dataclass_problem
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
    source = _read_source(path)
    # a name of its own, so that files of one name in two folders do not collide
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    module = ModuleType(f"{MODULE_PREFIX}{path.stem}_{digest}")
    module.__file__ = filename = str(path.resolve())
    sys.modules[module.__name__] = module  # where dataclasses and pickle look it up
    try:
        # under its full name, by which errors of a run are attributed to it
        exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
        members = [m for group in registered_components().values() for m in group.values()]
        components = [member for member in members if member.__module__ == module.__name__]
        if not components:
            hint = 'decorate a class, e.g. @Encoder.register("mine")'
            raise UserError(f"{path}: registers no component; {hint}")
        if problem := next(filter(None, map(find_dataclass_problem, components)), ""):
            raise UserError(f"{path}: {problem}")
    except (Exception, SystemExit) as error:  # third-party code raises anything
        restore(before)
        if isinstance(error, UserError):
            raise
        line = _format_line_number(error, filename)
        raise UserError(f"{path}{line}: {format_exception(error)}") from error
    return components


def format_exception(error: BaseException) -> str:
    """Return the type of an error and the first line of its message."""
    lines = (error.msg if isinstance(error, SyntaxError) else str(error)).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])


def _read_source(path: Path) -> str:
    if path.suffix != ".py":
        raise UserError(f"{path}: not a Python file; plug-in files end in .py")
    return read_text_file(path)


def _format_line_number(error: BaseException, filename: str) -> str:
    """Return ``:LINE`` of the file where an error was raised, if known."""
    if isinstance(error, SyntaxError) and error.filename == filename and error.lineno:
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == filename]
    return f":{lines[-1]}" if lines else ""
