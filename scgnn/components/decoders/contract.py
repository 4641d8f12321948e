"""The contract of decoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from scgnn.components.encoders import Encoder
from scgnn.field_types import Cost
from scgnn.registry.component import Component

if TYPE_CHECKING:
    from torch import Tensor, nn


class Decoder(Component, kind="decoder"):
    """A map of an embedding back to expression or to the graph, with its loss.

    Attributes
    ----------
    target
        What it reconstructs, ``"features"`` or ``"graph"``.
    requires_counts
        Whether the expression must be counts; the encoder then gets log(counts + 1).
    is_squared_error
        Whether ``loss`` is Σ weights ∘ (x − x̂)², so that the weights of regularizers can be added
        to one sum. A class that defines another ``loss`` is False unless it declares True.
    needs_target
        Whether ``reconstruct`` reads its target. If not, large reconstructions are computed from
        the embedding when they are read, instead of stored.
    """

    target: ClassVar[Literal["features", "graph"]] = "features"
    requires_counts: ClassVar[bool] = False
    is_squared_error: ClassVar[bool] = False
    needs_target: ClassVar[bool] = False
    needs_all_cells: ClassVar[str] = "needs all cells; use mlp"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "loss" in vars(cls):
            cls.is_squared_error = vars(cls).get("is_squared_error", False)

    def mirror(self, encoder: Encoder) -> Decoder:
        """Return the decoder with the settings that it derives from its encoder."""
        return self

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        """Return a new network, whose ``forward(z)`` is the ``output`` of the other methods."""
        raise NotImplementedError(f"{type(self).__name__} must define build()")

    def loss(self, output: Any, target: Any, weights: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar ≥ 0; ``weights`` broadcast to the target."""
        raise NotImplementedError(f"{type(self).__name__} must define loss()")

    def reconstruct(self, output: Any, target: Any) -> Tensor:
        """Return the expression, cells x genes, on the scale of the target."""
        return output


class GraphDecoder(Decoder):
    """A decoder of the graph from a graph embedding."""

    target: ClassVar[Literal["features", "graph"]] = "graph"

    def encoder_width(self, embedding_width: int) -> int:
        """Return the number of outputs that the encoder needs for an embedding of a width."""
        return embedding_width

    def extract_embedding(self, output: Tensor) -> Tensor:
        """Return the embedding to cluster, cells x width."""
        return output

    def estimate_epoch(self, n_cells: int, n_edges: float) -> Cost:
        """Return the cost of the loss in one epoch on the full graph."""
        return Cost(0.0, 0.0)
