"""Inputs that real data are like on a bad day."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData

N_CELLS, N_GENES, EMBEDDING_DIM = 30, 12, 6
DUPLICATE_CELLS = (3, 4)  # two cells with equal rows
EMPTY_CELL = 7  # a cell of zeros
ISOLATED_CELL = N_CELLS - 1  # a cell without neighbours


@dataclass(frozen=True)
class SyntheticCells:
    """Thirty cells: two groups without an edge between them, twins, an empty and a lone cell.

    Parameters
    ----------
    counts
        Cells x genes, whole numbers.
    embedding
        Cells x 6, the groups far apart.
    graph
        Cells x cells, symmetric CSR with unequal weights, two components and a lone cell.
    labels
        Cluster of each cell, by falling size, the last of one cell.
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
        """Logarithms of the counts plus one, cells x genes."""
        return np.asarray(np.log1p(self.counts), dtype=np.float32)

    @property
    def adata(self) -> AnnData:
        """The counts as an AnnData with names, a column of each kind and a layer."""
        import pandas as pd
        from anndata import AnnData

        obs = pd.DataFrame({"batch": self.batch}, [f"cell_{i}" for i in range(len(self.counts))])
        var = pd.DataFrame({"length": 1.0}, [f"gene_{i}" for i in range(self.counts.shape[1])])
        counts = sparse.csr_matrix(self.counts.astype(np.float32))
        return AnnData(counts, obs=obs, var=var, layers={"spliced": counts.copy()})

    def to_state(self, x: np.ndarray | None = None) -> State:
        """A state in which everything is known."""
        x = self.x if x is None else x
        known: dict[str, Any] = {
            "ltmg_states": sparse.csr_matrix(np.minimum(self.counts, 2).astype(np.int8)),
            "embedding": self.embedding,
            "graph": self.graph,
            "graph_embedding": self.embedding,
            "clusters": self.clusters,
            "reconstruction": x,
            "batch": self.batch,
        }
        names = {field.name for field in fields(State)}
        cells, genes = (np.array([f"{i}" for i in range(n)]) for n in x.shape)
        return State(x, genes, cells, **{k: v for k, v in known.items() if k in names})

    def take(self, indices: np.ndarray) -> SyntheticCells:
        """The same cells in another order, or some of them."""
        moved = {f.name: getattr(self, f.name)[indices] for f in fields(self) if f.name != "graph"}
        return replace(self, graph=self.graph[indices][:, indices], **moved)


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
    upper[chain, chain + 2] = True  # each group hangs together
    upper[ISOLATED_CELL] = upper[:, ISOLATED_CELL] = False
    weights = upper * rng.uniform(0.5, 2.0, upper.shape)
    graph = sparse.csr_matrix(weights + weights.T, dtype=np.float32)
    labels = group.copy()
    labels[ISOLATED_CELL] = 2
    return SyntheticCells(counts, embedding, graph, labels, np.arange(N_CELLS) % 3 // 2)


def make_cells() -> SyntheticCells:
    """A copy of the awkward cells, so that nothing done to them stays."""
    return copy.deepcopy(_generate_cells())


def make_blobs(n: int = 15) -> SyntheticCells:
    """Two far groups of cells, each linked within itself alone."""
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1], n)
    embedding = (rng.normal(size=(2 * n, EMBEDDING_DIM)) + 20 * group[:, None]).astype(np.float32)
    linked = (group[:, None] == group) & ~np.eye(2 * n, dtype=bool)
    counts = rng.poisson(1 + 5 * group[:, None], (2 * n, N_GENES)).astype(np.float32)
    graph = sparse.csr_matrix(linked, dtype=np.float32)
    return SyntheticCells(counts, embedding, graph, group, group % 2)


def make_few_cells(n: int) -> SyntheticCells:
    """The first cells, linked in a row."""
    return replace(
        make_cells().take(np.arange(n)),
        graph=_make_path_graph(n),
        clusters=np.zeros(n, dtype=np.int64),
    )


def _make_path_graph(n: int) -> sparse.csr_matrix:
    links = np.eye(n, k=1) + np.eye(n, k=-1)
    return sparse.csr_matrix(links, dtype=np.float32)


def make_identical_cells(n: int) -> SyntheticCells:
    """Cells that are all the same, linked in a row."""
    return replace(make_few_cells(1).take(np.zeros(n, dtype=np.int64)), graph=_make_path_graph(n))
