"""The command ``diff``: the differences of two recipes."""

from __future__ import annotations

from typing import Any

import typer

from scgnn.cli.app import app, suspend_gc
from scgnn.cli.options import PluginOption, RecipeArgument
from scgnn.execution.lazy_module import lazy_import


@app.command()
def diff(a: RecipeArgument, b: RecipeArgument, _plugins: PluginOption = None) -> None:
    """Print the differences of two recipes, with defaults filled in."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe import diff_recipes
        from scgnn.recipe.describe import format_inline
        from scgnn.recipe.load import load_recipe

    def format_value(value: Any) -> str:
        if isinstance(value, tuple):
            return ", ".join(map(format_inline, value)) or "none"
        return format_inline(value)

    differences = diff_recipes(load_recipe(a), load_recipe(b))
    for path, left, right in differences:
        typer.echo(f"{path}: {format_value(left)} -> {format_value(right)}")
    if not differences:
        typer.echo("no differences")
