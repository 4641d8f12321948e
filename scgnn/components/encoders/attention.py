"""attention"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.message_passing import MessagePassing
from scgnn.field_types import PositiveInt

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MultiHead(MessagePassing):
    """What the encoders with attention heads share.

    Parameters
    ----------
    heads
        Attention heads: side by side in the inner layers, averaged in the last.
    """

    heads: PositiveInt = 2

    def __post_init__(self) -> None:
        for width in self.hidden[:-1]:
            if width % self.heads:
                raise ValueError(f"hidden: {width} cannot be divided among {self.heads} heads")


@Encoder.register("gat")
@dataclass(frozen=True)
class GAT(MultiHead):
    """Graph attention (Velickovic 2018): neighbours weighted by what they hold.

    ``Σ_j a_ij W x_j``, a the softmax over i and its neighbours j of
    ``LeakyReLU(v · [W x_i, W x_j])``. Edges count alike whatever their weight (DGL's GATConv).
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GATConv

        from scgnn.components.encoders.networks import MultiHeadAttention

        return MultiHeadAttention(GATConv, n_in, n_out, self.heads, last)


@Encoder.register("gatv2")
@dataclass(frozen=True)
class GATv2(MultiHead):
    """Graph attention whose ranking of neighbours depends on the cell (Brody 2022).

    ``Σ_j a_ij W x_j``, a the softmax over i and its neighbours j of
    ``v · LeakyReLU(W x_j + U x_i)``. Edges count alike whatever their weight (DGL's GATv2Conv).
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import GATv2Conv

        from scgnn.components.encoders.networks import MultiHeadAttention

        return MultiHeadAttention(GATv2Conv, n_in, n_out, self.heads, last)


@Encoder.register("transformer")
@dataclass(frozen=True)
class Transformer(MultiHead):
    """Scaled dot-product attention over the neighbourhood (Vaswani 2017; DGL's DotGatConv).

    ``Σ_j a_ij W x_j``, a the softmax over i and its neighbours j of ``W x_i · W x_j / √d``, d
    the width of a head. Query, key and value are one map; edges count alike whatever their weight.
    """

    def build_layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        from dgl.nn.pytorch import DotGatConv

        from scgnn.components.encoders.networks import MultiHeadAttention

        return MultiHeadAttention(DotGatConv, n_in, n_out, self.heads, last)
