"""plugin_files"""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from scgnn.errors import UserError
from scgnn.registry.component import Component
from scgnn.registry.kinds import kinds, registered_components, restore

MODULE_PREFIX = "scgnn_plugin_"  # of the modules that plug-in files become


def _format_exception(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = words.strip().splitlines()
    return type(error).__name__ + (f": {lines[0]}" if lines else "")


def load_file(path: Path) -> list[type[Component]]:
    """Run a Python file whose decorators register components; gives these.

    Raises
    ------
    UserError
        It cannot be read or run, or registers nothing.
    """
    kinds()  # the built-ins come first: a name of theirs is taken
    before = registered_components()
    module = ModuleType(_module_name(path))
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for it
    try:
        exec(compile(_read_source(path), str(path), "exec", dont_inherit=True), module.__dict__)
        members = [m for own in registered_components().values() for m in own.values()]
        found = [m for m in members if m.__module__ == module.__name__]
        if not found:
            advice = 'decorate a class, e.g. @Encoder.register("mine")'
            raise UserError(f"{path}: registers no component; {advice}")
    except UserError:
        restore(before)
        raise
    except (Exception, SystemExit) as error:
        restore(before)
        raise UserError(
            f"{path}{_format_line_number(error, path)}: {_format_exception(error)}"
        ) from error
    return found


def _module_name(path: Path) -> str:
    """One module name a file, so that two files of one name do not meet."""
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    return f"{MODULE_PREFIX}{path.stem}_{digest}"


def _read_source(path: Path) -> str:
    if path.suffix != ".py":
        raise UserError(f"{path}: not a Python file; a plug-in file ends in .py")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file, so not Python") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _format_line_number(error: BaseException, path: Path) -> str:
    """``:LINE`` of the file at which an error began, where it is known."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
