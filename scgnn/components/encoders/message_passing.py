"""What the graph encoders share. Message passing is DGL's, behind :func:`to_dgl`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from scipy import sparse

from scgnn.components.encoders.contract import Encoder
from scgnn.errors import UserError
from scgnn.field_types import Activation, Normalization, ProperFraction, Widths

if TYPE_CHECKING:
    from torch import Tensor, nn


def to_dgl(graph: sparse.csr_matrix, add_self_loops: bool = True) -> Any:
    """A cell graph as a DGLGraph, the one place where DGL meets the rest.

    Edge data [edges]: ``weight`` as in the graph, 1 for self-loops; ``norm`` of
    D^-1/2 (A + I) D^-1/2, the symmetric normalisation of Kipf & Welling (2017). Node data [cells]:
    ``scale``, the diagonal of D^-1/2.
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")  # else dgl writes a file into the home folder
    try:
        import dgl
    except Exception as error:  # a broken binary raises anything from ImportError to OSError
        raise UserError(
            f"dgl cannot be imported ({error}); install dgl==1.1.3 and packaging, "
            "and see what 'scgnn-recipe doctor' says"
        ) from error
    edges = (
        graph + sparse.identity(graph.shape[0], format="csr") if add_self_loops else graph
    ).tocoo()
    made = dgl.graph(
        (torch.as_tensor(edges.row), torch.as_tensor(edges.col)), num_nodes=graph.shape[0]
    )
    made.edata["weight"] = torch.as_tensor(edges.data, dtype=torch.float32)
    degree = np.asarray(edges.sum(axis=1)).ravel()
    scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
    norm = edges.data * scale[edges.row] * scale[edges.col]
    made.edata["norm"] = torch.as_tensor(norm, dtype=torch.float32)
    made.ndata["scale"] = torch.as_tensor(scale, dtype=torch.float32)
    return made


def build_neighbor_sampler(
    graph: Any, fanout: int, n_layers: int
) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """Draws, for a batch of cells, the cells that they hear, and the graph of all of these.

    In each layer a cell hears so many of its neighbours, drawn anew, and these theirs in the layer
    before; the graph is all edges among them (shaDow, Zeng et al. 2021). The batch comes first. The
    numbers are torch's: which of its threads dgl gives which seed is left to chance.
    """
    from dgl.sampling import select_topk

    def sample(cells: Tensor) -> tuple[Tensor, Any]:
        heard = cells = cells.to(graph.idtype)
        for _ in range(n_layers):
            towards = graph.in_subgraph(heard)
            towards.edata["drawn"] = torch.rand(towards.num_edges())
            drawn = select_topk(towards, fanout, "drawn", heard).edges()[0]
            others = torch.cat([heard, drawn]).unique()
            heard = torch.cat([cells, others[~torch.isin(others, cells)]])
        return heard, graph.subgraph(heard)

    return sample


@dataclass(frozen=True)
class MessagePassing(Encoder):
    """A stack of layers that pass messages along edges; each kind of layer is one short class.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the embedding.
    dropout
        Share of inputs to each layer set to zero while training.
    activation
        Between layers.
    normalization
        Before each activation: over the cells, or over the units of a cell.
    residual
        Whether each layer's input, through a linear map, is added to its output.
    """

    hidden: Widths = (32, 16)
    dropout: ProperFraction = 0.0
    activation: Activation | None = "relu"
    normalization: Normalization | None = None
    residual: bool = False
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    add_self_loops: ClassVar[bool] = True  # whether a cell is among its own neighbours

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        """One layer: ``forward(graph, x)`` from cells x n_in to cells x n_out."""
        raise NotImplementedError

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import MessagePassingNetwork

        return MessagePassingNetwork(
            self.build_layer,
            (n_features, *self.hidden),
            self.activation,
            self.dropout,
            self.normalization,
            self.residual,
        )

    def prepare_graph(self, graph: sparse.csr_matrix | None) -> Any:
        assert graph is not None
        return to_dgl(graph, self.add_self_loops)
