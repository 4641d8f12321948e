"""The simplest ways to impute, which every other is read against. None of them sees a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.components.encoders import PCA
from scgnn.components.graph_builders.neighbors import kneighbors
from scgnn.evaluation.imputation import Scores, score_imputation
from scgnn.evaluation.targets import ImputationTargets
from scgnn.execution.stages import stage
from scgnn.state import Matrix, to_dense_rows

N_COMPONENTS = 50
N_NEIGHBORS = 15
BANDWIDTH_NEIGHBOR = (
    5  # the neighbour whose distance is the width of a cell's kernel: a third of them
)
N_DIFFUSION_STEPS = 3  # of diffusion


class Neighborhood(NamedTuple):
    """Each cell's nearest others."""

    neighbors: np.ndarray  # cells x k, nearest first
    distances: np.ndarray  # cells x k

    @classmethod
    def from_expression(cls, x: Matrix, seed: int) -> Neighborhood:
        """The 15 nearest others in 50 principal components of ``x``."""
        model = PCA(N_COMPONENTS)
        module: Any = model.build(x.shape[1])
        model.prepare(module, x, seed)
        axes = module.components.numpy()
        embedding = np.asarray(x @ axes) - module.mean.numpy() @ axes
        distances, neighbors = kneighbors(embedding, N_NEIGHBORS, "euclidean")
        return cls(neighbors, distances)

    def to_matrix(self, weights: np.ndarray) -> sparse.csr_matrix:
        """Weights of the neighbours, cells x cells, sparse; 1 for a cell itself."""
        n_cells, k = self.neighbors.shape
        starts = np.arange(0, n_cells * k + 1, k) if k else np.zeros(n_cells + 1, int)
        others = sparse.csr_matrix(
            (weights.ravel(), self.neighbors.ravel(), starts), (n_cells,) * 2
        )
        return sparse.csr_matrix(others + sparse.identity(n_cells))


def keep_observed(x: Matrix, _: Neighborhood) -> np.ndarray:
    """What was seen, as it is."""
    return to_dense_rows(x)


def impute_zero(x: Matrix, _: Neighborhood) -> np.ndarray:
    """Nothing anywhere."""
    return np.zeros(x.shape, dtype=np.float32)


def impute_gene_mean(x: Matrix, _: Neighborhood) -> np.ndarray:
    """The mean of each gene, for every cell."""
    mean = np.asarray(x.mean(axis=0), dtype=np.float32).ravel()
    return np.broadcast_to(mean, x.shape)


def impute_neighbor_mean(x: Matrix, neighborhood: Neighborhood) -> np.ndarray:
    """The mean over a cell and its 15 neighbours."""
    equal = neighborhood.to_matrix(np.ones(neighborhood.neighbors.shape))
    return to_dense_rows(_normalize_rows(equal) @ x)


def impute_nonzero_neighbor_mean(x: Matrix, neighborhood: Neighborhood) -> np.ndarray:
    """The mean of the non-zero values of a cell and its 15 neighbours; 0 where they have none.

    It never lowers a value below the least that was seen, so it wins where only non-zeros are
    scored.
    """
    equal, values = (
        neighborhood.to_matrix(np.ones(neighborhood.neighbors.shape)),
        sparse.csr_matrix(x),
    )
    total, there = equal @ values, equal @ (values != 0).astype(np.float64)
    there.data = 1 / there.data
    return to_dense_rows(sparse.csr_matrix(total.multiply(there)))


def impute_diffusion(x: Matrix, neighborhood: Neighborhood) -> np.ndarray:
    """Diffusion over the cells, as MAGIC does it (van Dijk 2018): ``Mᵗ x``, t = 3.

    M is ``K + Kᵀ`` with rows summing to 1, ``K_ij = exp(−(d_ij / σ_i)²)`` for the 15 neighbours j
    of i and 1 for i itself, σ_i the distance of the fifth. MAGIC's rescaling of each gene to the
    largest values seen is left out.

    References
    ----------
    van Dijk et al. (2018) Recovering gene interactions from single-cell data using data
    diffusion, Cell 174:716.
    """
    distances = neighborhood.distances
    width = (
        distances[:, min(BANDWIDTH_NEIGHBOR, distances.shape[1]) - 1, None]
        if distances.size
        else 1.0
    )
    # equal cells are at distance 0, of whatever width
    apart = np.divide(
        distances, width, out=np.where(distances > 0, np.inf, 0.0), where=np.asarray(width) > 0
    )
    kernel = neighborhood.to_matrix(np.exp(-np.square(apart)))
    step = _normalize_rows(kernel + kernel.T)
    restored = to_dense_rows(step @ x)
    for _ in range(N_DIFFUSION_STEPS - 1):
        restored = step @ restored
    return restored


BASELINES: dict[str, Callable[[Matrix, Neighborhood], np.ndarray]] = {
    "unimputed": keep_observed,
    "zero": impute_zero,
    "gene_mean": impute_gene_mean,
    "neighbor_mean": impute_neighbor_mean,
    "nonzero_neighbor_mean": impute_nonzero_neighbor_mean,
    "diffusion": impute_diffusion,
}


@stage("imputation baselines")
def score_baselines(x: Matrix, targets: ImputationTargets, seed: int) -> dict[str, Scores]:
    """The scores of every control, one after the other."""
    return {
        name: score_imputation(restored, x, targets) for name, restored in impute_baselines(x, seed)
    }


def impute_baselines(x: Matrix, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """What each control imputes, cells x genes, one at a time."""
    near = Neighborhood.from_expression(x, seed)
    for name, restore in BASELINES.items():
        yield name, restore(x, near)


def _normalize_rows(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    total = np.asarray(weights.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / total) @ weights, dtype=np.float32)
