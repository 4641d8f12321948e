"""State of a pipeline, which its steps replace and never modify in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from scipy import sparse


class LazyMatrix(Protocol):
    """A cells x genes matrix whose rows are computed on access."""

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells and genes."""

    def __getitem__(self, cells: Any) -> np.ndarray:
        """Compute some rows."""

    def toarray(self) -> np.ndarray:
        """Compute all rows."""

    def to_dask(self) -> Any:
        """Return a dask array that computes the rows."""


Matrix: TypeAlias = sparse.csr_matrix | np.ndarray
Expression: TypeAlias = sparse.csr_matrix | np.ndarray | LazyMatrix


class Record(NamedTuple):
    """A value of a run's history; ``epoch`` is 0 for quantities that have no epochs."""

    iteration: int
    stage: str
    quantity: str
    epoch: int
    value: float


class Snapshot(NamedTuple):
    """Graph and clusters of an iteration, which stopping rules compare."""

    graph: sparse.csr_matrix | None  # cells x cells
    clusters: np.ndarray  # cells

    @classmethod
    def from_state(cls, state: State) -> Snapshot:
        """Return the graph and clusters of a state."""
        assert state.clusters is not None
        return cls(state.graph, state.clusters)


@dataclass(frozen=True)
class State:
    """Data and results of a pipeline after one of its steps.

    Parameters
    ----------
    x
        Expression after the recipe's transforms, float32, CSR, dense or lazy; cells x genes.
    genes, cells
        Names of the columns and rows of ``x``.
    batch
        Batch index; cells.
    ltmg_states
        LTMG states, CSR of small integers; cells x genes.
    embedding
        Feature embedding; cells x dimensions.
    graph
        Cell graph, symmetric CSR with positive weights and without self-loops; cells x cells.
    graph_embedding
        Embedding that is clustered; cells x dimensions.
    clusters
        Cluster found for each cell, 0 … K − 1; never the true labels.
    smoothed_n_clusters
        Number of clusters, smoothed over the iterations.
    reconstruction
        Output of the autoencoders, lazy if it is large; cells x genes.
    imputed
        Imputed expression on the scale of ``x``; cells x genes.
    history
        Losses, numbers of clusters, agreement and dead units by iteration and stage.
    stop_reason
        Reason for the end of the iterations.
    n_iterations
        Number of iterations run.
    cluster_history
        Clusters before the first iteration and after each.
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
    """Return rows of a matrix as a dense float32 array."""
    rows: Any = x[cells]
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=np.float32)


def to_dense(x: Expression) -> np.ndarray:
    """Return expression as a dense array."""
    return x if isinstance(x, np.ndarray) else x.toarray()
