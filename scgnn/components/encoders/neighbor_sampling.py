"""Sampling of neighborhoods for mini-batch training. Graphs are on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from scgnn.components.encoders.message_graph import MessageGraph
from scgnn.seeding import torch_generator


def sample_neighborhood(
    graph: MessageGraph, cells: Tensor, fanout: int, n_hops: int
) -> tuple[Tensor, MessageGraph]:
    """Return the neighborhood of cells and its induced subgraph (shaDow, Zeng et al. 2021).

    For each hop, ``fanout`` neighbors of each cell are drawn with
    :func:`~scgnn.seeding.torch_generator`, without replacement.

    Parameters
    ----------
    graph
        Graph of all cells.
    cells
        [batch] Cells.
    fanout
        Number of neighbors of a cell in a hop.
    n_hops
        Number of hops.

    Returns
    -------
    nodes
        Sampled cells, the batch first.
    subgraph
        Their graph.
    """
    nodes = cells
    for _ in range(n_hops):
        edges, rows, degree = _get_edges(graph, nodes)
        draws = torch.rand(len(edges), generator=torch_generator())
        order = torch.argsort(rows.double() - draws.double())  # largest first in each row
        starts = (degree.cumsum(0) - degree).repeat_interleave(degree)
        chosen = order[torch.arange(len(edges)) - starts < fanout]
        union = torch.cat([nodes, graph.sources[edges[chosen]]]).unique()
        nodes = torch.cat([cells, union[~torch.isin(union, cells)]])
    return nodes, induce_subgraph(graph, nodes)


def induce_subgraph(graph: MessageGraph, nodes: Tensor) -> MessageGraph:
    """Return the graph that is induced by some cells [nodes]."""
    edges, rows, _ = _get_edges(graph, nodes)
    position = torch.full((graph.n_cells,), -1)
    position[nodes] = torch.arange(len(nodes))
    sources = position[graph.sources[edges]]
    mask = sources >= 0
    ends = torch.bincount(rows[mask], minlength=len(nodes)).cumsum(0)
    weights = None if graph.weights is None else graph.weights[edges[mask]]
    indptr = torch.cat([ends.new_zeros(1), ends])
    scale = graph.norm_scale[nodes]
    return MessageGraph(indptr, sources[mask], weights, scale, graph.backend)


def _get_edges(graph: MessageGraph, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the edges into some cells, the position of each one's cell, and the degrees."""
    degree = graph.degree[nodes]
    rows = torch.arange(len(nodes)).repeat_interleave(degree)
    first = graph.indptr[nodes] - (degree.cumsum(0) - degree)
    return torch.arange(len(rows)) + first[rows], rows, degree
