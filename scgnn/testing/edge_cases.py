"""Small inputs with the difficulties of real data: duplicates, empty and isolated cells."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData

N_CELLS, N_GENES, EMBEDDING_DIM = 30, 12, 6
DUPLICATE_CELLS = (3, 4)  # equal rows
EMPTY_CELL = 7  # zeros only
ISOLATED_CELL = N_CELLS - 1  # without edges


@dataclass(frozen=True)
class SyntheticCells:
    """Everything that components read of a few cells.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    embedding
        Embedding, cells x 6.
    graph
        Cell graph, cells x cells, symmetric CSR.
    clusters
        Cluster of each cell, by decreasing size.
    batch
        Batch of each cell.
    """

    counts: np.ndarray
    embedding: np.ndarray
    graph: sparse.csr_matrix
    clusters: np.ndarray
    batch: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """``log(counts + 1)``, cells x genes, float32."""
        return np.asarray(np.log1p(self.counts), dtype=np.float32)

    @cached_property
    def adata(self) -> AnnData:
        """The counts as AnnData with names, a column in ``obs`` and ``var`` and a layer."""
        import pandas as pd
        from anndata import AnnData

        obs = pd.DataFrame({"batch": self.batch}, [f"cell_{i}" for i in range(len(self.counts))])
        var = pd.DataFrame({"length": 1.0}, [f"gene_{i}" for i in range(self.counts.shape[1])])
        counts = sparse.csr_matrix(self.counts.astype(np.float32))
        return AnnData(counts, obs=obs, var=var, layers={"spliced": counts.copy()})

    def to_state(self) -> State:
        """Return a state in which every input of a component is known."""
        cells, genes = (np.arange(n).astype(str) for n in self.counts.shape)
        return State(
            self.x,
            genes,
            cells,
            batch=self.batch,
            ltmg_states=sparse.csr_matrix(np.minimum(self.counts, 2).astype(np.int8)),
            embedding=self.embedding,
            graph=self.graph,
            graph_embedding=self.embedding,
            clusters=self.clusters,
            reconstruction=self.x,
        )

    def take(self, indices: np.ndarray) -> SyntheticCells:
        """Return cells by their indices, in this order."""
        rows = {f.name: getattr(self, f.name)[indices] for f in fields(self) if f.name != "graph"}
        return replace(self, graph=self.graph[indices][:, indices], **rows)


@cache
def _generate_cells() -> SyntheticCells:
    rng = np.random.default_rng(0)
    group = np.arange(N_CELLS) % 2
    counts = rng.poisson(rng.gamma(1.0, 3.0, (2, N_GENES))[group]).astype(np.float32)
    embedding = (rng.normal(size=(N_CELLS, EMBEDDING_DIM)) + 6 * group[:, None]).astype(np.float32)
    for rows in (counts, embedding):
        rows[DUPLICATE_CELLS[1]] = rows[DUPLICATE_CELLS[0]]
        rows[EMPTY_CELL] = 0
    upper = np.triu(rng.random((N_CELLS, N_CELLS)) < 0.5, k=1)
    upper &= group[:, None] == group  # no edge between the groups
    chain = np.arange(N_CELLS - 2)
    upper[chain, chain + 2] = True  # each group is connected
    upper[ISOLATED_CELL] = upper[:, ISOLATED_CELL] = False
    weights = upper * rng.uniform(0.5, 2.0, upper.shape)
    graph = sparse.csr_matrix(weights + weights.T, dtype=np.float32)
    clusters = group.copy()
    clusters[ISOLATED_CELL] = 2
    return SyntheticCells(counts, embedding, graph, clusters, np.arange(N_CELLS) % 3 // 2)


def make_cells() -> SyntheticCells:
    """Return 30 cells in two groups without an edge between them, and an isolated cell.

    Two cells are duplicates and one is empty. Each call returns a new copy.
    """
    return copy.deepcopy(_generate_cells())


def make_blobs(n: int = 15) -> SyntheticCells:
    """Return two distant blobs of ``n`` cells, each a complete graph without edges to the other."""
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1], n)
    embedding = (rng.normal(size=(2 * n, EMBEDDING_DIM)) + 20 * group[:, None]).astype(np.float32)
    edges = (group[:, None] == group) & ~np.eye(2 * n, dtype=bool)
    graph = sparse.csr_matrix(edges, dtype=np.float32)
    counts = rng.poisson(1 + 5 * group[:, None], (2 * n, N_GENES)).astype(np.float32)
    return SyntheticCells(counts, embedding, graph, group, group)


def make_few_cells(n: int) -> SyntheticCells:
    """Return the first ``n`` cells, connected as a path."""
    cells = make_cells().take(np.arange(n))
    return replace(cells, graph=_make_path_graph(n), clusters=np.zeros(n, dtype=np.int64))


def make_identical_cells(n: int) -> SyntheticCells:
    """Return ``n`` identical cells, connected as a path."""
    return replace(make_few_cells(1).take(np.zeros(n, dtype=np.int64)), graph=_make_path_graph(n))


def _make_path_graph(n: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.eye(n, k=1) + np.eye(n, k=-1), dtype=np.float32)
