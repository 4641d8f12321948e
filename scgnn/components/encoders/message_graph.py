"""A cell graph as tensors, and message passing on it with two backends.

Layers of graph encoders are written with the operations of :class:`MessageGraph`. Weighted
sums over neighbors are an ``embedding_bag``, deterministic on a GPU too; backend ``dgl`` uses the
kernels of DGL where they are as fast.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from scgnn.components.encoders.dgl_backend import load_dgl
from scgnn.components.encoders.edge_functions import (
    AddEnds,
    MaxNeighbors,
    MultiplyEnds,
    ScoreEnds,
    SoftmaxEdges,
    SumNeighbors,
    sum_rows,
)
from scgnn.execution.hardware import current_hardware

EDGES_PER_CACHE = 2**13  # whose sums of ends fit in the cache of a processor


class ReverseEdges(NamedTuple):
    """The edges in the order of their sources."""

    indptr: Tensor  # cells + 1
    targets: Tensor  # edges
    order: Tensor  # edges: the number of each edge in the order of targets


class MessageGraph:
    """A cell graph, directed, whose edges are ordered by the cells that they lead to.

    Parameters
    ----------
    indptr
        Cells + 1: where the edges of each cell begin.
    sources
        [edges] Cell that each edge comes from.
    weights
        [edges] Weights of the edges, float32; None if all are 1.
    norm_scale
        [cells] Diagonal of D^-1/2 of the whole graph, of which this one can be a sample.
    backend
        ``dgl`` or ``torch``.
    """

    def __init__(
        self,
        indptr: Tensor,
        sources: Tensor,
        weights: Tensor | None,
        norm_scale: Tensor,
        backend: str,
    ) -> None:
        self.indptr, self.sources, self.weights = indptr, sources, weights
        self.norm_scale, self.backend = norm_scale, backend
        self._constant_weights: tuple[Tensor, Tensor] | None = None  # in both orders

    @classmethod
    def from_csr(
        cls, graph: sparse.csr_matrix, add_self_loops: bool = True, backend: str | None = None
    ) -> MessageGraph:
        """Return a symmetric cell graph, cells x cells, as tensors.

        Parameters
        ----------
        graph
            Cell graph, cells x cells, symmetric.
        add_self_loops
            Whether to add an edge of weight 1 from each cell to itself.
        backend
            ``dgl`` or ``torch``; by default that of the stage that runs.
        """
        n = graph.shape[0]
        with_loops = graph + sparse.identity(n, format="csr") if add_self_loops else graph
        edges = sparse.csr_matrix(with_loops)
        if not edges.has_sorted_indices:
            edges = edges.sorted_indices()  # a copy: the arrays can be those of the caller
        degree = np.asarray(edges.sum(axis=1)).ravel()
        scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
        weights = None
        if not (edges.data == 1).all():
            weights = torch.as_tensor(edges.data, dtype=torch.float32)
        return cls(
            torch.as_tensor(edges.indptr.astype(np.int64)),
            torch.as_tensor(edges.indices.astype(np.int64)),
            weights,
            torch.as_tensor(scale, dtype=torch.float32),
            backend or current_hardware().backend,
        )

    def to(self, device: str) -> MessageGraph:
        """Return the graph on a device."""
        if device == self.indptr.device.type:
            return self
        weights = None if self.weights is None else self.weights.to(device)
        indptr, sources = self.indptr.to(device), self.sources.to(device)
        return MessageGraph(indptr, sources, weights, self.norm_scale.to(device), self.backend)

    def __getattr__(self, name: str) -> Any:
        problem = f"MessageGraph has no attribute '{name}'"
        raise AttributeError(f"{problem}; if a layer takes a DGLGraph, set uses_dgl = True")

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.indptr) - 1

    @cached_property
    def degree(self) -> Tensor:
        """Number of edges into each cell [cells]."""
        return self.indptr.diff()

    @cached_property
    def targets(self) -> Tensor:
        """Cell that each edge leads to [edges]."""
        cells = torch.arange(self.n_cells, device=self.indptr.device)
        return cells.repeat_interleave(self.degree, output_size=len(self.sources))

    @cached_property
    def scale(self) -> Tensor:
        """Diagonal of D^-1/2 of this graph [cells]; 1 for a cell without edges."""
        degree = self.degree.float()
        if self.weights is not None:
            degree = self.sum_edges(self.weights[:, None]).ravel()
        return torch.where(degree > 0, degree, 1.0).rsqrt()

    @cached_property
    def unweighted(self) -> MessageGraph:
        """The graph with weights of 1."""
        if self.weights is None:
            return self
        return MessageGraph(self.indptr, self.sources, None, self.norm_scale, self.backend)

    @cached_property
    def normalized_weights(self) -> Tensor:
        """Values of D^-1/2 A D^-1/2 [edges]."""
        return self._scale_edges(self.scale)

    @cached_property
    def gcn_weights(self) -> Tensor:
        """Values of D^-1/2 A D^-1/2 [edges], with D of the whole graph where this is a sample."""
        return self._scale_edges(self.norm_scale)

    @cached_property
    def mean_weights(self) -> Tensor:
        """Weights divided by the number of edges into their cell [edges]."""
        share = self.degree.float().reciprocal().index_select(0, self.targets)
        return share if self.weights is None else self.weights * share

    def _scale_edges(self, scale: Tensor) -> Tensor:
        scaled = scale.index_select(0, self.sources) * scale.index_select(0, self.targets)
        return scaled if self.weights is None else self.weights * scaled

    @cached_property
    def _reverse(self) -> ReverseEdges:
        """The edges in the order of their sources."""
        sources, order = self.sources.sort(stable=True)
        cells = torch.arange(self.n_cells + 1, device=sources.device)
        return ReverseEdges(torch.searchsorted(sources, cells), self.targets[order], order)

    @cached_property
    def dgl_graph(self) -> Any:
        """The graph as a DGLGraph with the same order of edges."""
        edges = self.indptr, self.sources, self.edges
        return load_dgl().graph(("csc", edges), num_nodes=self.n_cells)

    def to_dgl(self) -> Any:
        """Return the graph as a DGLGraph for layers of dgl.nn.

        Returns
        -------
        dgl.DGLGraph
            Edge data [edges]: ``weight`` and ``norm``, the values of D^-1/2 A D^-1/2 (Kipf &
            Welling 2017). Node data [cells]: ``scale``, the diagonal of D^-1/2.
        """
        graph = self.dgl_graph
        ones = torch.ones(len(self.sources))
        graph.edata["weight"] = ones if self.weights is None else self.weights
        graph.edata["norm"], graph.ndata["scale"] = self.gcn_weights, self.norm_scale
        return graph

    def sum_neighbors(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return ``Σ_j w_ij x_j`` over the edges from cells j to each cell i.

        Parameters
        ----------
        x
            Cells x width, or cells x heads x width.
        weights
            [edges], or edges x heads; None sums without weights.

        Returns
        -------
        Tensor
            Of the shape of ``x``, float32.
        """
        x = x.float()
        if weights is None and self.backend == "dgl":
            return load_dgl().ops.copy_u_sum(self.dgl_graph, x)
        return SumNeighbors.apply(x, weights, self)

    def average_neighbors(self, x: Tensor) -> Tensor:
        """Return the mean of ``w_ij x_j`` over the neighbors j of each cell, cells x width."""
        return self.sum_neighbors(x, self.mean_weights)

    def max_neighbors(self, x: Tensor) -> Tensor:
        """Return the maximum of ``w_ij x_j`` over the neighbors j of each cell, cells x width."""
        x = x.float()
        if self.backend == "dgl":
            ops = load_dgl().ops
            weights = None if self.weights is None else self.weights[:, None]
            largest = (
                ops.copy_u_max(self.dgl_graph, x)
                if weights is None
                else ops.u_mul_e_max(self.dgl_graph, x, weights)
            )
            return torch.where(self.degree[:, None] > 0, largest, 0.0)
        return MaxNeighbors.apply(x, self)

    def smooth(self, x: Tensor) -> Tensor:
        """Return ``D^-1/2 A D^-1/2 x``, cells x width."""
        return self.sum_neighbors(x, self.normalized_weights)

    def add_ends(self, source: Tensor, target: Tensor) -> Tensor:
        """Return ``source_j + target_i`` for each edge from cell j to cell i.

        Parameters
        ----------
        source, target
            Cells x heads, or cells x heads x width.

        Returns
        -------
        Tensor
            Edges x heads, or edges x heads x width, float32.
        """
        return AddEnds.apply(source.float(), target.float(), self)

    def score_ends(self, source: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return ``LeakyReLU(source_j + target_i) W`` for each edge from cell j to cell i.

        Parameters
        ----------
        source, target
            Cells x width.
        weight
            Width x heads.

        Returns
        -------
        Tensor
            Edges x heads, float32.
        """
        return ScoreEnds.apply(source.float(), target.float(), weight.float(), self)

    def multiply_ends(self, source: Tensor, target: Tensor) -> Tensor:
        """Return ``source_j · target_i`` for each edge from cell j to cell i, by head.

        Parameters
        ----------
        source, target
            Cells x heads x width.

        Returns
        -------
        Tensor
            Edges x heads, float32.
        """
        return MultiplyEnds.apply(source.float(), target.float(), self)

    def softmax_edges(self, scores: Tensor) -> Tensor:
        """Return the softmax of scores, edges x heads, over the edges into each cell."""
        return SoftmaxEdges.apply(scores.float(), self)

    def sum_edges(self, values: Tensor) -> Tensor:
        """Return the sums of values, edges x width, over the edges into each cell."""
        return sum_rows(values, self.edges, self.indptr)

    def sum_edges_by_source(self, values: Tensor) -> Tensor:
        """Return the sums of values, edges x width, over the edges out of each cell."""
        return sum_rows(values, self._reverse.order, self._reverse.indptr)

    def sum_targets(self, x: Tensor, weights: Tensor | None, is_constant: bool = False) -> Tensor:
        """Return ``Σ_i w_ij x_i`` over the edges from each cell j; see :meth:`sum_neighbors`."""
        by_source = None
        if weights is not None:
            if self._constant_weights is not None and self._constant_weights[0] is weights:
                by_source = self._constant_weights[1]
            else:
                by_source = weights.index_select(0, self._reverse.order)
                if is_constant:
                    self._constant_weights = weights, by_source
        return sum_rows(x, self._reverse.targets, self._reverse.indptr, by_source)

    @cached_property
    def pattern(self) -> Tensor:
        """A sparse matrix of zeros, cells x cells, with an entry for each edge."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
            zeros = torch.zeros(len(self.sources))
            size = self.n_cells, self.n_cells
            arrays = self.indptr, self.sources, zeros
            return torch.sparse_csr_tensor(*arrays, size, check_invariants=False)

    @cached_property
    def blocks(self) -> list[tuple[slice, slice]]:
        """Cells, and the edges into them, in blocks that fit in the cache of a processor."""
        n_edges = len(self.sources)
        if self.indptr.device.type != "cpu":  # reading the memory of a GPU waits for it
            return [(slice(0, self.n_cells), slice(0, n_edges))]
        first_edges = torch.arange(0, max(1, n_edges), EDGES_PER_CACHE)
        cells = torch.searchsorted(self.indptr, first_edges).unique()
        ends = [*cells.tolist(), self.n_cells], [*self.indptr[cells].tolist(), n_edges]
        return list(zip(*(map(slice, x[:-1], x[1:]) for x in ends), strict=True))

    @cached_property
    def edges(self) -> Tensor:
        """Numbers of the edges [edges]."""
        return torch.arange(len(self.sources), device=self.sources.device)
