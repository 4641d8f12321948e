"""Encoders, which embed cells from their features and the cell graph."""

from typing import TYPE_CHECKING, Any

from scgnn.components.encoders.attention import GAT, GATv2, Transformer
from scgnn.components.encoders.contract import Encoder
from scgnn.components.encoders.convolutions import APPNP, GCN, GCN2, GIN, SAGE, SGC, TAG, ChebNet
from scgnn.components.encoders.dense import PCA, VAE, Identity, MLPEncoder
from scgnn.components.encoders.message_passing import MessagePassing, build_neighbor_sampler, to_dgl

if TYPE_CHECKING:
    from scgnn.components.encoders.networks import DenseNetwork, GaussianPosterior

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
    "DenseNetwork",
    "Encoder",
    "GATv2",
    "GaussianPosterior",
    "Identity",
    "MLPEncoder",
    "MessagePassing",
    "Transformer",
    "build_neighbor_sampler",
    "to_dgl",
]


def __getattr__(name: str) -> Any:
    """Import the networks on first use, since they load torch."""
    if name not in ("DenseNetwork", "GaussianPosterior"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scgnn.components.encoders import networks

    return getattr(networks, name)
