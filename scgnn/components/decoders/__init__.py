"""Decoders: maps of an embedding back to expression or to the graph, with their losses."""

from scgnn.components.decoders.contract import Decoder, GraphDecoder
from scgnn.components.decoders.inner_product import (
    ExactInnerProductDecoder,
    GraphTarget,
    InnerProductDecoder,
    SampledInnerProductDecoder,
    blockwise_reconstruction_loss,
    kl_divergence,
    make_graph_target,
)
from scgnn.components.decoders.mlp import MLPDecoder
from scgnn.components.decoders.negative_binomial import (
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
    negative_binomial_log_likelihood,
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
    "blockwise_reconstruction_loss",
    "kl_divergence",
    "make_graph_target",
    "negative_binomial_log_likelihood",
]
