"""Encoders, which embed cells from their features and the cell graph."""

from scgnn.components.encoders.attention import GAT, GATv2, Transformer
from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.convolutions import APPNP, GCN, GCN2, GIN, SAGE, SGC, TAG, ChebNet
from scgnn.components.encoders.dense import PCA, VAE, Identity, MLPEncoder
from scgnn.components.encoders.message_passing import MessagePassing, check_message_passing

__all__ = [
    "APPNP",
    "GAT",
    "GCN",
    "GCN2",
    "GIN",
    "PCA",
    "SAGE",
    "SGC",
    "TAG",
    "VAE",
    "ChebNet",
    "Encoder",
    "GATv2",
    "Identity",
    "MLPEncoder",
    "MessagePassing",
    "Transformer",
    "check_message_passing",
]
