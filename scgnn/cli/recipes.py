"""``check``, ``show``, ``diff`` and ``list``: what recipes and components say."""

from __future__ import annotations

from typing import Annotated

import typer

from scgnn.cli.app import (
    DataFiles,
    LabelsColumn,
    PluginFiles,
    RecipeName,
    Sets,
    app,
    importing,
    load,
    load_study_of,
    one_of,
)
from scgnn.cli.late import late
from scgnn.errors import UserError


@app.command()
def check(
    recipe: RecipeName,
    data: DataFiles = None,
    labels: LabelsColumn = None,
    changes: Sets = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Study: seeds, e.g. 0,1,2, or how many.")
    ] = None,
    _plugins: PluginFiles = None,
) -> None:
    """Say every mistake of a recipe or a study, or what it will do. Runs nothing."""
    with importing(), late("torch"):
        from scgnn.expected import expected, refuse_where_too_large
        from scgnn.folders import refuse_missing
        from scgnn.recipe.describe import plan
        from scgnn.study.load import is_study

    if is_study(recipe):
        from scgnn.study.plan import describe_study

        study = load_study_of(recipe, data, labels, seeds, changes)
        refuse_missing(run.recipe for run in study.runs)
        typer.echo(describe_study(study), nl=False)
        refuse_where_too_large(run.recipe for run in study.runs)
        typer.echo("no mistakes found; nothing was run")
        return
    if seeds is not None:
        raise UserError(f"--seeds is for a study, and {recipe} is a recipe")
    complete = load(recipe, changes, one_of(data), labels)
    refuse_missing([complete])
    typer.echo(plan(complete) + expected(complete), nl=False)
    refuse_where_too_large([complete])
    typer.echo("no mistakes found; nothing was run")


@app.command()
def show(
    what: Annotated[str, typer.Argument(metavar="RECIPE|KIND.NAME")],
    changes: Sets = None,
    _plugins: PluginFiles = None,
) -> None:
    """Print a recipe complete, or a component, with the meaning of each setting."""
    with importing(), late("torch"):
        from scgnn.recipe import bundled, is_file
        from scgnn.recipe.describe import describe, describe_component
        from scgnn.registry import kinds

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


@app.command()
def diff(a: RecipeName, b: RecipeName, _plugins: PluginFiles = None) -> None:
    """Print what differs between two recipes, defaults filled in."""
    with importing(), late("torch"):
        from scgnn.recipe import diff as differences
        from scgnn.recipe import load_recipe
        from scgnn.recipe.describe import brief

    found = differences(load_recipe(a), load_recipe(b))
    if not found:
        typer.echo("no difference")
    for path, left, right in found:
        shown = [
            ", ".join(map(brief, v)) or "none" if isinstance(v, tuple) else brief(v)
            for v in (left, right)
        ]
        typer.echo(f"{path}: {shown[0]} -> {shown[1]}")


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(help="One kind, or 'recipe' or 'study'.")] = None,
    _plugins: PluginFiles = None,
) -> None:
    """List components and recipes: name, one line, where it comes from."""
    with importing(), late("torch"):
        from scgnn import plugins
        from scgnn.recipe import bundled
        from scgnn.recipe.describe import recipe_line
        from scgnn.registry import kinds, unknown
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
            rows = list(plugins.rows(word))
        for name, line, source in rows:
            typer.echo(f"  {name:<24} {line}  [{source}]")
    for _, reason in plugins.unusable():
        typer.echo(reason, err=True)
