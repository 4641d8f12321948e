"""``diff``: what differs between two recipes."""

from __future__ import annotations

import typer

from scgnn.cli.app import app, importing
from scgnn.cli.lazy_module import late
from scgnn.cli.options import (
    PluginFiles,
    RecipeName,
)


@app.command()
def diff(a: RecipeName, b: RecipeName, _plugins: PluginFiles = None) -> None:
    """Print what differs between two recipes, defaults filled in."""
    with importing(), late("torch"):
        from scgnn.recipe import diff as differences
        from scgnn.recipe.describe import brief
        from scgnn.recipe.load import load_recipe

    found = differences(load_recipe(a), load_recipe(b))
    if not found:
        typer.echo("no difference")
    for path, left, right in found:
        shown = [
            ", ".join(map(brief, v)) or "none" if isinstance(v, tuple) else brief(v)
            for v in (left, right)
        ]
        typer.echo(f"{path}: {shown[0]} -> {shown[1]}")
