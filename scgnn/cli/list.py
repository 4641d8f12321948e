"""``list``: components and recipes, one line each."""

from __future__ import annotations

from typing import Annotated

import typer

from scgnn.cli.app import app, suspend_gc
from scgnn.cli.lazy_module import lazy_import
from scgnn.cli.options import (
    PluginOption,
)
from scgnn.errors import UserError


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(help="One kind, or 'recipe' or 'study'.")] = None,
    _plugins: PluginOption = None,
) -> None:
    """List components and recipes: name, one line, where it comes from."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe.describe import summarize_recipe_file
        from scgnn.recipe.load import list_bundled_recipes
        from scgnn.registry import entry_points
        from scgnn.registry.component import format_unknown_name
        from scgnn.registry.kinds import kinds
        from scgnn.study.load import list_bundled_studies

    known = [*kinds(), "recipe", "study"]
    if kind is not None and kind not in known:
        raise UserError(format_unknown_name("kind", kind, known))
    for word in [kind] if kind else known:
        typer.echo(word)
        if word in ("recipe", "study"):
            files = list_bundled_recipes() if word == "recipe" else list_bundled_studies()
            rows = [(name, summarize_recipe_file(path), "scgnn") for name, path in files.items()]
        else:
            rows = list(entry_points.list_components(word))
        for name, line, source in rows:
            typer.echo(f"  {name:<24} {line}  [{source}]")
    for _, reason in entry_points.find_unusable():
        typer.echo(reason, err=True)
