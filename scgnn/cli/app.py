"""The command and the options that its parts share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import typer


class RunInterruptedError(Exception):
    """A run was ended by Ctrl-C; says how to go on."""


app = typer.Typer(
    name="scgnn-recipe",
    help="Single-cell graph neural networks from recipes: run them, swap their parts, compare.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@contextmanager
def suspend_gc() -> Iterator[None]:
    """Imports inside, and what they make, are left alone by the garbage collector for good.

    It went over all of it again and again, and once more at the end: a third of a short command.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
