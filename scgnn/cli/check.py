"""The command ``check``: validate a recipe or a study without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scgnn.cli.app import RecipeCommand, app, suspend_gc
from scgnn.cli.options import (
    BackendOption,
    DataListOption,
    DeviceOption,
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
from scgnn.cli.streams import print_text
from scgnn.execution.hardware import Hardware, describe_hardware, has_dgl, resolve_hardware
from scgnn.execution.lazy_module import lazy_import

if TYPE_CHECKING:
    from scgnn.recipe.recipe import Recipe


@app.command(cls=RecipeCommand)
def check(
    recipe: RecipeArgument,
    data: DataListOption = None,
    labels_key: LabelsKeyOption = None,
    labels_file: LabelsFileOption = None,
    changes: SetOption = None,
    seeds: SeedsOption = None,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    _plugins: PluginOption = None,
) -> None:
    """Validate a recipe or a study and estimate its time and memory, without running it."""
    with suspend_gc(), lazy_import("torch"):
        from scgnn.recipe.describe import describe_plan
        from scgnn.runs.preflight import check_all_fit_memory, describe_counts, format_estimate
        from scgnn.study.load import is_study

    hardware = resolve_hardware(device, backend)
    if is_study(recipe):
        from scgnn.study.plan import describe_study

        options = (recipe, data, labels_key, labels_file, seeds, changes)
        study = load_study_from_options(*options, check_files=True)
        recipes = [run.recipe for run in study.runs]
        print_text(describe_study(study), end="")
    else:
        check_no_study_options(recipe, {"--seeds": seeds})
        arguments = (recipe, changes, data, labels_key, labels_file)
        recipes = [load_recipe_from_options(*arguments, check_files=True)]
        plan = describe_plan(recipes[0], describe_counts(recipes[0]))
        print_text(plan + format_estimate(recipes[0]), end="")
    if any(complete.data.labels_file for complete in recipes):
        from scgnn.evaluation.labels_file import check_labels_files

        check_labels_files(complete.data for complete in recipes)
    print_text(f"hardware    {describe_hardware(hardware)}{_compare_backends(recipes, hardware)}")
    check_all_fit_memory(recipes)
    print_text("all checks passed; nothing was run")


def _compare_backends(recipes: list[Recipe], hardware: Hardware) -> str:
    """Return which backend is faster, as measured by benchmarks/backends.py, or nothing."""
    if hardware.device != "cpu":
        return "; the estimate is that of the CPU"
    if not has_dgl():
        return ""
    encoders = [getattr(recipe.pipeline, "graph_encoder", None) for recipe in recipes]
    if any(getattr(encoder, "aggregator", "") == "pool" for encoder in encoders):
        return "; dgl is about twice as fast as torch for sage with aggregator pool"
    return "; dgl and torch take about the same time" if any(encoders) else ""
