"""State: what a pipeline knows so far, handed from step to step and never changed in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from scipy import sparse


class LazyMatrix(Protocol):
    """A matrix whose rows are computed when they are asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """Cells, genes."""
        ...

    def __getitem__(self, cells: Any) -> np.ndarray:
        """Some rows."""
        ...

    def toarray(self) -> np.ndarray:
        """All rows."""
        ...

    def to_dask(self) -> Any:
        """All rows as a dask array."""
        ...


Matrix: TypeAlias = sparse.csr_matrix | np.ndarray
Expression: TypeAlias = sparse.csr_matrix | np.ndarray | LazyMatrix


class Record(NamedTuple):
    """One number of a run's history; ``epoch`` is 0 where a quantity has no epochs."""

    iteration: int
    stage: str
    quantity: str
    epoch: int
    value: float


class Snapshot(NamedTuple):
    """What the stopping rule compares: the graph and the labels of one pass over the cells."""

    graph: sparse.csr_matrix | None  # cells x cells
    clusters: np.ndarray  # cells

    @classmethod
    def from_state(cls, state: State) -> Snapshot:
        """The round that a state has come to."""
        assert state.clusters is not None
        return cls(state.graph, state.clusters)


@dataclass(frozen=True)
class State:
    """Everything known about the cells at one point of a pipeline.

    Attributes
    ----------
    x
        Expression after the recipe's transforms, cells x genes, float32, CSR or dense.
    genes, cells
        Names of the columns and rows of ``x``.
    batch
        Number of each cell's batch.
    signal
        LTMG states, cells x genes, CSR of small integers.
    embedding
        Feature embedding, cells x d.
    graph
        Cell graph, cells x cells, symmetric CSR without self-loops, weights > 0.
    graph_embedding
        The embedding that is clustered, cells x d.
    labels
        Cluster of each cell, 0 … K−1. Clusters found, never the true labels.
    k
        Number of clusters asked for, smoothed over the iterations.
    reconstruction
        What the autoencoders rebuilt, cells x genes; where that is large, rows on demand.
    imputed
        The final imputed expression, cells x genes, on the scale of ``x``.
    history
        Losses, cluster counts, agreement and dead units by iteration and stage.
    stopped
        Why the iterations ended, in words.
    iterations
        How many iterations ran.
    trail
        Labels of every round, the first one before any iteration.
    """

    x: Expression
    genes: np.ndarray
    cells: np.ndarray
    batch: np.ndarray | None = None
    ltmg_states: sparse.csr_matrix | None = None
    embedding: np.ndarray | None = None
    graph: sparse.csr_matrix | None = None
    graph_embedding: np.ndarray | None = None
    clusters: np.ndarray | None = None
    smoothed_n_clusters: float | None = None
    reconstruction: np.ndarray | LazyMatrix | None = None
    imputed: Expression | None = None
    history: tuple[Record, ...] = ()
    stop_reason: str = ""
    n_iterations: int = 0
    cluster_history: tuple[np.ndarray, ...] = ()

    @property
    def n_cells(self) -> int:
        return int(self.x.shape[0])

    @property
    def n_genes(self) -> int:
        return int(self.x.shape[1])


def to_dense_rows(x: Expression, cells: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Rows of a matrix as a dense float32 array."""
    rows: Any = x[cells]
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=np.float32)


def to_dense(x: Expression) -> np.ndarray:
    """All rows of expression, dense, whether it is sparse or on demand."""
    return x if isinstance(x, np.ndarray) else x.toarray()
