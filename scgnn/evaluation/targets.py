"""Imputation targets: what is hidden from a pipeline, to score imputed values. No true labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, issparse

from scgnn.components.readers import H5AD
from scgnn.components.transforms import Transform
from scgnn.data.anndata_views import replace_x
from scgnn.data.layers import select_counts
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.evaluation.masking import hide_nonzeros, permute_genes, thin
from scgnn.seeding import seed_for
from scgnn.state import Matrix

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn.recipe.recipe import Recipe

log = logging.getLogger("scgnn")

MAX_COUNT = 2**24  # beyond, float32 does not represent all integers

Scale = Literal["counts", "log1p", "other"]


class HiddenEntries(NamedTuple):
    """Hidden non-zero entries and their positions [entries]."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray


class ReferenceMatrix(NamedTuple):
    """Hidden or true counts, cells x genes."""

    values: Matrix  # after the transforms of the pipeline's input
    counts: csr_matrix  # of the same cells and genes, before them


class ImputationTargets(NamedTuple):
    """Targets of imputed values.

    Attributes
    ----------
    holdout
        Hidden non-zero entries.
    thinning
        Hidden molecules.
    truth
        True counts.
    permuted_genes
        Columns of the permuted genes, which the other targets exclude.
    scale
        Scale of the values: counts or log1p, up to a factor for each cell, or other.
    """

    holdout: HiddenEntries | None
    thinning: ReferenceMatrix | None
    truth: ReferenceMatrix | None
    permuted_genes: np.ndarray | None
    scale: Scale

    def __bool__(self) -> bool:
        return any(target is not None for target in self[:4])


def prepare_imputation_targets(
    counts: AnnData, recipe: Recipe
) -> tuple[AnnData, ImputationTargets]:
    """Hide data as the recipe states, and apply its transforms to the visible data and the targets.

    Transforms that select cells and genes do so by the visible data.

    Parameters
    ----------
    counts
        Validated counts, cells x genes, without true labels.
    recipe
        Recipe with fractions to hide and transforms.

    Returns
    -------
    visible, targets
        Input of the pipeline, cells x genes, and what is hidden from it.

    Raises
    ------
    InputError
        If the transforms drop all cells or genes, values to thin are not counts, or the truth lacks
        cells or genes.
    """
    data, visible = recipe.data, counts
    hidden: dict[str, AnnData] = {}
    rows = columns = np.zeros(0, dtype=int)
    if data.holdout_fraction:
        seed = seed_for(recipe.seed, "holdout")
        x, rows, columns = hide_nonzeros(counts.X, data.holdout_fraction, seed)
        visible, hidden["holdout"] = replace_x(counts, x), counts
    if data.thinning_fraction:
        _check_integer_counts(counts)
        x, thinned = thin(counts.X, data.thinning_fraction, seed_for(recipe.seed, "thinning"))
        log.info(f"thinning hides {thinned.sum():,.0f} of {counts.X.sum():,.0f} molecules")
        visible, hidden["thinning"] = replace_x(counts, x), replace_x(counts, thinned)
    if data.truth_path is not None:
        hidden["truth"] = load_true_counts(counts, data.truth_path)
    untransformed = {name: csr_matrix(adata.X) for name, adata in hidden.items()}
    for transform in data.transforms:
        visible = transform(visible)
        _check_not_empty(visible, counts, transform)
        for name, adata in hidden.items():
            selects = transform.drops_cells_or_genes
            hidden[name] = (
                adata[visible.obs_names, visible.var_names] if selects else transform(adata)
            )
    permuted = None
    if data.permuted_gene_fraction:
        seed = seed_for(recipe.seed, "permuted")
        x, permuted = permute_genes(visible.X, data.permuted_gene_fraction, seed)
        visible = replace_x(visible, x)
        log.info(f"the values of {len(permuted):,} genes are permuted over the cells")
    cells = counts.obs_names.get_indexer(visible.obs_names)
    genes = counts.var_names.get_indexer(visible.var_names)
    references = {
        name: ReferenceMatrix(_to_float32(adata.X), untransformed[name][cells][:, genes])
        for name, adata in hidden.items()
        if name != "holdout"
    }
    entries = None
    if "holdout" in hidden:
        rows = visible.obs_names.get_indexer(counts.obs_names)[rows]
        columns = visible.var_names.get_indexer(counts.var_names)[columns]
        entries = _select_entries(hidden["holdout"].X, rows, columns, permuted)
    thinning, truth = references.get("thinning"), references.get("truth")
    scale = infer_scale(data.transforms)
    return visible, ImputationTargets(entries, thinning, truth, permuted, scale)


