"""``check``: validate a recipe or a study without running it."""

from __future__ import annotations

from typing import Annotated

import typer

from scgnn.cli.app import app, importing
from scgnn.cli.lazy_module import late
from scgnn.cli.options import (
    DataFiles,
    LabelsColumn,
    PluginFiles,
    RecipeName,
    Sets,
    load,
    load_study_of,
    one_of,
)
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
        from scgnn.recipe.describe import plan
        from scgnn.runs.folder import refuse_missing
        from scgnn.runs.preflight import expected, refuse_where_too_large
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
