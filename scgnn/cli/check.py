"""The command ``check``: validate a recipe or a study without running it."""

from __future__ import annotations

from scgnn.cli.app import app, suspend_gc
from scgnn.cli.options import (
    DataListOption,
    LabelsFileOption,
    LabelsKeyOption,
    PluginOption,
    RecipeArgument,
    SeedsOption,
    SetOption,
    check_no_study_options,
    load_recipe_from_options,
    load_study_from_options,
)
from scgnn.execution.lazy_module import lazy_import


@app.command()
def check(
    recipe: RecipeArgument,
    data: DataListOption = None,
    labels_key: LabelsKeyOption = None,
    labels_file: LabelsFileOption = None,
    changes: SetOption = None,
    seeds: SeedsOption = None,
    _plugins: PluginOption = None,
) -> None:
    """Validate a recipe or a study and estimate its time and memory, without running it."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe.describe import describe_plan
        from scgnn.runs.preflight import check_all_fit_memory, format_estimate
        from scgnn.study.load import is_study

    if is_study(recipe):
        from scgnn.study.plan import describe_study

        options = (recipe, data, labels_key, labels_file, seeds, changes)
        study = load_study_from_options(*options, check_files=True)
        recipes = [run.recipe for run in study.runs]
        print(describe_study(study), end="")
    else:
        check_no_study_options(recipe, {"--seeds": seeds})
        arguments = (recipe, changes, data, labels_key, labels_file)
        recipes = [load_recipe_from_options(*arguments, check_files=True)]
        print(describe_plan(recipes[0]) + format_estimate(recipes[0]), end="")
    if any(complete.data.labels_file for complete in recipes):
        from scgnn.evaluation.labels_file import check_labels_files

        check_labels_files(complete.data for complete in recipes)
    check_all_fit_memory(recipes)
    print("all checks passed; nothing was run")
