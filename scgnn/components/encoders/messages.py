"""What the graph encoders share. Message passing is DGL's, behind :func:`to_dgl`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.encoders.contract import Encoder, activate, normalizer
from scgnn.errors import UserError
from scgnn.fields import Activation, Normalization, ProperShare, Widths


def to_dgl(graph: sparse.csr_matrix, self_loops: bool = True) -> Any:
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
    edges = (graph + sparse.identity(graph.shape[0], format="csr") if self_loops else graph).tocoo()
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


def weights_of(graph: Any, like: Tensor) -> Tensor | None:
    """The weights of a graph's edges; None where all are 1, which DGL sums many times faster."""
    weights = graph.edata["weight"]
    return None if bool((weights == 1).all()) else weights.to(like.dtype)


def sampler(messages: Any, neighbours: int, layers: int) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """Draws, for a batch of cells, the cells that they hear, and the graph of all of these.

    In each layer a cell hears so many of its neighbours, drawn anew, and these theirs in the layer
    before; the graph is all edges among them (shaDow, Zeng et al. 2021). The batch comes first. The
    numbers are torch's: which of its threads dgl gives which seed is left to chance.
    """
    from dgl.sampling import select_topk

    def sample(cells: Tensor) -> tuple[Tensor, Any]:
        heard = cells = cells.to(messages.idtype)
        for _ in range(layers):
            towards = messages.in_subgraph(heard)
            towards.edata["drawn"] = torch.rand(towards.num_edges())
            drawn = select_topk(towards, neighbours, "drawn", heard).edges()[0]
            others = torch.cat([heard, drawn]).unique()
            heard = torch.cat([cells, others[~torch.isin(others, cells)]])
        return heard, messages.subgraph(heard)

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
    dropout: ProperShare = 0.0
    activation: Activation = "relu"
    normalization: Normalization = "none"
    residual: bool = False
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    self_loops: ClassVar[bool] = True  # whether a cell is among its own neighbours

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        """One layer: ``forward(graph, x)`` from cells x n_in to cells x n_out."""
        raise NotImplementedError

    def build(self, n_features: int) -> nn.Module:
        return Stack(self, n_features)

    def graph(self, graph: sparse.csr_matrix | None) -> Any:
        assert graph is not None
        return to_dgl(graph, self.self_loops)


class Stack(nn.Module):
    """Message-passing layers; between them normalisation, activation and dropout."""

    def __init__(self, of: MessagePassing, n_features: int) -> None:
        super().__init__()
        sizes = list(pairwise((n_features, *of.hidden)))
        self.layers = nn.ModuleList(
            of.layer(a, b, last=i + 1 == len(sizes)) for i, (a, b) in enumerate(sizes)
        )
        self.skips = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in sizes if of.residual)
        self.norms = nn.ModuleList(normalizer(of.normalization, b) for _, b in sizes[:-1])
        self.activation = of.activation
        self.dropout = nn.Dropout(of.dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            if i:
                x = activate(self.activation, self.norms[i - 1](x))
            x = self.dropout(x)
            out = layer(graph, x)
            x = out + self.skips[i](x) if len(self.skips) else out
        return x


class Convolution(nn.Module):
    """A layer of dgl.nn that sums over the neighbourhood, weighted as the edges are.

    ``before`` is a map of the features that comes first, for layers without weights.
    """

    def __init__(self, layer: nn.Module, before: nn.Module | None = None) -> None:
        super().__init__()
        self.before, self.layer = before or nn.Identity(), layer

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.layer(graph, self.before(x), edge_weight=weights_of(graph, x))


class Normalized(nn.Module):
    """A linear layer of dgl.nn that sums over the neighbourhood, between two D^-1/2."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        scale = graph.ndata["scale"].to(x.dtype)[:, None]
        return scale * self.layer(graph, scale * x, edge_weight=weights_of(graph, x))


class Alone(nn.Module):
    """A map of the features that leaves the graph aside."""

    def __init__(self, of_cells: nn.Module) -> None:
        super().__init__()
        self.of_cells = of_cells

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.of_cells(x)


class Attention(nn.Module):
    """A layer of dgl.nn with heads: side by side in the inner layers, averaged in the last."""

    def __init__(self, layer: type, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__()
        if not last and n_out % heads:
            raise ValueError(f"hidden: {n_out} cannot be divided among {heads} heads")
        self.last = last
        self.attend = layer(n_in, n_out if last else n_out // heads, heads)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        out = self.attend(graph, x)  # cells x heads x width
        return out.mean(1) if self.last else out.flatten(1)
