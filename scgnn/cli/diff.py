"""The command ``diff``: the differences between two recipes."""

from __future__ import annotations

from scgnn.cli.app import app, suspend_gc
from scgnn.cli.options import OneRecipeArgument, PluginOption
from scgnn.cli.streams import print_text
from scgnn.execution.lazy_module import lazy_import


@app.command()
def diff(a: OneRecipeArgument, b: OneRecipeArgument, _plugins: PluginOption = None) -> None:
    """Print the differences between two recipes, with defaults filled in."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe import diff_recipes
        from scgnn.recipe.describe import format_inline
        from scgnn.recipe.load import load_recipe

    differences = diff_recipes(load_recipe(a), load_recipe(b))
    for path, left, right in differences:
        print_text(f"{path}: {format_inline(left)} -> {format_inline(right)}")
    if not differences:
        print_text("no differences")
