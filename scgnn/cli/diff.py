"""``diff``: what differs between two recipes."""

from __future__ import annotations

import typer

from scgnn.cli.app import app, suspend_gc
from scgnn.cli.lazy_module import lazy_import
from scgnn.cli.options import (
    PluginOption,
    RecipeArgument,
)


@app.command()
def diff(a: RecipeArgument, b: RecipeArgument, _plugins: PluginOption = None) -> None:
    """Print what differs between two recipes, defaults filled in."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe import diff_recipes
        from scgnn.recipe.describe import format_inline
        from scgnn.recipe.load import load_recipe

    found = diff_recipes(load_recipe(a), load_recipe(b))
    if not found:
        typer.echo("no difference")
    for path, left, right in found:
        shown = [
            ", ".join(map(format_inline, v)) or "none" if isinstance(v, tuple) else format_inline(v)
            for v in (left, right)
        ]
        typer.echo(f"{path}: {shown[0]} -> {shown[1]}")
