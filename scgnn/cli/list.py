"""The command ``list``: components and recipes, one line each."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from scgnn.arguments import escape_controls
from scgnn.cli.app import app, suspend_gc
from scgnn.cli.options import PluginOption
from scgnn.cli.streams import print_text
from scgnn.errors import UserError
from scgnn.execution.lazy_module import lazy_import

BUILTIN_SOURCE = "scgnn"


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND", help="Kind of component, or 'recipe' or 'study'.", show_default="all"
        ),
    ] = None,
    _plugins: PluginOption = None,
) -> None:
    """List components, recipes and studies, with the source of each plug-in."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe.describe import summarize_recipe_file
        from scgnn.recipe.load import list_bundled_recipes
        from scgnn.registry import entry_points
        from scgnn.registry.component import format_unknown_name, suggest_components
        from scgnn.registry.kinds import kinds
        from scgnn.study.load import list_bundled_studies

    bundled = {"recipe": list_bundled_recipes, "study": list_bundled_studies}
    known = [*kinds(), *bundled]
    if kind is not None and kind not in known:
        raise UserError(format_unknown_name("kind", kind, known, advice=suggest_components(kind)))
    for section in [kind] if kind else known:
        print_text(section)
        if section in bundled:
            files = bundled[section]().items()
            rows = [(name, summarize_recipe_file(path), BUILTIN_SOURCE) for name, path in files]
        else:
            rows = list(entry_points.list_components(section))
        for name, summary, source in rows:
            suffix = "" if source == BUILTIN_SOURCE else f"  [{source}]"
            print_text(f"  {name:<26} {summary}{suffix}")
    for _, problem in entry_points.find_unusable():
        sys.stderr.write(f"{escape_controls(problem)}\n")
