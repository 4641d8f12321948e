"""Imputation metrics, computed in blocks of cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse
from scipy.special import kl_div

from scgnn.evaluation.clustering import Scores
from scgnn.evaluation.targets import ImputationTargets, ReferenceMatrix, Scale
from scgnn.execution.stages import stage
from scgnn.state import Matrix

MIN_RATE = 1e-3  # counts, lower bound of predicted rates
BLOCK_ENTRIES = 2**20
MAX_LOG = 500.0  # its exponential does not overflow when summed over genes
CONSTANT_TOLERANCE = 1e-6  # relative standard deviation below which float32 values are constant


@stage("imputation scores")
def score_imputation(imputed: np.ndarray, x: Matrix, targets: ImputationTargets) -> Scores:
    """Return all scores of imputed values, by dotted names such as ``thinning.mse``.

    Parameters
    ----------
    imputed
        Imputed values, cells x genes, on the scale of ``x``.
    x
        Input of the method, cells x genes.
    targets
        What was hidden from the method.
    """
    scores: Scores = {}
    permuted, genes = targets.permuted_genes, None
    if permuted is not None:
        genes = np.setdiff1d(np.arange(imputed.shape[1]), permuted)
    if targets.holdout is not None:
        rows, columns, values = targets.holdout
        hidden = score_hidden_entries(imputed[rows, columns], values)
        scores |= {f"imputation.{name}": value for name, value in hidden.items()}
    for group, reference in (("thinning", targets.thinning), ("truth", targets.truth)):
        if reference is not None:
            against = score_against_reference(imputed, reference, targets.scale, genes)
            scores |= {f"{group}.{name}": value for name, value in against.items()}
    scores.pop("truth.poisson", None)  # the truth need not be counts
    if permuted is not None:
        scores["false_signal"] = compute_false_signal(imputed, x, permuted)
    return scores


def unflatten_scores(scores: Scores) -> dict[str, Any]:
    """Return scores with dotted names as nested mappings."""
    nested: dict[str, Any] = {}
    for name, value in scores.items():
        group, _, score = name.partition(".")
        if score:
            nested.setdefault(group, {})[score] = value
        else:
            nested[group] = value
    return nested


def score_against_reference(
    imputed: np.ndarray, reference: ReferenceMatrix, scale: Scale, genes: np.ndarray | None = None
) -> Scores:
    """Return scores of imputed values against a hidden matrix.

    Parameters
    ----------
    imputed
        Imputed values, cells x genes, on the scale of ``reference.values``.
    reference
        Hidden or true counts.
    scale
        Scale of the values.
    genes
        Columns to score; None is all.

    Returns
    -------
    dict
        - ``gene_correlation``, ``cell_correlation``: median Pearson correlation with
          ``reference.values`` over the genes (cells) that vary there, where constant imputed values
          count as 0; None if none varies.
        - ``mse``: mean of ``(ln(1 + r) − ln(1 + c))²`` over all entries, where c are the
          reference's counts and r the imputed values, converted to counts, clipped at 0 and scaled
          to the total of c in each cell, so that all methods know the depth.
        - ``poisson``: mean Poisson deviance ``2 (c ln(c / r) − c + r)``, with r at least 0.001.

        The last two are None for the scale other.
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
    """Return the Pearson correlation of two matrices, cells x genes, for each gene and each cell.

    It is NaN where the reference is constant, 0 where only the imputed values are.
    """
    n_cells = reference.shape[0]
    totals = [np.stack([y.sum(0), t.sum(0)]) for y, t in _iter_blocks(imputed, reference, genes)]
    total = np.sum(totals, axis=0)
    gene_sums = np.zeros((5, total.shape[1]))
    by_cell = []
    for y, t in _iter_blocks(imputed, reference, genes):
        gene_sums += _sum_products(y, t, total / n_cells, axis=0)
        means = [values.mean(axis=1, keepdims=True) for values in (y, t)]
        by_cell.append(_correlate(_sum_products(y, t, means, axis=1)))
    return _correlate(gene_sums), np.concatenate(by_cell)


def compute_errors(
    imputed: np.ndarray, counts: csr_matrix, scale: Scale, genes: np.ndarray | None = None
) -> tuple[float | None, float | None]:
    """Return the ``mse`` and ``poisson`` of :func:`score_against_reference`."""
    if scale == "other":
        return None, None
    squares = deviance = 0.0
    n_entries = 0
    for y, c in _iter_blocks(imputed, counts, genes):
        r = rescale_to_counts(y, c.sum(axis=1), scale)
        squares += float(np.square(np.log1p(r) - np.log1p(c)).sum())
        deviance += 2 * float(kl_div(c, np.maximum(r, MIN_RATE)).sum())
        n_entries += c.size
    return (squares / n_entries, deviance / n_entries) if n_entries else (None, None)


