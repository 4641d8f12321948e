"""Message passing by DGL, and the base class of graph encoders."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix, identity

from scgnn.components.encoders.contract import Encoder
from scgnn.errors import UserError
from scgnn.field_types import Activation, Normalization, ProperFraction, Widths
from scgnn.seeding import torch_generator

if TYPE_CHECKING:
    from torch import Tensor, nn

# before any module imports DGL, which else prints a message and writes a file into the home folder
os.environ["DGLBACKEND"] = "pytorch"


def to_dgl(graph: csr_matrix, add_self_loops: bool = True) -> Any:
    """Return a cell graph as a DGLGraph.

    Parameters
    ----------
    graph
        Cell graph, cells x cells, symmetric.
    add_self_loops
        Whether to add an edge of weight 1 from each cell to itself.

    Returns
    -------
    dgl.DGLGraph
        Edge data [edges]: ``weight`` as in the graph and ``norm``, the values of
        D^-1/2 (A + I) D^-1/2 (Kipf & Welling 2017). Node data [cells]: ``scale``, the diagonal of
        D^-1/2.

    Raises
    ------
    UserError
        If DGL cannot be imported.
    """
    try:
        import dgl
    except Exception as error:  # a broken binary raises anything from ImportError to OSError
        raise UserError(
            f"dgl cannot be imported ({error}); install dgl==1.1.3 and packaging, and run "
            "'scgnn-recipe doctor'"
        ) from error
    n = graph.shape[0]
    edges = (graph + identity(n, format="csr") if add_self_loops else graph).tocoo()
    degree = np.asarray(edges.sum(axis=1)).ravel()
    scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
    norm = edges.data * scale[edges.row] * scale[edges.col]
    dgl_graph = dgl.graph((torch.as_tensor(edges.row), torch.as_tensor(edges.col)), num_nodes=n)
    dgl_graph.edata["weight"] = torch.as_tensor(edges.data, dtype=torch.float32)
    dgl_graph.edata["norm"] = torch.as_tensor(norm, dtype=torch.float32)
    dgl_graph.ndata["scale"] = torch.as_tensor(scale, dtype=torch.float32)
    return dgl_graph


def build_neighbor_sampler(
    graph: Any, fanout: int, n_layers: int
) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """Return a sampler of neighborhoods for mini-batch training.

    For each of ``n_layers`` hops, ``fanout`` neighbors of each node are sampled with torch's
    generator, since DGL's sampling is not reproducible across threads. The subgraph is induced by
    all sampled nodes (shaDow, Zeng et al. 2021).

    Parameters
    ----------
    graph
        DGLGraph of all cells.
    fanout
        Number of neighbors that are sampled per node and hop.
    n_layers
        Number of hops.

    Returns
    -------
    callable
        Maps a batch of cells [batch] to the sampled nodes, the batch first, and their subgraph.
    """
    from dgl.sampling import select_topk

    def sample(cells: Tensor) -> tuple[Tensor, Any]:
        nodes = cells = cells.to(graph.idtype)
        for _ in range(n_layers):
            incoming = graph.in_subgraph(nodes)
            incoming.edata["draw"] = torch.rand(incoming.num_edges(), generator=torch_generator())
            neighbors = select_topk(incoming, fanout, "draw", nodes).edges()[0]
            union = torch.cat([nodes, neighbors]).unique()
            nodes = torch.cat([cells, union[~torch.isin(union, cells)]])
        return nodes, graph.subgraph(nodes)

    return sample


@dataclass(frozen=True)
class MessagePassing(Encoder):
    """Base class of graph encoders: a stack of message-passing layers.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the width of the embedding.
    dropout
        Fraction of the inputs of each layer that is set to zero in training.
    activation
        Activation between layers; null is linear.
    normalization
        Normalization before each activation: batch normalizes over the cells, layer over the units
        of a cell; null applies none.
    residual
        Whether the input of each layer, after a linear map, is added to its output.
    """

    hidden: Widths = (32, 16)
    dropout: ProperFraction = 0.0
    activation: Activation | None = "relu"
    normalization: Normalization | None = None
    residual: bool = False
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    add_self_loops: ClassVar[bool] = True

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        """Return a layer whose ``forward(graph, x)`` maps cells x n_in to cells x n_out."""
        raise NotImplementedError(f"{type(self).__name__} must define build_layer()")

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import MessagePassingNetwork

        settings = self.activation, self.dropout, self.normalization, self.residual
        return MessagePassingNetwork(self.build_layer, (n_features, *self.hidden), *settings)

    def prepare_graph(self, graph: csr_matrix | None) -> Any:
        assert graph is not None
        return to_dgl(graph, self.add_self_loops)
