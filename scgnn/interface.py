"""Interface that this process is used through: messages name options or arguments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_command = ContextVar("is_command", default=False)


@contextmanager
def use_command_line() -> Iterator[None]:
    """Let the messages inside name options of the command instead of arguments in Python."""
    token = _is_command.set(True)
    try:
        yield
    finally:
        _is_command.reset(token)


def by_interface(command: str, python: str) -> str:
    """Return the text for users of the command, or that for callers of Python functions."""
    return command if _is_command.get() else python


def format_removal(path: str) -> str:
    """Return the option or argument that removes what is at a dotted path of a recipe."""
    return by_interface(f"--set {path}=null", f"{path.replace('.', '__')}=None")
