"""The graph encoders: each is one layer of dgl.nn, stacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.message_passing import MessagePassing
from scgnn.field_types import Activation, PositiveFloat, PositiveInt, ProperFraction, Widths

if TYPE_CHECKING:
    from torch import nn


@Encoder.register("gcn")
@dataclass(frozen=True)
class GCN(MessagePassing):
    """Graph convolution (Kipf & Welling 2017): the mean of the neighbourhood, then a linear map.

    ``Â X W`` with ``Â = D^-½ (A + I) D^-½``; no bias, as in scGNN.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GraphConv

        from scgnn.components.encoders.networks import NormalizedConvolution

        return NormalizedConvolution(GraphConv(n_in, n_out, norm="none", bias=False))


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
    add_self_loops: ClassVar[bool] = False

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import SAGEConv

        from scgnn.components.encoders.networks import WeightedConvolution

        return WeightedConvolution(SAGEConv(n_in, n_out, self.aggregator))


@Encoder.register("gin")
@dataclass(frozen=True)
class GIN(MessagePassing):
    """Graph isomorphism network (Xu 2019): (1 + ε) · cell + its neighbours, ε learned.

    ``W ((1 + ε) x_i + Σ_j A_ij x_j)``.
    """

    add_self_loops: ClassVar[bool] = False

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GINConv
        from torch import nn

        from scgnn.components.encoders.networks import WeightedConvolution

        return WeightedConvolution(GINConv(nn.Linear(n_in, n_out), "sum", learn_eps=True))


@dataclass(frozen=True)
class MultiHop(MessagePassing):
    """What the encoders share that reach several steps far in one layer.

    Parameters
    ----------
    hops
        How many steps along edges a layer reaches.
    """

    hops: PositiveInt = 2


@Encoder.register("tag")
@dataclass(frozen=True)
class TAG(MultiHop):
    """Topology-adaptive convolution (Du 2017): 0 … ``hops`` steps, each with its own weights.

    ``Σ_n Âⁿ X W_n``, n from 0 to ``hops``, Â that of ``gcn``.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import TAGConv

        from scgnn.components.encoders.networks import WeightedConvolution

        return WeightedConvolution(TAGConv(n_in, n_out, self.hops))


@Encoder.register("sgc")
@dataclass(frozen=True)
class SGC(MultiHop):
    """Simplified convolution (Wu 2019): ``hops`` steps of smoothing, then one linear map.

    ``Âⁿ X W``, n = ``hops``, Â that of ``gcn``.
    """

    hidden: Widths = (16,)

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import SGConv

        from scgnn.components.encoders.networks import WeightedConvolution

        return WeightedConvolution(SGConv(n_in, n_out, self.hops))


@Encoder.register("chebnet")
@dataclass(frozen=True)
class ChebNet(MultiHop):
    """Chebyshev polynomials of the Laplacian up to order ``hops`` (Defferrard 2016).

    ``Σ_n T_n(L − I) X W_n``, ``T_0(M) = I``, ``T_1(M) = M``, ``T_n = 2 M T_{n−1} − T_{n−2}``, L the
    normalised Laplacian. Edges count 1 whatever their weight; the largest eigenvalue is taken as
    2, its bound. Polynomials do not average as the other layers do, and at large inputs a ReLU
    left no unit alive on a real set: the activation is elu.
    """

    add_self_loops: ClassVar[bool] = False
    activation: Activation | None = "elu"

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.networks import ChebyshevConvolution

        return ChebyshevConvolution(n_in, n_out, self.hops + 1)


@Encoder.register("appnp")
@dataclass(frozen=True)
class APPNP(MultiHop):
    """Linear layers, then personalised PageRank (Gasteiger 2019): ``hops`` steps, no weights.

    Each step is ``Z ← (1 − alpha) Â Z + alpha · H``, H what the linear layers
    give, Â that of ``gcn``.

    Parameters
    ----------
    alpha
        Share of the starting vector mixed in at each step.
    """

    hops: PositiveInt = 10
    alpha: ProperFraction = 0.1

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import APPNPConv
        from torch import nn

        from scgnn.components.encoders.networks import NodewiseLinear, WeightedConvolution

        linear = nn.Linear(n_in, n_out)
        if not last:
            return NodewiseLinear(linear)
        return WeightedConvolution(APPNPConv(self.hops, self.alpha), input_projection=linear)


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
    alpha
        Share of the first input in every layer, α of the paper.
    lambda
        λ of the paper: the weights' share in layer l is log(λ/l + 1).
    """

    hidden: Widths = (32, 32, 32, 32, 16)
    alpha: ProperFraction = 0.1
    lambda_: PositiveFloat = 0.5

    def __post_init__(self) -> None:
        if len(self.hidden) < 2 or len(set(self.hidden[:-1])) > 1:
            raise ValueError(
                "hidden: gcn2 wants one or more equal inner widths and the embedding's, e.g. "
                f"[32, 32, 16], not {list(self.hidden)}"
            )
        if self.residual:
            raise ValueError("residual: gcn2 has its own, alpha")

    def build(self, n_features: int) -> nn.Module:
        from dgl.nn.pytorch import GCN2Conv

        from scgnn.components.encoders.networks import GCN2Network

        widths = (n_features, self.hidden[0], self.hidden[-1])
        return GCN2Network(
            lambda number: GCN2Conv(widths[1], number, self.alpha, self.lambda_),
            len(self.hidden) - 1,
            widths,
            self.activation,
            self.dropout,
            self.normalization,
        )
