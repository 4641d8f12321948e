"""The data that a pipeline sees, and the answers that imputation is scored by, which it does not.

Expression only: true labels are taken away before anything here begins.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.components.readers import H5AD
from scgnn.components.transforms import Transform
from scgnn.data.anndata_views import replace_x
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.evaluation.masking import hide_nonzeros, permute_genes, thin
from scgnn.seeding import seed_for
from scgnn.state import Matrix

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn.recipe.recipe import Recipe

log = logging.getLogger("scgnn")

MAX_COUNT = 2**24  # single precision tells no neighbours apart beyond it

Scale = Literal["counts", "log1p", "other"]


class HiddenEntries(NamedTuple):
    """Single values that were hidden, and where."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray


class ReferenceMatrix(NamedTuple):
    """A whole matrix to compare imputed values with: hidden molecules, or the truth."""

    values: Matrix  # cells x genes, transformed as the pipeline's data are
    counts: sparse.csr_matrix  # the same cells and genes before that


class ImputationTargets(NamedTuple):
    """What imputed values are scored by.

    Attributes
    ----------
    holdout
        Non-zeros that were hidden.
    thinning
        Molecules that were hidden.
    truth
        The true counts.
    permuted
        Columns of the genes whose values were permuted; the other answers leave them out.
    scale
        What the transforms have made of counts, up to a factor for each cell.
    """

    holdout: HiddenEntries | None
    thinning: ReferenceMatrix | None
    truth: ReferenceMatrix | None
    permuted_genes: np.ndarray | None
    scale: Scale

    def __bool__(self) -> bool:
        return any(answer is not None for answer in self[:4])


def prepare_imputation_targets(
    counts: AnnData, recipe: Recipe
) -> tuple[AnnData, ImputationTargets]:
    """The transformed data, what is hidden from them left out, and the answers.

    Every answer goes through the same transforms as the data, step by step; where these choose
    cells and genes, they choose by what is seen.

    Parameters
    ----------
    counts
        Validated counts, cells x genes, without true labels.
    recipe
        Says what is hidden and what the transforms are.

    Raises
    ------
    InputError
        The transforms leave nothing, values to be thinned are no counts, or the truth does not
        fit.
    """
    data, seen = recipe.data, counts
    rows = columns = np.zeros(0, dtype=int)
    others: dict[str, AnnData] = {}
    if data.holdout_fraction:
        hiding = seed_for(recipe.seed, "holdout")
        left, rows, columns = hide_nonzeros(counts.X, data.holdout_fraction, hiding)
        seen, others["holdout"] = replace_x(counts, left), counts
    if data.thinning_fraction:
        _check_integer_counts(counts)
        left, hidden = thin(counts.X, data.thinning_fraction, seed_for(recipe.seed, "thinning"))
        log.info(f"thinning hides {hidden.sum():,.0f} of {counts.X.sum():,.0f} molecules")
        seen, others["thinning"] = replace_x(counts, left), replace_x(counts, hidden)
    if data.truth_path is not None:
        others["truth"] = load_true_counts(counts, data.truth_path)
    full = {name: sparse.csr_matrix(other.X) for name, other in others.items()}
    for transform in data.transforms:
        seen = transform(seen)
        _check_not_empty(seen, counts, transform)
        others = {
            name: other[seen.obs_names, seen.var_names]
            if transform.drops_cells_or_genes
            else transform(other)
            for name, other in others.items()
        }
    permuted = None
    if data.permuted_gene_fraction:
        x, permuted = permute_genes(
            seen.X, data.permuted_gene_fraction, seed_for(recipe.seed, "permuted")
        )
        seen = replace_x(seen, x)
        log.info(f"the values of {len(permuted):,} genes are permuted over the cells")
    cells = counts.obs_names.get_indexer(seen.obs_names)
    genes = counts.var_names.get_indexer(seen.var_names)
    references = {
        name: ReferenceMatrix(_to_float32(others[name].X), full[name][cells][:, genes])
        for name in ("thinning", "truth")
        if name in others
    }
    entries = None
    if "holdout" in others:
        row = seen.obs_names.get_indexer(counts.obs_names)[rows]
        column = seen.var_names.get_indexer(counts.var_names)[columns]
        entries = _select_entries(others["holdout"].X, row, column, permuted)
    thinning, truth = references.get("thinning"), references.get("truth")
    return seen, ImputationTargets(entries, thinning, truth, permuted, infer_scale(data.transforms))


