"""Encoders: cells into vectors, with or without the graph."""

from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.dense import MLP, PCA, VAE, Dense, Identity, Posterior
from scgnn.components.encoders.layers import (
    APPNP,
    GAT,
    GCN,
    GCN2,
    GIN,
    SAGE,
    SGC,
    TAG,
    ChebNet,
    GATv2,
    Transformer,
)
from scgnn.components.encoders.messages import MessagePassing, sampler, to_dgl

__all__ = [
    "APPNP",
    "GAT",
    "GCN",
    "GCN2",
    "GIN",
    "MLP",
    "PCA",
    "SAGE",
    "SGC",
    "TAG",
    "VAE",
    "ChebNet",
    "Dense",
    "Encoder",
    "GATv2",
    "Identity",
    "MessagePassing",
    "Posterior",
    "Transformer",
    "sampler",
    "to_dgl",
]