def rescale_to_counts(imputed: np.ndarray, totals: np.ndarray, scale: Scale) -> np.ndarray:
    """Return imputed values as counts with the given total in each cell, cells x genes."""
    r = np.maximum(imputed, 0.0)
    if scale == "log1p":
        r = np.expm1(np.minimum(r, MAX_LOG))
    sums = r.sum(axis=1)
    return r * np.divide(totals, sums, out=np.zeros_like(sums), where=sums > 0)[:, None]


def compute_false_signal(imputed: Matrix, x: Matrix, genes: np.ndarray) -> float | None:
    """Return the correlation that imputation introduces between permuted genes.

    This is the mean absolute Pearson correlation over all pairs of these genes after imputation,
    minus that before, which is due to chance. 0 means no false signal, 1 identical genes; None for
    fewer than two genes.

    Parameters
    ----------
    imputed, x
        Imputed values and input, cells x genes.
    genes
        Columns of the permuted genes.

    References
    ----------
    Andrews, Hemberg (2018) False signals induced by single-cell imputation. F1000Research 7:1740.
    """
    if len(genes) < 2:
        return None
    return _mean_absolute_correlation(imputed, genes) - _mean_absolute_correlation(x, genes)


def _mean_absolute_correlation(x: Matrix, genes: np.ndarray) -> float:
    values = _to_float64(x[:, genes])
    square_sum = np.square(values).sum(axis=0)
    values = values - values.mean(axis=0)
    variation = np.square(values).sum(axis=0)
    varies = variation > CONSTANT_TOLERANCE**2 * square_sum
    values = np.divide(values, np.sqrt(variation), out=np.zeros_like(values), where=varies)
    pairs = np.triu_indices(len(genes), k=1)
    return float(np.abs((values.T @ values)[pairs]).mean())


def _sum_products(y: np.ndarray, t: np.ndarray, means: Any, axis: int) -> np.ndarray:
    """Return Σ of dy·dt, dy², dt², y² and t² along an axis, dy = y − ȳ, 5 x n."""
    dy, dt = y - means[0], t - means[1]
    pairs = ((dy, dt), (dy, dy), (dt, dt), (y, y), (t, t))
    return np.stack([(a * b).sum(axis=axis) for a, b in pairs])


def _correlate(sums: np.ndarray) -> np.ndarray:
    """Return the correlations [n] of sums of products, 5 x n."""
    yt, yy, tt, y2, t2 = sums
    y_varies = yy > CONSTANT_TOLERANCE**2 * y2
    t_varies = tt > CONSTANT_TOLERANCE**2 * t2
    norms = np.sqrt(yy) * np.sqrt(tt)
    r = np.divide(yt, norms, out=np.zeros_like(yt), where=y_varies & t_varies)
    return np.where(t_varies, np.clip(r, -1.0, 1.0), np.nan)


def _iter_blocks(
    imputed: Matrix, reference: Matrix, genes: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of cells of both matrices, dense in float64."""
    n_cells, n_genes = reference.shape
    step = max(1, BLOCK_ENTRIES // max(n_genes, 1))
    for start in range(0, n_cells, step):
        rows = slice(start, start + step)
        yield _to_float64(imputed[rows], genes), _to_float64(reference[rows], genes)


def _to_float64(rows: Any, genes: np.ndarray | None = None) -> np.ndarray:
    values = np.asarray(rows.toarray() if issparse(rows) else rows, dtype=np.float64)
    return values if genes is None else values[:, genes]


def _nanmedian(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def score_hidden_entries(imputed: np.ndarray, truth: np.ndarray) -> Scores:
    """Return scores of imputed values against hidden true ones.

    Parameters
    ----------
    imputed, truth
        Values on the same scale [entries].

    Returns
    -------
    dict
        ``median_l1``, ``mean_l1``, ``min_l1`` and ``max_l1`` of the absolute errors, ``cosine`` and
        ``pearson`` over all entries; None where undefined.
    """
    error = np.abs(np.asarray(imputed, dtype=float) - truth)
    if not error.size:
        names = ("median_l1", "mean_l1", "min_l1", "max_l1", "cosine", "pearson")
        return dict.fromkeys(names)
    norms = float(np.linalg.norm(imputed) * np.linalg.norm(truth))
    varies = len(error) > 1 and np.std(imputed) > 0 and np.std(truth) > 0
    return {
        "median_l1": float(np.median(error)),
        "mean_l1": float(error.mean()),
        "min_l1": float(error.min()),
        "max_l1": float(error.max()),
        "cosine": float(np.dot(imputed, truth) / norms) if norms else None,
        "pearson": float(np.corrcoef(imputed, truth)[0, 1]) if varies else None,
    }
