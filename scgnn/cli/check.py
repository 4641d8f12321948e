"""``check``: validate a recipe or a study without running it."""

from __future__ import annotations

from typing import Annotated

import typer

from scgnn.cli.app import app, suspend_gc
from scgnn.cli.lazy_module import lazy_import
from scgnn.cli.options import (
    DataListOption,
    LabelsKeyOption,
    PluginOption,
    RecipeArgument,
    SetOption,
    load_recipe_from_options,
    load_study_from_options,
    require_single_path,
)
from scgnn.errors import UserError


@app.command()
def check(
    recipe: RecipeArgument,
    data: DataListOption = None,
    labels_key: LabelsKeyOption = None,
    changes: SetOption = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Study: seeds, e.g. 0,1,2, or how many.")
    ] = None,
    _plugins: PluginOption = None,
) -> None:
    """Say every mistake of a recipe or a study, or what it will do. Runs nothing."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe.describe import describe_plan
        from scgnn.runs.folder import check_data_files
        from scgnn.runs.preflight import check_all_fit_memory, format_estimate
        from scgnn.study.load import is_study

    if is_study(recipe):
        from scgnn.study.plan import describe_study

        study = load_study_from_options(recipe, data, labels_key, seeds, changes)
        check_data_files(run.recipe for run in study.runs)
        typer.echo(describe_study(study), nl=False)
        check_all_fit_memory(run.recipe for run in study.runs)
        typer.echo("no mistakes found; nothing was run")
        return
    if seeds is not None:
        raise UserError(f"--seeds is for a study, and {recipe} is a recipe")
    complete = load_recipe_from_options(recipe, changes, require_single_path(data), labels_key)
    check_data_files([complete])
    typer.echo(describe_plan(complete) + format_estimate(complete), nl=False)
    check_all_fit_memory([complete])
    typer.echo("no mistakes found; nothing was run")
