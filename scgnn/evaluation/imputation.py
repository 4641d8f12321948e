"""Scores of imputed expression: pure functions of arrays, in blocks of cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse, special

from scgnn.evaluation.clustering import Scores
from scgnn.evaluation.targets import ImputationTargets, ReferenceMatrix, Scale
from scgnn.execution.stages import stage
from scgnn.state import Matrix

MIN_RATE = 1e-3  # molecules; the least that any prediction counts as
BLOCK_ENTRIES = 2**20  # of cells x genes, in double precision at a time
MAX_LOG = 500.0  # whose exponential, summed over genes, is still a number
CONSTANT_TOLERANCE = 1e-6  # spread over root mean square; single precision tells no less


@stage("imputation scores")
def score_imputation(imputed: np.ndarray, x: Matrix, targets: ImputationTargets) -> Scores:
    """Every score of imputed values that the answers allow, by dotted names.

    Parameters
    ----------
    imputed
        Cells x genes, on the scale of ``x``.
    x
        What the method saw, cells x genes.
    answers
        What it did not see.
    """
    found: Scores = {}
    genes = None
    if targets.permuted_genes is not None:
        genes = np.setdiff1d(np.arange(imputed.shape[1]), targets.permuted_genes)
    if targets.holdout is not None:
        rows, columns, values = targets.holdout
        hidden = score_hidden_entries(imputed[rows, columns], values)
        found |= {f"imputation.{name}": value for name, value in hidden.items()}
    if targets.thinning is not None:
        thinned = score_against_reference(imputed, targets.thinning, targets.scale, genes)
        found |= {f"thinning.{name}": value for name, value in thinned.items()}
    if targets.truth is not None:
        true = score_against_reference(imputed, targets.truth, targets.scale, genes)
        del true["poisson"]  # the truth may be other than molecules
        found |= {f"truth.{name}": value for name, value in true.items()}
    if targets.permuted_genes is not None:
        found["false_signal"] = compute_false_signal(imputed, x, targets.permuted_genes)
    return found


def unflatten_scores(scores: Scores) -> dict[str, Any]:
    """Scores by dotted names as mappings: ``thinning.mse`` is ``mse`` of ``thinning``."""
    found: dict[str, Any] = {}
    for name, value in scores.items():
        group, _, score = name.partition(".")
        if score:
            found.setdefault(group, {})[score] = value
        else:
            found[group] = value
    return found


def score_against_reference(
    imputed: np.ndarray, reference: ReferenceMatrix, scale: Scale, genes: np.ndarray | None = None
) -> Scores:
    """Imputed values against a matrix that the method has not seen.

    Parameters
    ----------
    imputed
        Cells x genes, on the scale of ``reference.values``.
    reference
        Hidden molecules or true counts.
    scale
        What the transforms made of counts.
    genes
        Columns to score; None takes all.

    Returns
    -------
    dict
        - ``gene_correlation``, ``cell_correlation``: median Pearson correlation with
          ``reference.values`` over the genes (cells) that vary there; 0 for one that was imputed
          as a constant, so that nothing is gained by giving up on it. None where none varies.
        - ``mse``: mean of ``(ln(1 + r) − ln(1 + c))²`` over all entries, c the reference's counts
          and r the rates that were imputed: turned back into counts, negative ones 0, and each
          cell scaled to the total of its c. So every method is told the depth, and none is
          rewarded for guessing it.
        - ``poisson``: mean Poisson deviance ``2 (c ln(c / r) − c + r)`` of c, r at least 0.001.

        The last two are None where transforms other than ``normalize_total`` and a last
        ``log1p`` leave no way back to counts.
    """
    by_gene, by_cell = compute_correlations(imputed, reference.values, genes)
    mse, poisson = compute_errors(imputed, reference.counts, scale, genes)
    return {
        "gene_correlation": _nanmedian(by_gene),
        "cell_correlation": _nanmedian(by_cell),
        "mse": mse,
        "poisson": poisson,
    }


def compute_correlations(
    imputed: Matrix, reference: Matrix, genes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pearson correlation of two matrices, cells x genes, by gene and by cell.

    NaN where the reference does not vary, 0 where only the other does not.
    """
    n_cells = reference.shape[0]
    sums = [np.stack([y.sum(0), t.sum(0)]) for y, t in _iter_blocks(imputed, reference, genes)]
    total = np.sum(sums, axis=0)
    by_gene = _CorrelationSums.zeros(total.shape[1])
    by_cell = []
    for y, t in _iter_blocks(imputed, reference, genes):
        by_gene = by_gene.add(
            _CorrelationSums.from_values(y, t, total[0] / n_cells, total[1] / n_cells, axis=0)
        )
        y_mean, t_mean = y.mean(axis=1, keepdims=True), t.mean(axis=1, keepdims=True)
        by_cell.append(_CorrelationSums.from_values(y, t, y_mean, t_mean, axis=1).to_correlation())
    return by_gene.to_correlation(), np.concatenate(by_cell)


def compute_errors(
    imputed: np.ndarray, counts: sparse.csr_matrix, scale: Scale, genes: np.ndarray | None = None
) -> tuple[float | None, float | None]:
    """Mean squared error of logarithms, and mean Poisson deviance: see `reference_scores`."""
    if scale == "other":
        return None, None
    squares = deviance = 0.0
    entries = 0
    for y, c in _iter_blocks(imputed, counts, genes):
        r = rescale_to_counts(y, c.sum(axis=1), scale)
        squares += float(np.square(np.log1p(r) - np.log1p(c)).sum())
        deviance += 2 * float(special.kl_div(c, np.maximum(r, MIN_RATE)).sum())
        entries += c.size
    return (squares / entries, deviance / entries) if entries else (None, None)


