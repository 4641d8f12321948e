"""Encoders: cells into vectors, with or without the graph."""

from typing import TYPE_CHECKING, Any

from scgnn.components.encoders.attention import GAT, GATv2, Transformer
from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.convolutions import APPNP, GCN, GCN2, GIN, SAGE, SGC, TAG, ChebNet
from scgnn.components.encoders.dense import MLP, PCA, VAE, Identity
from scgnn.components.encoders.message_passing import MessagePassing, sampler, to_dgl

if TYPE_CHECKING:
    from scgnn.components.encoders.networks import Dense, Posterior

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


def __getattr__(name: str) -> Any:
    """The networks among the names, which load torch."""
    if name not in ("Dense", "Posterior"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scgnn.components.encoders import networks

    return getattr(networks, name)
