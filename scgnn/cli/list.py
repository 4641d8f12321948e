"""``list``: components and recipes, one line each."""

from __future__ import annotations

from typing import Annotated

import typer

from scgnn.cli.app import app, importing
from scgnn.cli.lazy_module import late
from scgnn.cli.options import (
    PluginFiles,
)
from scgnn.errors import UserError


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(help="One kind, or 'recipe' or 'study'.")] = None,
    _plugins: PluginFiles = None,
) -> None:
    """List components and recipes: name, one line, where it comes from."""
    with importing(), late("torch"):
        from scgnn.recipe.describe import recipe_line
        from scgnn.recipe.load import bundled
        from scgnn.registry import entry_points
        from scgnn.registry.component import unknown
        from scgnn.registry.kinds import kinds
        from scgnn.study.load import bundled_studies

    known = [*kinds(), "recipe", "study"]
    if kind is not None and kind not in known:
        raise UserError(unknown("kind", kind, known))
    for word in [kind] if kind else known:
        typer.echo(word)
        if word in ("recipe", "study"):
            files = bundled() if word == "recipe" else bundled_studies()
            rows = [(name, recipe_line(path), "scgnn") for name, path in files.items()]
        else:
            rows = list(entry_points.rows(word))
        for name, line, source in rows:
            typer.echo(f"  {name:<24} {line}  [{source}]")
    for _, reason in entry_points.unusable():
        typer.echo(reason, err=True)
