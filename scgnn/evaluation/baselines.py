"""The simplest ways to impute, which every other is read against. None of them sees a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.components.encoders import PCA
from scgnn.components.graph_builders.neighbors import nearest
from scgnn.evaluation.imputation import Scores, imputed_scores
from scgnn.evaluation.targets import Answers
from scgnn.execution.stages import stage
from scgnn.state import Matrix, dense

COMPONENTS = 50
NEIGHBOURS = 15
BANDWIDTH = 5  # the neighbour whose distance is the width of a cell's kernel: a third of them
STEPS = 3  # of diffusion


class Near(NamedTuple):
    """Each cell's nearest others."""

    cells: np.ndarray  # cells x k, nearest first
    distances: np.ndarray  # cells x k

    @classmethod
    def of(cls, x: Matrix, seed: int) -> Near:
        """The 15 nearest others in 50 principal components of ``x``."""
        model = PCA((COMPONENTS,))
        module: Any = model.build(x.shape[1])
        model.prepare(module, x, seed)
        axes = module.axes.numpy()
        embedding = np.asarray(x @ axes) - module.mean.numpy() @ axes
        return cls(*nearest(embedding, NEIGHBOURS, "euclidean"))

    def matrix(self, weights: np.ndarray) -> sparse.csr_matrix:
        """Weights of the neighbours, cells x cells, sparse; 1 for a cell itself."""
        n_cells, k = self.cells.shape
        starts = np.arange(0, n_cells * k + 1, k) if k else np.zeros(n_cells + 1, int)
        others = sparse.csr_matrix((weights.ravel(), self.cells.ravel(), starts), (n_cells,) * 2)
        return sparse.csr_matrix(others + sparse.identity(n_cells))


def none(x: Matrix, _: Near) -> np.ndarray:
    """What was seen, as it is."""
    return dense(x)


def zero(x: Matrix, _: Near) -> np.ndarray:
    """Nothing anywhere."""
    return np.zeros(x.shape, dtype=np.float32)


def gene_mean(x: Matrix, _: Near) -> np.ndarray:
    """The mean of each gene, for every cell."""
    mean = np.asarray(x.mean(axis=0), dtype=np.float32).ravel()
    return np.broadcast_to(mean, x.shape)


def neighbours(x: Matrix, near: Near) -> np.ndarray:
    """The mean over a cell and its 15 neighbours."""
    equal = near.matrix(np.ones(near.cells.shape))
    return dense(_rows_to_one(equal) @ x)


def neighbours_nonzero(x: Matrix, near: Near) -> np.ndarray:
    """The mean of the non-zero values of a cell and its 15 neighbours; 0 where they have none.

    It never lowers a value below the least that was seen, so it wins where only non-zeros are
    scored.
    """
    equal, values = near.matrix(np.ones(near.cells.shape)), sparse.csr_matrix(x)
    total, there = equal @ values, equal @ (values != 0).astype(np.float64)
    there.data = 1 / there.data
    return dense(sparse.csr_matrix(total.multiply(there)))


def diffusion(x: Matrix, near: Near) -> np.ndarray:
    """Diffusion over the cells, as MAGIC does it (van Dijk 2018): ``Mᵗ x``, t = 3.

    M is ``K + Kᵀ`` with rows summing to 1, ``K_ij = exp(−(d_ij / σ_i)²)`` for the 15 neighbours j
    of i and 1 for i itself, σ_i the distance of the fifth. MAGIC's rescaling of each gene to the
    largest values seen is left out.

    References
    ----------
    van Dijk et al. (2018) Recovering gene interactions from single-cell data using data
    diffusion, Cell 174:716.
    """
    distances = near.distances
    width = distances[:, min(BANDWIDTH, distances.shape[1]) - 1, None] if distances.size else 1.0
    # equal cells are at distance 0, of whatever width
    apart = np.divide(
        distances, width, out=np.where(distances > 0, np.inf, 0.0), where=np.asarray(width) > 0
    )
    kernel = near.matrix(np.exp(-np.square(apart)))
    step = _rows_to_one(kernel + kernel.T)
    restored = dense(step @ x)
    for _ in range(STEPS - 1):
        restored = step @ restored
    return restored


CONTROLS: dict[str, Callable[[Matrix, Near], np.ndarray]] = {
    "none": none,
    "zero": zero,
    "gene_mean": gene_mean,
    "neighbours": neighbours,
    "neighbours_nonzero": neighbours_nonzero,
    "diffusion": diffusion,
}


@stage("imputation controls")
def control_scores(x: Matrix, answers: Answers, seed: int) -> dict[str, Scores]:
    """The scores of every control, one after the other."""
    return {name: imputed_scores(restored, x, answers) for name, restored in controls(x, seed)}


def controls(x: Matrix, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """What each control imputes, cells x genes, one at a time."""
    near = Near.of(x, seed)
    for name, restore in CONTROLS.items():
        yield name, restore(x, near)


def _rows_to_one(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    total = np.asarray(weights.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / total) @ weights, dtype=np.float32)
