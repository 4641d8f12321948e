"""Decoders: maps of an embedding back to expression or to the graph, with their losses."""

from scgnn.components.decoders.contract import Decoder, GraphDecoder
from scgnn.components.decoders.inner_product import (
    ExactInnerProductDecoder,
    GraphTarget,
    InnerProductDecoder,
    SampledInnerProductDecoder,
    make_graph_target,
)
from scgnn.components.decoders.mlp import MLPDecoder
from scgnn.components.decoders.negative_binomial import (
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
)

__all__ = [
    "Decoder",
    "ExactInnerProductDecoder",
    "GraphDecoder",
    "GraphTarget",
    "InnerProductDecoder",
    "MLPDecoder",
    "NegativeBinomial",
    "SampledInnerProductDecoder",
    "ZeroInflatedNegativeBinomial",
    "make_graph_target",
]
