"""Message-passing layers, ``forward(graph, x)`` with a :class:`MessageGraph`.

Weights have the names, and with the same generator the initial values, of the layers of dgl.nn.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from scgnn.components.encoders.edge_functions import LEAKY_SLOPE
from scgnn.components.encoders.message_graph import MessageGraph

RELU_GAIN = math.sqrt(2.0)


def multiply_by_blocks(x: Tensor, weight: Tensor, n: int) -> tuple[Tensor, ...]:
    """Return ``X W_k``, cells x outputs, for the ``n`` blocks of a weight, outputs x n inputs."""
    blocks = weight.unflatten(1, (n, -1)).transpose(0, 1).flatten(0, 1)
    return functional.linear(x, blocks).chunk(n, 1)


class GCNLayer(nn.Module):
    """``Â X W``, with the normalization of the whole graph where this one is a sample."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        n_in, n_out = self.weight.shape
        if n_in > n_out:  # sum the narrower of the two
            return graph.sum_neighbors(x @ self.weight, graph.gcn_weights)
        return graph.sum_neighbors(x, graph.gcn_weights) @ self.weight


class SAGELayer(nn.Module):
    """``W x_i + U · mean_j A_ij x_j``, or ``W x_i + U · max_j A_ij relu(V x_j)``."""

    def __init__(self, n_in: int, n_out: int, pool: bool) -> None:
        super().__init__()
        self.fc_pool = nn.Linear(n_in, n_in) if pool else None
        self.fc_neigh = nn.Linear(n_in, n_out, bias=False)
        self.fc_self = nn.Linear(n_in, n_out)
        for linear in (self.fc_pool, self.fc_self, self.fc_neigh):
            if linear is not None:
                nn.init.xavier_uniform_(linear.weight, gain=RELU_GAIN)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        if self.fc_pool is not None:
            neighbors = self.fc_neigh(graph.max_neighbors(torch.relu(self.fc_pool(x))))
        elif self.fc_neigh.in_features > self.fc_neigh.out_features:
            # sum the narrower of the two; one product with both weights is faster than two
            weights = torch.cat([self.fc_self.weight, self.fc_neigh.weight])
            projected, neighbors = functional.linear(x, weights).chunk(2, 1)
            return projected + self.fc_self.bias + graph.average_neighbors(neighbors)
        else:
            neighbors = self.fc_neigh(graph.average_neighbors(x))
        return self.fc_self(x) + neighbors


