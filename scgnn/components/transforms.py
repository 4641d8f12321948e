"""Transforms: what is done to the counts before a pipeline sees them. Simplest first."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.data.anndata_views import replace_x
from scgnn.data.scale import looks_logarithmic
from scgnn.errors import InputError
from scgnn.field_types import PositiveFloat, PositiveInt, ProperFraction
from scgnn.registry.component import Component
from scgnn.state import Matrix, to_dense_rows
from scgnn.training import collectives

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")


class Transform(Component, kind="transform"):
    """Takes an AnnData and returns another; the given one keeps every value.

    A transform changes ``X`` only; one that ``selects`` drops cells or genes everywhere, in
    layers, ``obs`` and ``var`` too.

    Attributes
    ----------
    selects
        Whether it drops cells or genes.
    """

    drops_cells_or_genes: ClassVar[bool] = False

    def __call__(self, adata: AnnData) -> AnnData:
        raise NotImplementedError


@Transform.register("log1p")
@dataclass(frozen=True)
class Log1p(Transform):
    """Natural logarithm of one plus each value, ``ln(1 + x)``.

    Data that say they are logarithmic (``uns["log1p"]``, as scanpy leaves it) and look so are
    refused; data that only look so, and did not come in as counts, get a warning.
    """

    def __call__(self, adata: AnnData) -> AnnData:
        came_as = adata.uns.get("scgnn_input", {}).get("scale")
        said = "log1p" in adata.uns
        if (said or came_as != "counts") and looks_logarithmic(_stored_values(adata.X)):
            if said:
                raise InputError(
                    "log1p: the values are logarithmic already (uns['log1p'] says so):"
                    " choose a layer with counts, or leave out log1p"
                )
            log.warning(
                "log1p: values look logarithmic already (not whole, largest %.3g)", adata.X.max()
            )
        x = _to_float(adata.X)
        if x.shape[0] and x.shape[1] and x.min() <= -1:
            raise InputError(
                f"log1p: values reach down to {x.min():.3g}, which has no logarithm:"
                " put log1p before scale"
            )
        new = replace_x(adata, x.log1p() if _is_sparse(x) else np.log1p(x))
        new.uns["log1p"] = {"base": None}
        return new


@Transform.register("normalize_total")
@dataclass(frozen=True)
class NormalizeTotal(Transform):
    """Scale each cell to the same total count; empty cells stay empty.

    ``x · target_sum / Σ_g x``.

    Parameters
    ----------
    target_sum
        Total of every cell afterwards; null takes the median total of the cells that are not
        empty.
    """

    target_sum: PositiveFloat | None = None

    def __call__(self, adata: AnnData) -> AnnData:
        x = _to_float(adata.X)
        totals = np.asarray(x.sum(axis=1, dtype=np.float64)).ravel()
        counted = totals > 0
        target = self.target_sum or (float(np.median(totals[counted])) if counted.any() else 1.0)
        factors = np.divide(target, totals, out=np.zeros_like(totals), where=counted)
        return replace_x(adata, _scale_rows(x, factors.astype(x.dtype)))


@Transform.register("scale")
@dataclass(frozen=True)
class Scale(Transform):
    """Centre each gene and divide it by its standard deviation; the result is dense.

    ``(x − mean) / sd``. Genes that do not vary become zero. Half of the values become negative,
    which an output activation that gives none (ReLU, softplus) cannot follow.

    Parameters
    ----------
    max_value
        Values are cut off at plus and minus this many standard deviations; null cuts none.
    """

    max_value: PositiveFloat | None = None

    def __call__(self, adata: AnnData) -> AnnData:
        mean, variance = _compute_moments(adata.X)
        spread = np.sqrt(np.where(variance > 0, variance, 1.0))
        x = (to_dense_rows(adata.X) - mean.astype(np.float32)) / spread.astype(np.float32)
        if self.max_value is not None:
            x = np.clip(x, -self.max_value, self.max_value)
        log.info("scale: X is dense now, %s cells x %s genes", *(f"{n:,}" for n in x.shape))
        return replace_x(adata, x)


@Transform.register("filter")
@dataclass(frozen=True)
class Filter(Transform):
    """Drop genes seen in too few cells, then cells with too few of the kept genes.

    Counts of non-zeros are compared as whole numbers, so that a share such as 0.1 of 60 cells
    is exactly 6.

    Parameters
    ----------
    min_cell_fraction
        Keep genes that are non-zero in more than this share of cells. 0 drops genes that are
        never seen.
    min_gene_fraction
        Keep cells that are non-zero in more than this share of the kept genes. 0 drops cells
        without counts.
    inclusive
        Keep what reaches a share exactly, too: the published code's comparison. (At its default
        of 0.01, rounding of ``1 - 0.99`` makes that code act as if this were false.)

    References
    ----------
    Wang et al. (2021) scGNN, Nature Communications 12:1882, Methods.
    """

    drops_cells_or_genes: ClassVar[bool] = True

    min_cell_fraction: ProperFraction = 0.01
    min_gene_fraction: ProperFraction = 0.01
    inclusive: bool = False

    def __call__(self, adata: AnnData) -> AnnData:
        seen = adata.X != 0
        in_cells = collectives.all_reduce_sum(np.asarray(seen.sum(axis=0)).ravel())
        n_cells = collectives.all_reduce_sum(adata.n_obs)
        genes = self._meets_threshold(in_cells, n_cells, self.min_cell_fraction)
        cells = self._meets_threshold(
            seen[:, genes].sum(axis=1), genes.sum(), self.min_gene_fraction
        )
        n_kept = collectives.all_reduce_sum(int(cells.sum()))
        kept = f"filter keeps {n_kept:,} of {n_cells:,} cells"
        kept += f" and {genes.sum():,} of {len(genes):,} genes"
        if not genes.any() or not n_kept:
            raise InputError(f"{kept}: lower min_cell_fraction or min_gene_fraction")
        log.info(kept)
        return adata[cells, genes].copy()

    def _meets_threshold(self, counts: Any, total: int, fraction: float) -> np.ndarray:
        """Which counts exceed (or reach) the share of the total."""
        bound = Fraction(str(fraction)) * int(total)
        least = -(-bound // 1) if self.inclusive else bound // 1 + 1
        return np.asarray(counts).ravel() >= int(least)


@Transform.register("top_genes")
@dataclass(frozen=True)
class TopGenes(Transform):
    """Keep the genes that vary most, in the order of the file.

    Of genes that vary equally, the first in the file are kept.

    Parameters
    ----------
    n_top_genes
        Number of genes to keep; all of them when there are fewer.
    flavor
        ``variance``: sample variance of the values of ``X`` (raw counts, in the scGNN recipe).
        ``log_nonzero``: variance of ln(1 + value) over the non-zero values only, as the
        published code does for 10x input. ``dispersion``: variance over mean, relative to the
        median and spread of genes of like mean (Zheng et al. 2017, Nature Communications 8:14049).
    """

    drops_cells_or_genes: ClassVar[bool] = True

    n_top_genes: PositiveInt = 2000
    flavor: Literal["variance", "log_nonzero", "dispersion"] = "variance"

    def __call__(self, adata: AnnData) -> AnnData:
        if self.n_top_genes >= adata.n_vars:
            log.info("top_genes keeps all %s genes", f"{adata.n_vars:,}")
            return adata.copy()
        best = np.argsort(-_VARIABILITY_MEASURES[self.flavor](adata.X), kind="stable")[
            : self.n_top_genes
        ]
        log.info("top_genes keeps %s of %s genes", f"{self.n_top_genes:,}", f"{adata.n_vars:,}")
        return adata[:, np.sort(best)].copy()


def _variance(x: Matrix) -> np.ndarray:
    return _compute_moments(x)[1]


def _log_nonzero_variance(x: Matrix) -> np.ndarray:
    """Variance (over n) of the logarithms of the non-zero values of each gene, 0 without any.

    The values of a gene are summed in rising order, so the order of the cells does not matter.
    """
    by_gene = sparse.csc_matrix(x, dtype=np.float64, copy=True)
    by_gene.eliminate_zeros()
    logs = np.split(np.log1p(by_gene.data), by_gene.indptr[1:-1])
    return np.array([np.sort(values).var() if values.size else 0.0 for values in logs])


def _normalized_dispersion(x: Matrix) -> np.ndarray:
    """Variance over mean, minus the median of its bin of means, over that bin's spread.

    Genes of a bin without spread score 0.
    """
    mean, variance = _compute_moments(x)
    dispersion = variance / np.where(mean > 0, mean, 1e-12)
    edges = np.unique(np.percentile(mean, np.arange(10, 100, 5)))
    bins = np.searchsorted(edges, mean, side="left")
    score = np.zeros_like(mean)
    for inside in (bins == b for b in np.unique(bins)):
        centre = np.median(dispersion[inside])
        spread = np.median(np.abs(dispersion[inside] - centre)) / 0.6744897501960817
        score[inside] = (dispersion[inside] - centre) / spread if spread > 0 else 0.0
    return score


_VARIABILITY_MEASURES = {
    "variance": _variance,
    "log_nonzero": _log_nonzero_variance,
    "dispersion": _normalized_dispersion,
}


def _compute_moments(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sample variance of each gene, in double precision.

    Sums of counts and of their squares are exact, so the order of the cells does not matter.
    """
    n = collectives.all_reduce_sum(x.shape[0])
    values = x.astype(np.float64)
    squares = values.multiply(values) if _is_sparse(values) else values * values
    total, total_squared = (
        collectives.all_reduce_sum(np.asarray(part.sum(axis=0)).ravel())
        for part in (values, squares)
    )
    mean = total / n
    return mean, np.maximum(total_squared - n * mean * mean, 0.0) / max(n - 1, 1)


def _scale_rows(x: Any, factors: np.ndarray) -> Any:
    """Each row multiplied by its factor."""
    if _is_sparse(x):
        return sparse.csr_matrix(sparse.diags(factors) @ x)
    return x * factors[:, None]


def _to_float(x: Any) -> Any:
    """The same numbers as floats of single precision, or as they are when floats already."""
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def _stored_values(x: Any) -> np.ndarray:
    """The values of a matrix, without the zeros a sparse one leaves out."""
    return x.data if _is_sparse(x) else np.ravel(x)


def _is_sparse(x: Any) -> bool:
    return bool(sparse.issparse(x))
