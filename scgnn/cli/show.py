"""The command ``show``: a complete recipe, or the documentation of a component."""

from __future__ import annotations

from typing import Annotated

import typer

from scgnn.cli.app import app, suspend_gc
from scgnn.cli.options import PluginOption, SetOption, load_recipe_from_options
from scgnn.cli.streams import print_text
from scgnn.errors import UserError
from scgnn.execution.lazy_module import lazy_import


@app.command()
def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|KIND.NAME", help="Recipe, or component such as encoder.gat."
        ),
    ],
    changes: SetOption = None,
    _plugins: PluginOption = None,
) -> None:
    """Print a complete recipe, or a component, with a description of each setting."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe.describe import describe, describe_component
        from scgnn.recipe.load import is_recipe_path, list_bundled_recipes
        from scgnn.registry.kinds import kinds
        from scgnn.study.load import is_study

    if target in kinds():
        raise UserError(
            f"'{target}' is a kind of component: use 'scgnn-recipe list {target}' to list its "
            f"components, or 'scgnn-recipe show {target}.NAME' to describe one"
        )
    if is_study(target):
        raise UserError(
            f"'{target}' is a study: use 'scgnn-recipe check {target}' to list its variants, or "
            "'scgnn-recipe show RECIPE' for a recipe"
        )
    if "." in target and not is_recipe_path(target) and target not in list_bundled_recipes():
        try:
            print_text(describe_component(target), end="")
        except ValueError as error:
            raise UserError(str(error)) from None
    else:
        print_text(describe(load_recipe_from_options(target, changes)), end="")