class GINLayer(nn.Module):
    """``W ((1 + ε) x_i + Σ_j A_ij x_j)``."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.eps = nn.Parameter(torch.zeros(1))

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        if self.linear.in_features <= self.linear.out_features:
            return self.linear((1 + self.eps) * x + graph.sum_neighbors(x, graph.weights))
        x = functional.linear(x, self.linear.weight)  # sum the narrower of the two
        neighbors = graph.sum_neighbors(x, graph.weights)
        return torch.addcmul(neighbors + self.linear.bias, 1 + self.eps, x)


class TAGLayer(nn.Module):
    """``Σ_n Âⁿ X W_n``."""

    def __init__(self, n_in: int, n_out: int, hops: int) -> None:
        super().__init__()
        self.hops = hops
        self.lin = nn.Linear(n_in * (hops + 1), n_out)
        nn.init.xavier_normal_(self.lin.weight, gain=RELU_GAIN)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        *terms, out = multiply_by_blocks(x, self.lin.weight, self.hops + 1)
        for term in reversed(terms):  # Horner's method: sums of the width of the output
            out = term + graph.smooth(out)
        return out + self.lin.bias


class SGCLayer(nn.Module):
    """``Âⁿ X W``."""

    def __init__(self, n_in: int, n_out: int, hops: int) -> None:
        super().__init__()
        self.hops = hops
        self.fc = nn.Linear(n_in, n_out)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        is_narrowing = self.fc.in_features > self.fc.out_features
        x = functional.linear(x, self.fc.weight) if is_narrowing else x
        for _ in range(self.hops):
            x = graph.smooth(x)
        return x + self.fc.bias if is_narrowing else self.fc(x)


class ChebNetLayer(nn.Module):
    """``Σ_n T_n(L − I) X W_n``, with L of the unweighted graph."""

    def __init__(self, n_in: int, n_out: int, n_terms: int) -> None:
        super().__init__()
        self.n_terms = n_terms
        self.linear = nn.Linear(n_terms * n_in, n_out)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        *terms, out = multiply_by_blocks(x, self.linear.weight, self.n_terms)
        before: Tensor | float = 0.0
        for n in reversed(range(len(terms))):  # Clenshaw's method: sums of the width of the output
            smoothed = graph.unweighted.smooth(out)
            out, before = terms[n] - (2 if n else 1) * smoothed - before, out
        return out + self.linear.bias


class APPNPLayer(nn.Module):
    """A linear map H, then ``hops`` steps of ``Z ← (1 − α) Â Z + α H``."""

    def __init__(self, n_in: int, n_out: int, hops: int, alpha: float) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.hops, self.alpha = hops, alpha

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        x = self.linear(x)
        first, weights = self.alpha * x, (1 - self.alpha) * graph.normalized_weights
        for _ in range(self.hops):
            x = first + graph.sum_neighbors(x, weights)
        return x


class GCN2Layer(nn.Module):
    """``S ((1 − β) I + β W) + b`` with ``S = (1 − α) Â X + α X_0``."""

    def __init__(self, width: int, number: int, alpha: float, lambda_: float) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, math.log(lambda_ / number + 1)
        self.weight1 = nn.Parameter(torch.empty(width, width))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.weight1)

    def forward(self, graph: MessageGraph, x: Tensor, first: Tensor) -> Tensor:
        mixed = (1 - self.alpha) * graph.smooth(x) + self.alpha * first
        return (1 - self.beta) * mixed + self.beta * (mixed @ self.weight1) + self.bias


class AttentionLayer(nn.Module):
    """The common part of layers with attention heads.

    Heads are concatenated, or averaged in the last layer.
    """

    def __init__(self, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__()
        self.last, self.heads, self.width = last, heads, n_out if last else n_out // heads

    def split_heads(self, x: Tensor) -> Tensor:
        """Return cells x heads x width."""
        return x.unflatten(1, (self.heads, self.width))

    def join_heads(self, x: Tensor) -> Tensor:
        """Return cells x outputs of the layer."""
        return x.mean(1) if self.last else x.flatten(1)


def split_by_head(weight: Tensor) -> Tensor:
    """Return weights, 1 x heads x width, as a block-diagonal matrix, heads · width x heads.

    A product with it takes less time than products by head and their sum.
    """
    return torch.block_diag(*weight[0].unsqueeze(2))


class GATLayer(AttentionLayer):
    """``Σ_j a_ij W x_j + b``, a the softmax of ``LeakyReLU(v · [W x_i, W x_j])``."""

    def __init__(self, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__(n_in, n_out, heads, last)
        self.fc = nn.Linear(n_in, self.heads * self.width, bias=False)
        self.attn_l = nn.Parameter(torch.empty(1, self.heads, self.width))
        self.attn_r = nn.Parameter(torch.empty(1, self.heads, self.width))
        self.bias = nn.Parameter(torch.zeros(self.heads * self.width))
        for weight in (self.fc.weight, self.attn_l, self.attn_r):
            nn.init.xavier_normal_(weight, gain=RELU_GAIN)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        h = self.fc(x)
        ends = (h @ split_by_head(weight) for weight in (self.attn_l, self.attn_r))
        scores = nn.functional.leaky_relu(graph.add_ends(*ends), LEAKY_SLOPE)
        out = graph.sum_neighbors(self.split_heads(h), graph.softmax_edges(scores))
        return self.join_heads(out + self.bias.view(1, self.heads, self.width))


class GATv2Layer(AttentionLayer):
    """``Σ_j a_ij W x_j``, a the softmax of ``v · LeakyReLU(W x_j + U x_i)``."""

    def __init__(self, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__(n_in, n_out, heads, last)
        self.fc_src = nn.Linear(n_in, self.heads * self.width)
        self.fc_dst = nn.Linear(n_in, self.heads * self.width)
        self.attn = nn.Parameter(torch.empty(1, self.heads, self.width))
        for linear in (self.fc_src, self.fc_dst):
            nn.init.xavier_normal_(linear.weight, gain=RELU_GAIN)
            nn.init.zeros_(linear.bias)
        nn.init.xavier_normal_(self.attn, gain=RELU_GAIN)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        source, target = (self.split_heads(linear(x)) for linear in (self.fc_src, self.fc_dst))
        ends = source.flatten(1), target.flatten(1)
        attention = graph.softmax_edges(graph.score_ends(*ends, split_by_head(self.attn)))
        return self.join_heads(graph.sum_neighbors(source, attention))


class TransformerLayer(AttentionLayer):
    """``Σ_j a_ij W x_j``, a the softmax of ``W x_i · W x_j / √d``."""

    def __init__(self, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__(n_in, n_out, heads, last)
        self.fc = nn.Linear(n_in, self.heads * self.width, bias=False)

    def forward(self, graph: MessageGraph, x: Tensor) -> Tensor:
        h = self.split_heads(self.fc(x))
        scores = graph.multiply_ends(h, h) / self.width**0.5
        return self.join_heads(graph.sum_neighbors(h, graph.softmax_edges(scores)))
