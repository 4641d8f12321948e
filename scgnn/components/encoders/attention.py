"""Graph encoders with attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.message_passing import MessagePassing
from scgnn.field_types import RepeatCount

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MultiHead(MessagePassing):
    """Base class of graph encoders with attention heads.

    Parameters
    ----------
    heads
        Number of attention heads, concatenated in inner layers and averaged in the last.
    """

    heads: RepeatCount = 2

    def __post_init__(self) -> None:
        for width in self.hidden[:-1]:
            if width % self.heads:
                raise ValueError(f"hidden: {width} cannot be divided among {self.heads} heads")


@Encoder.register("gat")
@dataclass(frozen=True)
class GAT(MultiHead):
    """Graph attention network (Veličković et al. 2018).

    Each layer is ``Σ_j a_ij W x_j`` where a is the softmax of ``LeakyReLU(v · [W x_i, W x_j])``
    over cell i and its neighbors j. Edge weights are not used.

    References
    ----------
    Veličković et al. (2018) Graph attention networks. ICLR.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import GATLayer

        return GATLayer(n_in, n_out, self.heads, last)


@Encoder.register("gatv2")
@dataclass(frozen=True)
class GATv2(MultiHead):
    """Graph attention network with dynamic attention (GATv2, Brody et al. 2022).

    Each layer is ``Σ_j a_ij W x_j`` where a is the softmax of ``v · LeakyReLU(W x_j + U x_i)`` over
    cell i and its neighbors j. Edge weights are not used.

    References
    ----------
    Brody, Alon, Yahav (2022) How attentive are graph attention networks? ICLR.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import GATv2Layer

        return GATv2Layer(n_in, n_out, self.heads, last)


@Encoder.register("transformer")
@dataclass(frozen=True)
class Transformer(MultiHead):
    """Scaled dot-product attention over the neighborhood (Vaswani et al. 2017).

    Each layer is ``Σ_j a_ij W x_j`` where a is the softmax of ``W x_i · W x_j / √d`` over cell i
    and its neighbors j, d the width of a head. Query, key and value share W; edge weights are not
    used.

    References
    ----------
    Vaswani et al. (2017) Attention is all you need. NIPS 30.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from scgnn.components.encoders.layers import TransformerLayer

        return TransformerLayer(n_in, n_out, self.heads, last)
