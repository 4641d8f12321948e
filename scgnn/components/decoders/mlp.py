"""Fully connected layers with squared error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch

from scgnn.components.decoders.contract import Decoder
from scgnn.components.encoders import Encoder
from scgnn.field_types import Activation, Normalization, PositiveInt, ProperFraction

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scgnn.components.decoders.networks import DenseDecoderNetwork


@dataclass(frozen=True)
class DenseDecoder(Decoder):
    """The common part of decoders of expression: fully connected layers.

    Parameters
    ----------
    hidden
        Widths of the layers between the embedding and the genes; null mirrors the encoder.
    activation
        Activation of all layers but the last.
    dropout
        Fraction of the inputs of each layer set to zero in training.
    normalization
        Normalization before each activation but the last: batch normalizes over the cells of a
        batch, layer over the units of a cell; null applies none.
    """

    hidden: tuple[PositiveInt, ...] | None = None
    activation: Activation | None = "relu"
    dropout: ProperFraction = 0.0
    normalization: Normalization | None = None

    def mirror(self, encoder: Encoder) -> Decoder:
        if self.hidden is not None:
            return self
        return replace(self, hidden=getattr(encoder, "hidden", ())[-2::-1])

    def build_network(
        self, n_latent: int, n_outputs: int, output_activation: Activation | None
    ) -> DenseDecoderNetwork:
        """Return a new network from an embedding to ``n_outputs`` values for each cell."""
        from scgnn.components.decoders.networks import DenseDecoderNetwork

        widths = (*(self.hidden or ()), n_outputs)
        activations = self.activation, output_activation
        return DenseDecoderNetwork(n_latent, widths, *activations, self.dropout, self.normalization)


@Decoder.register("mlp")
@dataclass(frozen=True)
class MLPDecoder(DenseDecoder):
    """Fully connected layers with squared error; by default the mirror of the encoder.

    The loss is ``Σ (x − x̂)²`` over cells and genes, as in scGNN.

    Parameters
    ----------
    output_activation
        Activation of the last layer. With relu, as in the original, a gene whose pre-activation is
        negative in all cells gets no gradient any more; softplus avoids such dead genes.
    """

    output_activation: Activation | None = "relu"
    is_squared_error: ClassVar[bool] = True
    needs_all_cells: ClassVar[str] = ""

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        return self.build_network(n_latent, n_features, self.output_activation)

    def loss(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        from scgnn.components.decoders.squared_error import weighted_squared_error

        weights = torch.ones(()) if weights is None else weights
        return weighted_squared_error(output, target, weights)
