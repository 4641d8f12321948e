"""Decoders: an embedding back into what it was made from, and how far off that is."""

from scgnn.components.decoders.contract import Decoder, GraphDecoder
from scgnn.components.decoders.inner_product import (
    GraphAutoencoder,
    GraphTarget,
    InnerProduct,
    InnerProductSampled,
    divergence,
    graph_target,
    reconstruction,
)
from scgnn.components.decoders.mlp import MLP
from scgnn.components.decoders.negative_binomial import (
    NegativeBinomial,
    ZeroInflated,
    negative_binomial,
)

__all__ = [
    "MLP",
    "Decoder",
    "GraphAutoencoder",
    "GraphDecoder",
    "GraphTarget",
    "InnerProduct",
    "InnerProductSampled",
    "NegativeBinomial",
    "ZeroInflated",
    "divergence",
    "graph_target",
    "negative_binomial",
    "reconstruction",
]