def rescale_to_counts(imputed: np.ndarray, totals: np.ndarray, scale: Scale) -> np.ndarray:
    """Imputed values as counts, cells x genes, that sum to the given total of each cell."""
    r = np.maximum(imputed, 0.0)
    if scale == "log1p":
        r = np.expm1(np.minimum(r, MAX_LOG))
    now = r.sum(axis=1)
    factors = np.divide(totals, now, out=np.zeros_like(now), where=now > 0)
    return r * factors[:, None]


def compute_false_signal(imputed: Matrix, x: Matrix, genes: np.ndarray) -> float | None:
    """The correlation that imputation made up between genes that had been permuted.

    Mean absolute Pearson correlation over all pairs of these genes after imputation, less the
    same before, which is what chance gives with so many cells. 0 is a method that makes up
    nothing, 1 one that makes all genes alike. None with fewer than two genes.

    References
    ----------
    Andrews, Hemberg (2018) False signals induced by single-cell imputation, F1000Research 7:1740.
    """
    if len(genes) < 2:
        return None
    return _mean_absolute_correlation(imputed, genes) - _mean_absolute_correlation(x, genes)


def _mean_absolute_correlation(x: Matrix, genes: np.ndarray) -> float:
    part: Any = x[:, genes]
    values = np.asarray(part.toarray() if sparse.issparse(part) else part, dtype=float)
    size = np.square(values).sum(axis=0)
    values = values - values.mean(axis=0)
    length = np.square(values).sum(axis=0)
    varies = length > CONSTANT_TOLERANCE**2 * size
    values = np.divide(values, np.sqrt(length), out=np.zeros_like(values), where=varies)
    pairs = np.triu_indices(len(genes), k=1)
    return float(np.abs((values.T @ values)[pairs]).mean())


class _CorrelationSums(NamedTuple):
    """Sums that make a correlation of y and t."""

    yt: np.ndarray  # Σ (y − ȳ)(t − t̄)
    yy: np.ndarray
    tt: np.ndarray
    y2: np.ndarray  # Σ y², to tell a constant from what rounding leaves of it
    t2: np.ndarray

    @classmethod
    def zeros(cls, n: int) -> _CorrelationSums:
        return cls(*(np.zeros(n) for _ in cls._fields))

    @classmethod
    def from_values(cls, y: Any, t: Any, y_mean: Any, t_mean: Any, axis: int) -> _CorrelationSums:
        dy, dt = y - y_mean, t - t_mean
        products = (dy * dt, dy * dy, dt * dt, y * y, t * t)
        return cls(*(product.sum(axis=axis) for product in products))

    def add(self, other: _CorrelationSums) -> _CorrelationSums:
        return _CorrelationSums(*(a + b for a, b in zip(self, other, strict=True)))

    def to_correlation(self) -> np.ndarray:
        y_varies = self.yy > CONSTANT_TOLERANCE**2 * self.y2
        t_varies = self.tt > CONSTANT_TOLERANCE**2 * self.t2
        lengths = np.sqrt(self.yy) * np.sqrt(self.tt)
        r = np.divide(self.yt, lengths, out=np.zeros_like(self.yt), where=y_varies & t_varies)
        return np.where(t_varies, np.clip(r, -1.0, 1.0), np.nan)


def _iter_blocks(
    imputed: Matrix, reference: Matrix, genes: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both matrices, some cells at a time, dense and in double precision."""
    n_cells, n_genes = reference.shape
    step = max(1, BLOCK_ENTRIES // max(n_genes, 1))
    for start in range(0, n_cells, step):
        yield tuple(_to_float64(m[start : start + step], genes) for m in (imputed, reference))  # type: ignore[misc]


def _to_float64(rows: Any, genes: np.ndarray | None) -> np.ndarray:
    values = np.asarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=np.float64)
    return values if genes is None else values[:, genes]


def _nanmedian(values: np.ndarray) -> float | None:
    there = values[~np.isnan(values)]
    return float(np.median(there)) if len(there) else None


def score_hidden_entries(imputed: np.ndarray, truth: np.ndarray) -> Scores:
    """Error of imputed values against the hidden true ones, both [hidden entries], same scale.

    L1 is |imputed − truth|: median, mean, least and largest; cosine and Pearson over all entries.
    """
    error = np.abs(np.asarray(imputed, dtype=float) - truth)
    if not error.size:
        names = ("median_l1", "mean_l1", "min_l1", "max_l1", "cosine", "pearson")
        return dict.fromkeys(names)
    size = float(np.linalg.norm(imputed) * np.linalg.norm(truth))
    varied = len(error) > 1 and np.std(imputed) > 0 and np.std(truth) > 0
    return {
        "median_l1": float(np.median(error)),
        "mean_l1": float(error.mean()),
        "min_l1": float(error.min()),
        "max_l1": float(error.max()),
        "cosine": float(np.dot(imputed, truth) / size) if size else None,
        "pearson": float(np.corrcoef(imputed, truth)[0, 1]) if varied else None,
    }
