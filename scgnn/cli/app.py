"""The typer application, to which each command adds itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from scgnn import __version__
from scgnn.errors import UserError


class RunInterruptedError(Exception):
    """A run or study was interrupted by Ctrl-C."""


class RecipeCommand(TyperCommand):
    """A command with a recipe as its only argument, which names the option for data."""

    allow_extra_args = True

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        if ctx.args:
            raise UserError(f"{ctx.args[0]}: unexpected argument; use --data for each data file")
        return super().invoke(ctx)


app = typer.Typer(
    name="scgnn-recipe",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"scgnn {__version__}")
        raise typer.Exit


@app.callback()
def add_version_option(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Run, customize and compare single-cell graph neural networks defined by recipes."""


@contextmanager
def suspend_gc() -> Iterator[None]:
    """Exclude the imports inside from garbage collection, which took a third of short commands."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
