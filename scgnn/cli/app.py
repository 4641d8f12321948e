"""The typer application, to which each command adds itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import typer


class RunInterruptedError(Exception):
    """A run or study was interrupted by Ctrl-C."""


app = typer.Typer(
    name="scgnn-recipe",
    help="Run, customize and compare single-cell graph neural networks defined by recipes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@contextmanager
def suspend_gc() -> Iterator[None]:
    """Exclude the imports inside from garbage collection, which took a third of short commands."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
