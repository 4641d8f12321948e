"""Transforms of the counts before a pipeline."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, diags, issparse

from scgnn.data.anndata_views import replace_x
from scgnn.data.scale import describe_scale, looks_logarithmic
from scgnn.errors import InputError
from scgnn.field_types import PositiveFloat, PositiveInt, ProperFraction
from scgnn.interface import format_removal
from scgnn.registry.component import Component
from scgnn.state import Matrix, to_dense_rows
from scgnn.training.collectives import communicator

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")


class Transform(Component, kind="transform"):
    """Base class of transforms, which change ``X`` or drop cells or genes.

    Attributes
    ----------
    drops_cells_or_genes
        Whether the transform drops cells or genes, in all fields of the AnnData. Otherwise it
        changes ``X`` only.
    """

    drops_cells_or_genes: ClassVar[bool] = False

    def __call__(self, adata: AnnData) -> AnnData:
        """Return a new AnnData, cells x genes, and leave the input unchanged."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")

    def estimate_n_genes(self, n_genes: int) -> int:
        """Return the expected number of genes after the transform, for the cost estimate."""
        return n_genes


@Transform.register("log1p")
@dataclass(frozen=True)
class Log1p(Transform):
    """Natural logarithm ``ln(1 + x)``.

    Data that are marked as log-transformed (``uns["log1p"]`` of scanpy) and look so raise an error.
    Data that only look so, and were not read as counts, cause a warning.
    """

    needs_all_cells: ClassVar[str] = ""

    def __call__(self, adata: AnnData) -> AnnData:
        scale = adata.uns.get("scgnn_input", {}).get("scale")
        marked = "log1p" in adata.uns
        stored = adata.X.data if issparse(adata.X) else np.ravel(adata.X)
        if (marked or scale != "counts") and looks_logarithmic(stored):
            if marked:
                problem = "log1p: the values are already log-transformed (uns['log1p'])"
                removal = format_removal("data.transforms.log1p")
                advice = f"choose a layer with counts (data.layer), or remove log1p ({removal})"
                raise InputError(f"{problem}: {advice}")
            advice = f"if they are, remove log1p ({format_removal('data.transforms.log1p')})"
            log.warning(f"log1p: values {describe_scale(stored)}: {advice}")
        x = _to_float(adata.X)
        if x.shape[0] and x.shape[1] and x.min() <= -1:
            problem = f"log1p: the smallest value is {x.min():.3g}, but must be above -1"
            raise InputError(f"{problem}: apply log1p before scale")
        new = replace_x(adata, x.log1p() if issparse(x) else np.log1p(x))
        new.uns["log1p"] = {"base": None}
        return new


@Transform.register("normalize_total")
@dataclass(frozen=True)
class NormalizeTotal(Transform):
    """Scaling of each cell to the same total count: ``x · target_sum / Σ_g x``.

    Parameters
    ----------
    target_sum
        Total of each cell; null is the median total. Cells without counts are ignored.
    """

    target_sum: PositiveFloat | None = None

    def __call__(self, adata: AnnData) -> AnnData:
        x = _to_float(adata.X)
        totals = np.asarray(x.sum(axis=1, dtype=np.float64)).ravel()
        nonempty = totals > 0
        target = self.target_sum or (float(np.median(totals[nonempty])) if nonempty.any() else 1.0)
        factors = np.divide(target, totals, out=np.zeros_like(totals), where=nonempty)
        factors = factors.astype(x.dtype)
        scaled = csr_matrix(diags(factors) @ x) if issparse(x) else x * factors[:, None]
        return replace_x(adata, scaled)

    @property
    def needs_all_cells(self) -> str:  # type: ignore[override]
        return "" if self.target_sum else "needs the median of all cells; set target_sum, e.g. 1e4"


@Transform.register("scale")
@dataclass(frozen=True)
class Scale(Transform):
    """Standardization of each gene: ``(x − mean) / sd``; the result is dense.

    Genes with constant values become zero. Since half of the values are negative, the output
    activation of the decoder must not be ReLU or softplus.

    Parameters
    ----------
    max_value
        Absolute value at which values are clipped; null does not clip.
    """

    max_value: PositiveFloat | None = None
    needs_all_cells: ClassVar[str] = ""

    def __call__(self, adata: AnnData) -> AnnData:
        mean, variance = _compute_moments(adata.X)
        sd = np.sqrt(np.where(variance > 0, variance, 1.0))
        x = (to_dense_rows(adata.X) - mean.astype(np.float32)) / sd.astype(np.float32)
        if self.max_value is not None:
            x = np.clip(x, -self.max_value, self.max_value)
        log.info(f"scale: X is now dense, {x.shape[0]:,} cells x {x.shape[1]:,} genes")
        return replace_x(adata, x)


