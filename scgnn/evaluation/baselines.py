"""Simple imputation methods as baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags, identity

from scgnn.components.encoders import PCA
from scgnn.components.graph_builders.neighbors import kneighbors
from scgnn.evaluation.imputation import Scores, score_imputation
from scgnn.evaluation.scores import BASELINES_STAGE
from scgnn.evaluation.targets import ImputationTargets
from scgnn.execution.stages import stage
from scgnn.state import Matrix, to_dense_rows

N_COMPONENTS = 50
N_NEIGHBORS = 15
BANDWIDTH_NEIGHBOR = 5  # a third of the neighbors, as in MAGIC
N_DIFFUSION_STEPS = 3


class Neighborhood(NamedTuple):
    """Nearest neighbors of each cell, cells x k, by increasing distance."""

    distances: np.ndarray
    neighbors: np.ndarray

    @classmethod
    def from_expression(cls, x: Matrix, seed: int) -> Neighborhood:
        """Return 15 neighbors in 50 principal components of ``x``, cells x genes."""
        pca = PCA(N_COMPONENTS)
        module: Any = pca.build(x.shape[1])
        pca.prepare(module, x, seed)
        components = module.components.numpy()
        embedding = np.asarray(x @ components) - module.mean.numpy() @ components
        return cls(*kneighbors(embedding, N_NEIGHBORS, "euclidean"))

    def to_matrix(self, weights: np.ndarray) -> csr_matrix:
        """Return the weights of the neighbors, with 1 for the cell itself, cells x cells."""
        n, k = self.neighbors.shape
        indptr = np.arange(0, n * k + 1, k) if k else np.zeros(n + 1, int)
        matrix = csr_matrix((weights.ravel(), self.neighbors.ravel(), indptr), (n, n))
        return csr_matrix(matrix + identity(n))


def keep_observed(x: Matrix, _: Neighborhood) -> np.ndarray:
    """Return the observed values."""
    return to_dense_rows(x)


def impute_zero(x: Matrix, _: Neighborhood) -> np.ndarray:
    """Return zeros."""
    return np.zeros(x.shape, dtype=np.float32)


def impute_gene_mean(x: Matrix, _: Neighborhood) -> np.ndarray:
    """Return the mean of each gene."""
    mean = np.asarray(x.mean(axis=0), dtype=np.float32).ravel()
    return np.broadcast_to(mean, x.shape)


def impute_neighbor_mean(x: Matrix, neighborhood: Neighborhood) -> np.ndarray:
    """Return the mean over a cell and its neighbors."""
    weights = neighborhood.to_matrix(np.ones(neighborhood.neighbors.shape))
    return to_dense_rows(_normalize_rows(weights) @ x)


def impute_nonzero_neighbor_mean(x: Matrix, neighborhood: Neighborhood) -> np.ndarray:
    """Return the mean of the non-zero values of a cell and its neighbors, 0 without any.

    Since it never predicts less than the smallest non-zero value, it wins if only non-zeros are
    scored.
    """
    weights = neighborhood.to_matrix(np.ones(neighborhood.neighbors.shape))
    values = csr_matrix(x)
    total, count = weights @ values, weights @ (values != 0).astype(np.float64)
    count.data = 1 / count.data
    return to_dense_rows(csr_matrix(total.multiply(count)))


def impute_diffusion(x: Matrix, neighborhood: Neighborhood) -> np.ndarray:
    """Return values diffused over the cells as in MAGIC: ``Mᵗ x`` with t = 3.

    M is ``K + Kᵀ`` with rows normalized to sum 1, where ``K_ij = exp(−(d_ij / σ_i)²)`` for the 15
    neighbors j of i and 1 for i itself, and σ_i is the distance of the fifth neighbor. MAGIC's
    rescaling of each gene to its largest values is omitted.

    References
    ----------
    van Dijk et al. (2018) Recovering gene interactions from single-cell data using data
    diffusion. Cell 174:716.
    """
    distances = neighborhood.distances
    sigma = np.ones((len(distances), 1))
    if distances.size:
        sigma = distances[:, min(BANDWIDTH_NEIGHBOR, distances.shape[1]) - 1, None]
    # identical cells have distance 0 at any bandwidth
    scaled = np.divide(distances, sigma, out=np.where(distances > 0, np.inf, 0.0), where=sigma > 0)
    kernel = neighborhood.to_matrix(np.exp(-np.square(scaled)))
    markov = _normalize_rows(kernel + kernel.T)
    imputed = to_dense_rows(markov @ x)
    for _ in range(N_DIFFUSION_STEPS - 1):
        imputed = markov @ imputed
    return imputed


BASELINES: dict[str, Callable[[Matrix, Neighborhood], np.ndarray]] = {
    "unimputed": keep_observed,
    "zero": impute_zero,
    "gene_mean": impute_gene_mean,
    "neighbor_mean": impute_neighbor_mean,
    "nonzero_neighbor_mean": impute_nonzero_neighbor_mean,
    "diffusion": impute_diffusion,
}


@stage(BASELINES_STAGE)
def score_baselines(x: Matrix, targets: ImputationTargets, seed: int) -> dict[str, Scores]:
    """Return the scores of each baseline, by its name."""
    imputed = impute_baselines(x, seed)
    return {name: score_imputation(values, x, targets) for name, values in imputed}


def impute_baselines(x: Matrix, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the imputed values, cells x genes, of each baseline."""
    neighborhood = Neighborhood.from_expression(x, seed)
    for name, impute in BASELINES.items():
        yield name, impute(x, neighborhood)


def _normalize_rows(weights: csr_matrix) -> csr_matrix:
    total = np.asarray(weights.sum(axis=1)).ravel()
    return csr_matrix(diags(1 / total) @ weights, dtype=np.float32)
