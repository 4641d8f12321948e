"""Graph encoders with convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.message_passing import MessagePassing
from scgnn.field_types import Activation, PositiveFloat, ProperFraction, RepeatCount, Widths

if TYPE_CHECKING:
    from torch import nn


@Encoder.register("gcn")
@dataclass(frozen=True)
class GCN(MessagePassing):
    """Graph convolutional network (Kipf & Welling 2017).

    Each layer is ``Â X W`` with ``Â = D^-½ (A + I) D^-½``, without bias as in scGNN.

    References
    ----------
    Kipf, Welling (2017) Semi-supervised classification with graph convolutional networks. ICLR.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import GCNLayer

        return GCNLayer(n_in, n_out)


@Encoder.register("sage")
@dataclass(frozen=True)
class SAGE(MessagePassing):
    """GraphSAGE: separate weights for the cell and its aggregated neighbors (Hamilton et al. 2017).

    Each layer is ``W x_i + U · mean_j A_ij x_j``, or with pool
    ``W x_i + U · max_j A_ij relu(V x_j)``.

    Parameters
    ----------
    aggregator
        Aggregation of the neighbors: their mean, or pool, the maximum after a linear map and ReLU.

    References
    ----------
    Hamilton, Ying, Leskovec (2017) Inductive representation learning on large graphs. NIPS 30.
    """

    aggregator: Literal["mean", "pool"] = "mean"
    add_self_loops: ClassVar[bool] = False

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import SAGELayer

        return SAGELayer(n_in, n_out, self.aggregator == "pool")


@Encoder.register("gin")
@dataclass(frozen=True)
class GIN(MessagePassing):
    """Graph isomorphism network (Xu et al. 2019).

    Each layer is ``W ((1 + ε) x_i + Σ_j A_ij x_j)`` with a learned ε.

    References
    ----------
    Xu, Hu, Leskovec, Jegelka (2019) How powerful are graph neural networks? ICLR.
    """

    add_self_loops: ClassVar[bool] = False

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import GINLayer

        return GINLayer(n_in, n_out)


@dataclass(frozen=True)
class MultiHop(MessagePassing):
    """Base class of graph encoders whose layers reach several hops.

    Parameters
    ----------
    hops
        Number of hops that a layer reaches.
    """

    hops: RepeatCount = 2


@Encoder.register("tag")
@dataclass(frozen=True)
class TAG(MultiHop):
    """Topology-adaptive graph convolution: separate weights for each hop (Du et al. 2017).

    Each layer is ``Σ_n Âⁿ X W_n``, n from 0 to ``hops``, with Â as in ``gcn``.

    References
    ----------
    Du, Zhang, Wu, Moura, Kar (2017) Topology adaptive graph convolutional networks.
    arXiv:1710.10370.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import TAGLayer

        return TAGLayer(n_in, n_out, self.hops)


@Encoder.register("sgc")
@dataclass(frozen=True)
class SGC(MultiHop):
    """Simplified graph convolution: smoothing, then one linear map (Wu et al. 2019).

    Each layer is ``Âⁿ X W``, n = ``hops``, with Â as in ``gcn``.

    References
    ----------
    Wu, Zhang, de Souza, Fifty, Yu, Weinberger (2019) Simplifying graph convolutional networks.
    ICML.
    """

    hidden: Widths = (16,)

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import SGCLayer

        return SGCLayer(n_in, n_out, self.hops)


@Encoder.register("chebnet")
@dataclass(frozen=True)
class ChebNet(MultiHop):
    """Chebyshev spectral graph convolution of order K (``hops``; Defferrard et al. 2016).

    Each layer is ``Σ_n T_n(L − I) X W_n`` with ``T_0(M) = I``, ``T_1(M) = M``,
    ``T_n = 2 M T_{n−1} − T_{n−2}`` and L the normalized Laplacian of the unweighted graph, whose
    largest eigenvalue is set to its upper bound 2. Since the polynomials do not average, ReLU units
    can die at large inputs, so the default activation is elu.

    References
    ----------
    Defferrard, Bresson, Vandergheynst (2016) Convolutional neural networks on graphs with fast
    localized spectral filtering. NIPS 29.
    """

    add_self_loops: ClassVar[bool] = False
    activation: Activation | None = "elu"

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import ChebNetLayer

        return ChebNetLayer(n_in, n_out, self.hops + 1)


@Encoder.register("appnp")
@dataclass(frozen=True)
class APPNP(MultiHop):
    """Linear layers, then personalized PageRank propagation (APPNP, Gasteiger et al. 2019).

    The propagation after the last layer, with output H, is ``hops`` steps of
    ``Z ← (1 − alpha) Â Z + alpha · H`` with Â as in ``gcn``.

    Parameters
    ----------
    alpha
        Teleport probability α.

    References
    ----------
    Gasteiger, Bojchevski, Günnemann (2019) Predict then propagate: graph neural networks meet
    personalized PageRank. ICLR.
    """

    hops: RepeatCount = 10
    alpha: ProperFraction = 0.1

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import APPNPLayer

        return APPNPLayer(n_in, n_out, self.hops if last else 0, self.alpha)


@Encoder.register("gcn2")
@dataclass(frozen=True)
class GCN2(MessagePassing):
    """Deep GCN with initial residual and identity mapping (GCNII, Chen et al. 2020).

    A linear map to the inner width, one layer for each inner width, and a linear map to the
    embedding. Layer l is ``S ((1 − β) I + β W)`` with ``S = (1 − α) Â X + α X_0``,
    ``β = log(λ/l + 1)`` and Â as in ``gcn``.

    Parameters
    ----------
    hidden
        Inner widths, which are equal, and the width of the embedding.
    alpha
        Weight α of the initial residual X_0.
    lambda_
        λ, which controls the decay of the identity mapping with depth.

    References
    ----------
    Chen, Wei, Huang, Ding, Li (2020) Simple and deep graph convolutional networks. ICML.
    """

    hidden: Widths = (32, 32, 32, 32, 16)
    alpha: ProperFraction = 0.1
    lambda_: PositiveFloat = 0.5

    def __post_init__(self) -> None:
        if len(self.hidden) < 2 or len(set(self.hidden[:-1])) > 1:
            raise ValueError(
                "hidden: gcn2 requires one or more equal inner widths and the width of the "
                f"embedding, e.g. [32, 32, 16], not {list(self.hidden)}"
            )
        if self.residual:
            raise ValueError("residual: gcn2 has its own residual connection, set alpha instead")

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.layers import GCN2Layer
        from scgnn.components.encoders.networks import GCN2Network

        *inner, width = self.hidden
        settings = self.activation, self.dropout, self.normalization

        def build_layer(number: int) -> nn.Module:
            return GCN2Layer(inner[0], number, self.alpha, self.lambda_)

        return GCN2Network(build_layer, len(inner), (n_features, inner[0], width), *settings)
