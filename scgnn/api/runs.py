"""Runs in Python: compute, write, report."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn.arguments import check_anndata, check_type, is_anndata
from scgnn.data.h5ad_writer import write_h5ad
from scgnn.errors import RecipeError, UserError
from scgnn.execution.cache import StageCache
from scgnn.execution.files import write_files
from scgnn.execution.hardware import resolve_hardware, use_hardware
from scgnn.execution.progress import OUTSIDE_PIPELINE, get_progress
from scgnn.execution.resources import configure_process
from scgnn.execution.stages import Stages
from scgnn.recipe.build import MAX_SUGGESTIONS, find_settings
from scgnn.recipe.load import get_recipe_name, list_bundled_recipes, load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.registry.component import format_unknown_name
from scgnn.runs.baseline import compute_baseline, has_baseline
from scgnn.runs.folder import check_locked, open_output_folder
from scgnn.runs.original_format import write_scgnn_csv
from scgnn.runs.results import RunResult, build_text_files, list_metrics
from scgnn.runs.run import add_costs, execute, read_from_memory

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

RECIPE_KEYS = [field.name for field in fields(Recipe)]
KEYWORDS = [
    "labels_key",
    "labels_file",
    "out",
    "resume",
    "force",
    "device",
    "backend",
    *RECIPE_KEYS,
]


def write_folder(result: RunResult, folder: Path, export: str = "") -> tuple[RunResult, list[Path]]:
    """Write all files of a run but its log.

    Parameters
    ----------
    result
        Result of the run.
    folder
        Folder that was opened for this run.
    export
        Beginning of the names of the files of the original program; "" writes none.

    Returns
    -------
    result, paths
        Result with the time and memory of writing, and the files in the order of writing.

    Raises
    ------
    FolderRemovedError
        The folder is not the one that was opened for this run.
    """
    check_locked(folder)
    stages = Stages()
    with stages.measure("writing"):
        exported = write_scgnn_csv(result, folder, export) if export else []
        paths = write_files(folder, {"result.h5ad": partial(write_h5ad, result.adata)})
    result = replace(result, metrics=add_costs(result.metrics, stages))
    return result, [*paths, *_write_report(result, folder), *exported]


def _write_report(result: RunResult, folder: Path) -> list[Path]:
    """Write the page and the text files of a run; ``metrics.json`` comes last."""
    from scgnn.report.run import render_run_page

    get_progress().on_stage_start("report", OUTSIDE_PIPELINE)
    page = render_run_page(result)
    text_files = build_text_files(result.state, result.recipe, list_metrics(result))
    return write_files(folder, {"report.html": page, **text_files})


def add_baseline(result: RunResult, folder: Path, cache: StageCache) -> RunResult:
    """Compute the baseline of a finished run, if it has one, and add it to the files of the run.

    An error is logged as a warning and does not fail the run.
    """
    if not has_baseline(result):
        return result
    try:
        result = compute_baseline(result, cache)
    except UserError as error:
        log.warning("the baseline could not be computed: %s", error)
        return result
    _write_report(result, folder)
    return result


def run(
    recipe: str | Path | Recipe | Mapping[str, Any] = "scgnn",
    adata: AnnData | None = None,
    *,
    labels_key: str | None = None,
    labels_file: str | Path | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    device: str = "auto",
    backend: str = "auto",
    **changes: Any,
) -> AnnData:
    """Run a recipe and return an AnnData with the results.

    Parameters
    ----------
    recipe
        Name of a bundled recipe, path, mapping or :class:`~scgnn.recipe.recipe.Recipe`.
    adata
        Raw counts, cells x genes, in place of the recipe's reader; not modified.
    labels_key
        Column of ``obs``, or of ``labels_file``, with true labels, which are used for evaluation
        only.
    labels_file
        Text table with the names of cells and their true labels.
    out
        Folder for the files that the command writes; None writes none.
    resume
        Whether to continue an unfinished run in ``out``.
    force
        Whether to run what is estimated not to fit into memory.
    device
        Where networks are trained: ``cpu``, ``cuda``, ``mps`` (experimental), or ``auto``, which is
        ``cuda`` where there is a GPU.
    backend
        What passes messages between cells: ``dgl``, ``torch``, or ``auto``, which is ``dgl`` on the
        CPU where it is installed.
    **changes
        Values by dotted path, with two underscores in place of a dot: ``seed=2,
        pipeline__graph_encoder="gat"``.

    Returns
    -------
    AnnData
        The cells and genes used: X as given; ``obs["scgnn"]``: clusters; ``obsm["X_scgnn"]``:
        the embedding that was clustered; ``obsm["X_scgnn_features"]``: feature embedding;
        ``obsp["scgnn_connectivities"]`` and ``["scgnn_distances"]``: cell graph;
        ``layers["scgnn_imputed"]``: imputed expression on the scale of the transformed data;
        ``uns["scgnn"]``: recipe, versions and history.

    Raises
    ------
    RecipeError
        The recipe is invalid; lists all mistakes.
    InputError
        The data cannot be used.
    """
    configure_process()
    if is_anndata(recipe):
        raise UserError('recipe: it comes before the data, as in scgnn.run("scgnn", adata)')
    if isinstance(recipe, str | os.PathLike) and str(recipe) not in list_bundled_recipes():
        from scgnn.study.load import is_study

        if is_study(str(recipe)):
            raise UserError(f"recipe: {recipe} is a study; use scgnn.run_study")
    for name in changes:
        if re.split(r"__|\.", name)[0] not in RECIPE_KEYS:
            deeper = [path.replace(".", "__") for path in find_settings(Recipe, name)]
            advice = f" There is {' and '.join(deeper[:MAX_SUGGESTIONS])}." if deeper else ""
            message = format_unknown_name("argument", name, KEYWORDS, " of run()", advice)
            raise RecipeError([message])
    if adata is not None:
        check_anndata(adata)
    if out is not None:
        check_type("out", out, (str, os.PathLike), "a path")
    for name, flag in {"resume": resume, "force": force}.items():
        check_type(name, flag, bool, "True or False")
    names = {argument.replace("__", "."): argument for argument in changes}
    paths = {argument.replace("__", "."): value for argument, value in changes.items()}
    if labels_file is not None:
        check_type("labels_file", labels_file, (str, os.PathLike), "a path")
        labels_file = os.fspath(labels_file)
    for name, value in {"labels_key": labels_key, "labels_file": labels_file}.items():
        if value is not None:
            names = {f"data.{name}": name} | names
            paths = {f"data.{name}": value} | paths
    complete = load_recipe(recipe, paths, names=names)
    hardware = resolve_hardware(device, backend)
    if out is None:
        with use_hardware(hardware):
            return execute(complete, adata, force=force).adata
    if adata is not None:
        complete = read_from_memory(complete)
    with open_output_folder(Path(out), complete, resume) as folder, use_hardware(hardware):
        stages = Stages(StageCache(folder / "stages"))
        result = execute(complete, adata, stages, force, to_file=True)
        write_folder(replace(result, recipe_name=get_recipe_name(recipe)), folder)
    return result.adata
