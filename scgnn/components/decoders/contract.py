"""What a decoder is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from scgnn.components.encoders import Encoder
from scgnn.registry.component import Component

if TYPE_CHECKING:
    from torch import Tensor, nn


class Decoder(Component, kind="decoder"):
    """Rebuilds expression or the graph from an embedding.

    Attributes
    ----------
    target
        What it rebuilds, ``"features"`` or ``"graph"``.
    counts
        Whether the expression must be counts; the encoder then sees log(counts + 1).
    """

    target: ClassVar[Literal["features", "graph"]] = "features"
    requires_counts: ClassVar[bool] = False

    def mirror(self, encoder: Encoder) -> Decoder:
        """The decoder with what it takes from its encoder filled in."""
        return self

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        """A module whose ``forward(z)`` is handed to :meth:`loss` and :meth:`mean`."""
        raise NotImplementedError

    def loss(self, output: Any, target: Any, weights: Tensor | None = None) -> Tensor:
        """A scalar ≥ 0; ``weights`` broadcast against the target where there are any."""
        raise NotImplementedError

    def reconstruct(self, output: Any, target: Any) -> Tensor:
        """The expression rebuilt, cells x genes, on the scale of the target."""
        return output


class GraphDecoder(Decoder):
    """Rebuilds the graph from a graph embedding."""

    target: ClassVar[Literal["features", "graph"]] = "graph"

    def encoder_width(self, embedding_width: int) -> int:
        """How many outputs the encoder must give for an embedding of ``width`` numbers."""
        return embedding_width

    def extract_embedding(self, output: Tensor) -> Tensor:
        """What is clustered, cells x width."""
        return output