@Transform.register("filter")
@dataclass(frozen=True)
class Filter(Transform):
    """Removal of genes with counts in few cells, then of cells with few of the remaining genes.

    Fractions are compared exactly, so that a fraction of 0.1 of 60 cells is 6 cells.

    Parameters
    ----------
    min_cell_fraction
        Minimum fraction of cells in which a gene has counts; 0 drops genes without any.
    min_gene_fraction
        Minimum fraction of the remaining genes of which a cell has counts; 0 drops cells without
        any.
    inclusive
        Whether to keep genes and cells that reach a fraction exactly, as in scGNN's code (which,
        by rounding of ``1 - 0.99``, does not at its default of 0.01).

    References
    ----------
    Wang et al. (2021) scGNN is a novel graph neural network framework for single-cell RNA-Seq
    analyses. Nature Communications 12:1882, Methods.
    """

    drops_cells_or_genes: ClassVar[bool] = True

    min_cell_fraction: ProperFraction = 0.01
    min_gene_fraction: ProperFraction = 0.01
    inclusive: bool = False
    needs_all_cells: ClassVar[str] = ""

    def __call__(self, adata: AnnData) -> AnnData:
        nonzero = adata.X != 0
        n_cells_by_gene = communicator().all_reduce_sum(np.asarray(nonzero.sum(axis=0)).ravel())
        n_cells = communicator().all_reduce_sum(adata.n_obs)
        genes = self._passes(n_cells_by_gene, n_cells, self.min_cell_fraction)
        n_genes_by_cell = nonzero[:, genes].sum(axis=1)
        cells = self._passes(n_genes_by_cell, genes.sum(), self.min_gene_fraction)
        n_kept = communicator().all_reduce_sum(int(cells.sum()))
        kept_genes = f"{genes.sum():,} of {len(genes):,} genes"
        message = f"filter keeps {n_kept:,} of {n_cells:,} cells and {kept_genes}"
        if not genes.any() or not n_kept:
            raise InputError(f"{message}: lower min_cell_fraction or min_gene_fraction")
        log.info(message)
        return adata[cells, genes].copy()

    def _passes(self, counts: Any, total: int, fraction: float) -> np.ndarray:
        """Return the mask of the counts above, or at, a fraction of a total."""
        bound = Fraction(str(fraction)) * int(total)
        minimum = -(-bound // 1) if self.inclusive else bound // 1 + 1
        return np.asarray(counts).ravel() >= int(minimum)


@Transform.register("top_genes")
@dataclass(frozen=True)
class TopGenes(Transform):
    """Selection of the most variable genes, in their original order; ties are broken by order.

    Parameters
    ----------
    n_top_genes
        Number of genes to keep, limited by the number of genes.
    flavor
        Measure of variability: variance is the sample variance of ``X`` (raw counts in the recipe
        scgnn); log_nonzero is the variance of ln(1 + x) over the non-zero values, as in scGNN's
        code for 10x data; dispersion is variance over mean, relative to the median and the median
        absolute deviation of genes with similar means (cell_ranger in scanpy).

    References
    ----------
    Zheng et al. (2017) Massively parallel digital transcriptional profiling of single cells. Nature
    Communications 8:14049.
    """

    drops_cells_or_genes: ClassVar[bool] = True

    n_top_genes: PositiveInt = 2000
    flavor: Literal["variance", "log_nonzero", "dispersion"] = "variance"

    def __call__(self, adata: AnnData) -> AnnData:
        if self.n_top_genes >= adata.n_vars:
            log.info(f"top_genes keeps all {adata.n_vars:,} genes")
            return adata.copy()
        variability = _VARIABILITY_MEASURES[self.flavor](adata.X)
        top = np.argsort(-variability, kind="stable")[: self.n_top_genes]
        log.info(f"top_genes keeps {self.n_top_genes:,} of {adata.n_vars:,} genes")
        return adata[:, np.sort(top)].copy()

    def estimate_n_genes(self, n_genes: int) -> int:
        return min(n_genes, self.n_top_genes)

    @property
    def needs_all_cells(self) -> str:  # type: ignore[override]
        by_values = self.flavor == "log_nonzero"
        return "needs all values of a gene; set flavor: variance" if by_values else ""


def _log_nonzero_variance(x: Matrix) -> np.ndarray:
    """Return the variance (over n) of the logarithms of each gene's non-zero values [genes].

    Values are summed in increasing order, so that the order of the cells does not matter.
    """
    by_gene = csc_matrix(x, dtype=np.float64, copy=True)
    by_gene.eliminate_zeros()
    logs = np.split(np.log1p(by_gene.data), by_gene.indptr[1:-1])
    return np.array([np.sort(values).var() if values.size else 0.0 for values in logs])


def _normalized_dispersion(x: Matrix) -> np.ndarray:
    """Return variance over mean, standardized robustly in bins of similar means [genes]."""
    mean, variance = _compute_moments(x)
    dispersion = variance / np.where(mean > 0, mean, 1e-12)
    edges = np.unique(np.percentile(mean, np.arange(10, 100, 5)))
    bins = np.searchsorted(edges, mean, side="left")
    score = np.zeros_like(mean)
    for mask in (bins == b for b in np.unique(bins)):
        center = np.median(dispersion[mask])
        mad = np.median(np.abs(dispersion[mask] - center)) / 0.6744897501960817
        score[mask] = (dispersion[mask] - center) / mad if mad > 0 else 0.0
    return score


def _compute_moments(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sample variance of each gene [genes], in float64.

    Sums of counts and of their squares are exact, so that the order of the cells does not matter.
    """
    n = communicator().all_reduce_sum(x.shape[0])
    values = x.astype(np.float64)
    squares = values.multiply(values) if issparse(values) else values * values
    sums = (np.ravel(part.sum(axis=0)) for part in (values, squares))
    total, total_squared = map(communicator().all_reduce_sum, sums)
    mean = total / n
    return mean, np.maximum(total_squared - n * mean * mean, 0.0) / max(n - 1, 1)


_VARIABILITY_MEASURES = {
    "variance": lambda x: _compute_moments(x)[1],
    "log_nonzero": _log_nonzero_variance,
    "dispersion": _normalized_dispersion,
}


def _to_float(x: Any) -> Any:
    """Return a matrix as it is if it has floats, else as float32."""
    return x if x.dtype.kind == "f" else x.astype(np.float32)
