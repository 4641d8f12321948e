"""The base class of graph encoders with message passing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from scipy.sparse import csr_matrix

from scgnn.components.encoders import dgl_backend  # noqa: F401  # before anybody imports DGL
from scgnn.components.encoders.contract import Encoder
from scgnn.errors import UserError
from scgnn.execution.hardware import current_hardware
from scgnn.field_types import Activation, Normalization, ProperFraction, Widths

if TYPE_CHECKING:
    from torch import nn


def check_message_passing() -> None:
    """Pass messages forward and backward on the current hardware.

    Raises
    ------
    Exception
        Whatever a broken installation raises.
    """
    from scgnn.components.encoders.message_graph import MessageGraph

    device = current_hardware().device
    graph = MessageGraph.from_csr(csr_matrix([[0, 1.0], [1.0, 0]])).to(device)
    x = torch.ones(2, 3, device=device, requires_grad=True)
    graph.sum_neighbors(x).sum().backward()


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

    Attributes
    ----------
    add_self_loops
        Whether the graph of the layers has an edge from each cell to itself.
    uses_dgl
        Whether the layers take a DGLGraph, as those of dgl.nn do, in place of a
        :class:`~scgnn.components.encoders.message_graph.MessageGraph`. They run on the CPU only.
    """

    hidden: Widths = (32, 16)
    dropout: ProperFraction = 0.0
    activation: Activation | None = "relu"
    normalization: Normalization | None = None
    residual: bool = False
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    add_self_loops: ClassVar[bool] = True
    uses_dgl: ClassVar[bool] = False

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        """Return a layer whose ``forward(graph, x)`` maps cells x n_in to cells x n_out."""
        raise NotImplementedError(f"{type(self).__name__} must define build_layer()")

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import MessagePassingNetwork

        settings = self.activation, self.dropout, self.normalization, self.residual
        network = MessagePassingNetwork(self.build_layer, (n_features, *self.hidden), *settings)
        if not self.uses_dgl:
            for module in network.modules():
                if type(module).__module__.startswith("dgl."):
                    problem = f"{type(module).__name__} takes a DGLGraph"
                    raise TypeError(f"{problem}; set uses_dgl = True in {type(self).__name__}")
        return network

    def prepare_graph(self, graph: csr_matrix | None) -> Any:
        assert graph is not None
        from scgnn.components.encoders.message_graph import MessageGraph

        device = current_hardware().device
        if self.uses_dgl and device != "cpu":
            problem = f"the layers of {self.name} are of DGL, which runs on the CPU only"
            raise UserError(f"graph_encoder: {problem}; use device cpu")
        messages = MessageGraph.from_csr(graph, self.add_self_loops)
        return messages.to_dgl() if self.uses_dgl else messages