def infer_scale(transforms: Sequence[Transform]) -> Scale:
    """What is left of counts after transforms, a factor for each cell aside."""
    changing = [transform.name for transform in transforms if not transform.drops_cells_or_genes]
    scale: Scale = "counts"
    if changing[-1:] == ["log1p"]:
        scale = "log1p"
        changing.pop()
    return scale if set(changing) <= {"normalize_total"} else "other"


def load_true_counts(counts: AnnData, path: str) -> AnnData:
    """The truth in a file, for the cells and genes of the counts, in their order.

    Raises
    ------
    InputError
        The file cannot be used, or lacks cells or genes.
    """
    try:
        truth = validate(H5AD(path)(), path)
    except InputError as error:
        raise InputError(f"data.truth_path: {error}") from error
    for what, wanted, there in (
        ("cells", counts.obs_names, truth.obs_names),
        ("genes", counts.var_names, truth.var_names),
    ):
        missing = wanted[~wanted.isin(there)]
        if len(missing) == len(wanted):
            raise InputError(
                f"data.truth_path: {path} has none of the {len(wanted):,} {what} of the data: theirs "
                f"are called '{wanted[0]}' and so on, its own '{there[0]}'"
            )
        if len(missing):
            raise InputError(
                f"data.truth_path: {path} lacks {len(missing):,} of the {len(wanted):,} {what} of the "
                f"data, '{missing[0]}' first: give a truth for all of them, or drop them"
            )
    chosen = truth[counts.obs_names, counts.var_names].copy()
    chosen.obs = counts.obs.copy()  # whatever labels its own hold are none of ours
    return chosen


def _check_integer_counts(counts: AnnData) -> None:
    """Refuse to split what are not molecules."""
    record = counts.uns["scgnn_input"]
    values = counts.X.data
    if record["scale"] != "counts":
        first = values[values != np.floor(values)][0]
        raise InputError(
            f"data.thinning_fraction: {record['source']} holds {first:g}, and only whole counts can be "
            "split: set data.layer to a layer of counts, or use data.holdout_fraction"
        )
    if values.max() > MAX_COUNT:
        raise InputError(
            f"data.thinning_fraction: {record['source']} holds {values.max():g}, which is no count of "
            "molecules: set data.layer to a layer of counts, or use data.holdout_fraction"
        )


def _check_not_empty(transformed: AnnData, counts: AnnData, transform: Transform) -> None:
    if 0 in transformed.shape:
        what = "cells" if transformed.n_obs == 0 else "genes"
        raise InputError(
            f"data.transforms: no {what} are left after '{transform.name}' "
            f"(of {counts.n_obs} cells x {counts.n_vars} genes); lower its thresholds"
        )


def _to_float32(x: Matrix) -> Matrix:
    """As a pipeline gets it: CSR or dense, single precision."""
    kind = sparse.csr_matrix if sparse.issparse(x) else np.asarray
    return kind(x, dtype=np.float32)


def _select_entries(
    x: Matrix, rows: np.ndarray, columns: np.ndarray, permuted_genes: np.ndarray | None
) -> HiddenEntries:
    """The values at places of which some are gone (−1), and none in permuted genes."""
    left = (rows >= 0) & (columns >= 0)
    if permuted_genes is not None:
        left &= ~np.isin(columns, permuted_genes)
    rows, columns = rows[left], columns[left]
    values = np.asarray(x[rows, columns], dtype=float).ravel() if len(rows) else np.zeros(0)
    return HiddenEntries(rows, columns, values)
