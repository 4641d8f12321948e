"""runs"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn.execution.cache import StageCache
from scgnn.execution.files import _write_text, write_files
from scgnn.execution.stages import Stages
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.runs.folder import open_output_folder
from scgnn.runs.results import RunResult, build_text_writers, check_h5ad_compatible
from scgnn.runs.run import _set_in_memory_reader, execute

if TYPE_CHECKING:
    from anndata import AnnData


def write_folder(result: RunResult, out: Path) -> list[Path]:
    """Write everything a run leaves except its log; ``metrics.json`` comes last.

    Returns
    -------
    list of Path
        The files, in the order in which they were written.
    """
    from scgnn.report.run import render_run_page

    files = build_text_writers(result.state, result.recipe, result.metrics)

    def h5ad(part: Path) -> None:
        result.adata.write_h5ad(part, compression="gzip")

    page = render_run_page(result)
    return write_files(
        out, {"result.h5ad": h5ad, "report.html": lambda part: _write_text(part, page), **files}
    )


def run(
    recipe: str | Path | Recipe | Mapping[str, Any] = "scgnn",
    adata: AnnData | None = None,
    *,
    labels_key: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    **changes: Any,
) -> AnnData:
    """Run a recipe and return an AnnData with everything it found.

    Parameters
    ----------
    recipe
        A bundled name, a path, a mapping or a :class:`~scgnn.recipe.recipe.Recipe`.
    adata
        Counts, cells x genes, instead of what the recipe reads. It is not changed.
    labels
        Column of obs with true labels, for scores only.
    out
        A folder to write to, as the command does; None writes nothing.
    resume
        Go on with an unfinished run in ``out``.
    force
        Run what the estimate says cannot fit into memory.
    **changes
        Values by dotted path, with two underscores for a dot where that is easier:
        ``seed=2, pipeline__graph_encoder="gat"``.

    Returns
    -------
    AnnData
        The cells and genes used: X as it came; ``obs["scgnn"]``, ``obsm["X_scgnn"]``,
        ``obsm["X_scgnn_features"]``, ``obsp["scgnn_connectivities"]``,
        ``layers["scgnn_imputed"]`` (scale of the transformed data), ``uns["scgnn"]``.

    Raises
    ------
    RecipeError
        With every mistake in the recipe.
    InputError
        The data cannot be used; says what, where and what to do.
    """
    paths = {path.replace("__", "."): value for path, value in changes.items()}
    if labels_key is not None:
        paths["data.labels_key"] = labels_key
    complete = load_recipe(recipe, paths)
    if adata is not None:
        complete = _set_in_memory_reader(complete)
    if out is None:
        return execute(complete, adata, force=force).adata
    if adata is not None:
        check_h5ad_compatible(adata)
    with open_output_folder(Path(out), complete, resume) as folder:
        result = execute(complete, adata, Stages(StageCache(folder / "stages")), force)
        write_folder(result, folder)
    return result.adata