def infer_scale(transforms: Sequence[Transform]) -> Scale:
    """Return the scale of counts after transforms, up to a factor for each cell."""
    names = [transform.name for transform in transforms if not transform.drops_cells_or_genes]
    is_log = names[-1:] == ["log1p"]
    if set(names[: len(names) - is_log]) - {"normalize_total"}:
        return "other"
    return "log1p" if is_log else "counts"


def load_true_counts(counts: AnnData, path: str) -> AnnData:
    """Return the true counts in an h5ad file, for the cells and genes of ``counts``.

    Raises
    ------
    InputError
        If the file cannot be read, or lacks cells or genes.
    """
    try:
        truth = validate(select_counts(*H5AD(path).read_counts()), path)
    except InputError as error:
        raise InputError(f"data.truth_path: {error}") from error
    for axis, names, true_names in (
        ("cells", counts.obs_names, truth.obs_names),
        ("genes", counts.var_names, truth.var_names),
    ):
        missing = names[~names.isin(true_names)]
        if len(missing) == len(names):
            raise InputError(
                f"data.truth_path: {path} has none of the {len(names):,} {axis} of the data, which "
                f"are named e.g. '{names[0]}' rather than '{true_names[0]}'"
            )
        if len(missing):
            raise InputError(
                f"data.truth_path: {path} lacks {len(missing):,} of the {len(names):,} {axis} of "
                f"the data, e.g. '{missing[0]}': add them, or drop them from the data"
            )
    truth = truth[counts.obs_names, counts.var_names].copy()
    truth.obs = counts.obs.copy()  # drops labels in the file
    return truth


def _check_integer_counts(counts: AnnData) -> None:
    """Raise InputError for values that cannot be thinned."""
    values, source = counts.X.data, counts.uns["scgnn_input"]["source"]
    invalid = values[(values != np.floor(values)) | (values > MAX_COUNT)]
    if len(invalid):
        raise InputError(
            f"data.thinning_fraction: {source} has the value {invalid[0]:g}, but only integer "
            f"counts up to {MAX_COUNT:,} can be thinned: set data.layer to a layer with counts, or "
            "use data.holdout_fraction"
        )


def _check_not_empty(transformed: AnnData, counts: AnnData, transform: Transform) -> None:
    if 0 in transformed.shape:
        axis = "cells" if transformed.n_obs == 0 else "genes"
        raise InputError(
            f"data.transforms: no {axis} are left after '{transform.name}' "
            f"(of {counts.n_obs} cells x {counts.n_vars} genes); lower its thresholds"
        )


def _to_float32(x: Matrix) -> Matrix:
    """Return a matrix as float32, CSR if it is sparse."""
    return (csr_matrix if issparse(x) else np.asarray)(x, dtype=np.float32)


def _select_entries(
    x: Matrix, rows: np.ndarray, columns: np.ndarray, permuted_genes: np.ndarray | None
) -> HiddenEntries:
    """Return the values at positions that are left (not −1) and not in permuted genes."""
    keep = (rows >= 0) & (columns >= 0)
    if permuted_genes is not None:
        keep &= ~np.isin(columns, permuted_genes)
    rows, columns = rows[keep], columns[keep]
    values = np.asarray(x[rows, columns], dtype=float).ravel() if len(rows) else np.zeros(0)
    return HiddenEntries(rows, columns, values)
