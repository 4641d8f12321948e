"""The graph encoders: each is one layer of dgl.nn, stacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from scgnn.components.encoders.contract import Activation, Encoder, activate, normalizer
from scgnn.components.encoders.messages import (
    Alone,
    Attention,
    Convolution,
    MessagePassing,
    Normalized,
    weights_of,
)
from scgnn.fields import Positive, ProperShare, Rate, Widths


@Encoder.register("gcn")
@dataclass(frozen=True)
class GCN(MessagePassing):
    """Graph convolution (Kipf & Welling 2017): the mean of the neighbourhood, then a linear map.

    ``Â X W`` with ``Â = D^-½ (A + I) D^-½``; no bias, as in scGNN.
    """

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GraphConv

        return Normalized(GraphConv(n_in, n_out, norm="none", bias=False))


@dataclass(frozen=True)
class Attentive(MessagePassing):
    """What the encoders with attention heads share.

    Parameters
    ----------
    heads
        Attention heads: side by side in the inner layers, averaged in the last.
    """

    heads: Positive = 2

    def __post_init__(self) -> None:
        for width in self.hidden[:-1]:
            if width % self.heads:
                raise ValueError(f"hidden: {width} cannot be divided among {self.heads} heads")


@Encoder.register("gat")
@dataclass(frozen=True)
class GAT(Attentive):
    """Graph attention (Velickovic 2018): neighbours weighted by what they hold.

    ``Σ_j a_ij W x_j``, a the softmax over i and its neighbours j of
    ``LeakyReLU(v · [W x_i, W x_j])``. Edges count alike whatever their weight (DGL's GATConv).
    """

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GATConv

        return Attention(GATConv, n_in, n_out, self.heads, last)


@Encoder.register("gatv2")
@dataclass(frozen=True)
class GATv2(Attentive):
    """Graph attention whose ranking of neighbours depends on the cell (Brody 2022).

    ``Σ_j a_ij W x_j``, a the softmax over i and its neighbours j of
    ``v · LeakyReLU(W x_j + U x_i)``. Edges count alike whatever their weight (DGL's GATv2Conv).
    """

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GATv2Conv

        return Attention(GATv2Conv, n_in, n_out, self.heads, last)


@Encoder.register("transformer")
@dataclass(frozen=True)
class Transformer(Attentive):
    """Scaled dot-product attention over the neighbourhood (Vaswani 2017; DGL's DotGatConv).

    ``Σ_j a_ij W x_j``, a the softmax over i and its neighbours j of ``W x_i · W x_j / √d``, d
    the width of a head. Query, key and value are one map; edges count alike whatever their weight.
    """

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import DotGatConv

        return Attention(DotGatConv, n_in, n_out, self.heads, last)


@Encoder.register("sage")
@dataclass(frozen=True)
class SAGE(MessagePassing):
    """GraphSAGE (Hamilton 2017): the cell and its neighbours' mean, each with its own weights.

    ``W x_i + U · mean_j A_ij x_j``; with pool ``W x_i + U · max_j A_ij relu(V x_j)``.

    Parameters
    ----------
    aggregator
        How neighbours are summed up; pool takes the maximum after a linear map.
    """

    aggregator: Literal["mean", "pool"] = "mean"
    self_loops: ClassVar[bool] = False

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import SAGEConv

        return Convolution(SAGEConv(n_in, n_out, self.aggregator))


@Encoder.register("gin")
@dataclass(frozen=True)
class GIN(MessagePassing):
    """Graph isomorphism network (Xu 2019): (1 + ε) · cell + its neighbours, ε learned.

    ``W ((1 + ε) x_i + Σ_j A_ij x_j)``.
    """

    self_loops: ClassVar[bool] = False

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GINConv

        return Convolution(GINConv(nn.Linear(n_in, n_out), "sum", learn_eps=True))


@dataclass(frozen=True)
class Hopping(MessagePassing):
    """What the encoders share that reach several steps far in one layer.

    Parameters
    ----------
    hops
        How many steps along edges a layer reaches.
    """

    hops: Positive = 2


@Encoder.register("tag")
@dataclass(frozen=True)
class TAG(Hopping):
    """Topology-adaptive convolution (Du 2017): 0 … ``hops`` steps, each with its own weights.

    ``Σ_n Âⁿ X W_n``, n from 0 to ``hops``, Â that of ``gcn``.
    """

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import TAGConv

        return Convolution(TAGConv(n_in, n_out, self.hops))


@Encoder.register("sgc")
@dataclass(frozen=True)
class SGC(Hopping):
    """Simplified convolution (Wu 2019): ``hops`` steps of smoothing, then one linear map.

    ``Âⁿ X W``, n = ``hops``, Â that of ``gcn``.
    """

    hidden: Widths = (16,)

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import SGConv

        return Convolution(SGConv(n_in, n_out, self.hops))


@Encoder.register("chebnet")
@dataclass(frozen=True)
class ChebNet(Hopping):
    """Chebyshev polynomials of the Laplacian up to order ``hops`` (Defferrard 2016).

    ``Σ_n T_n(L − I) X W_n``, ``T_0(M) = I``, ``T_1(M) = M``, ``T_n = 2 M T_{n−1} − T_{n−2}``, L the
    normalised Laplacian. Edges count 1 whatever their weight; the largest eigenvalue is taken as
    2, its bound. Polynomials do not average as the other layers do, and at large inputs a ReLU
    left no unit alive on a real set: the activation is elu.
    """

    self_loops: ClassVar[bool] = False
    activation: Activation = "elu"

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        return Chebyshev(n_in, n_out, self.hops + 1)


class Chebyshev(nn.Module):
    """DGL's ChebConv without its own activation."""

    def __init__(self, n_in: int, n_out: int, terms: int) -> None:
        super().__init__()
        from dgl.nn.pytorch import ChebConv

        self.layer = ChebConv(n_in, n_out, terms, activation=None)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.layer(graph, x, lambda_max=[2.0])


@Encoder.register("appnp")
@dataclass(frozen=True)
class APPNP(Hopping):
    """Linear layers, then personalised PageRank (Gasteiger 2019): ``hops`` steps, no weights.

    Each step is ``Z ← (1 − teleport) Â Z + teleport · H``, H what the linear layers
    give, Â that of ``gcn``.

    Parameters
    ----------
    teleport
        Share of the starting vector mixed in at each step.
    """

    hops: Positive = 10
    teleport: ProperShare = 0.1

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import APPNPConv

        linear = nn.Linear(n_in, n_out)
        if not last:
            return Alone(linear)
        return Convolution(APPNPConv(self.hops, self.teleport), before=linear)


@Encoder.register("gcn2")
@dataclass(frozen=True)
class GCN2(MessagePassing):
    """Deep graph convolution (Chen 2020): every layer sees the first one's input again.

    A linear map into the inner width, a layer for each inner width, a linear map out of it. Layer
    l is ``S ((1 − β) I + β W)``, ``S = (1 − α) Â X + α X_0``, ``β = log(λ/l + 1)``, Â that of
    ``gcn``.

    Parameters
    ----------
    hidden
        Inner widths, all equal, and the embedding's.
    initial
        Share of the first input in every layer, α of the paper.
    decay
        λ of the paper: the weights' share in layer l is log(λ/l + 1).
    """

    hidden: Widths = (32, 32, 32, 32, 16)
    initial: ProperShare = 0.1
    decay: Rate = 0.5

    def __post_init__(self) -> None:
        if len(self.hidden) < 2 or len(set(self.hidden[:-1])) > 1:
            raise ValueError(
                "hidden: gcn2 wants one or more equal inner widths and the embedding's, e.g. "
                f"[32, 32, 16], not {list(self.hidden)}"
            )
        if self.residual:
            raise ValueError("residual: gcn2 has its own, initial")

    def build(self, n_features: int) -> nn.Module:
        return DeepResidual(self, n_features)


class DeepResidual(nn.Module):
    """Into the inner width, GCNII layers that share their first input, out of it."""

    def __init__(self, of: GCN2, n_features: int) -> None:
        super().__init__()
        from dgl.nn.pytorch import GCN2Conv

        width, self.activation, n_layers = of.hidden[0], of.activation, len(of.hidden) - 1
        self.enter = nn.Linear(n_features, width)
        self.layers = nn.ModuleList(
            GCN2Conv(width, layer, of.initial, of.decay) for layer in range(1, n_layers + 1)
        )
        self.norms = nn.ModuleList(normalizer(of.normalization, width) for _ in self.layers)
        self.leave = nn.Linear(width, of.hidden[-1])
        self.dropout = nn.Dropout(of.dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        first = x = activate(self.activation, self.enter(self.dropout(x)))
        weights = weights_of(graph, x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = activate(self.activation, norm(layer(graph, self.dropout(x), first, weights)))
        return self.leave(self.dropout(x))
