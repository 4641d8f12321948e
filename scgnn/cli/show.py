"""``show``: a recipe or a component in full."""

from __future__ import annotations

from typing import Annotated

import typer

from scgnn.cli.app import app, importing
from scgnn.cli.lazy_module import late
from scgnn.cli.options import (
    PluginFiles,
    Sets,
    load,
)
from scgnn.errors import UserError


@app.command()
def show(
    what: Annotated[str, typer.Argument(metavar="RECIPE|KIND.NAME")],
    changes: Sets = None,
    _plugins: PluginFiles = None,
) -> None:
    """Print a recipe complete, or a component, with the meaning of each setting."""
    with importing(), late("torch"):
        from scgnn.recipe.describe import describe, describe_component
        from scgnn.recipe.load import bundled, is_file
        from scgnn.registry.kinds import kinds

    if what in kinds():
        raise UserError(
            f"{what} is a kind: 'scgnn-recipe list {what}' names its components, and "
            f"'scgnn-recipe show {what}.NAME' explains one"
        )
    if "." in what and not is_file(what) and what not in bundled():
        try:
            typer.echo(describe_component(what), nl=False)
        except ValueError as error:
            raise UserError(str(error)) from None
    else:
        typer.echo(describe(load(what, changes, None, None)), nl=False)
