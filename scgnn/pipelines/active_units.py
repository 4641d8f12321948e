"""An autoencoder less what rests: units that no cell wakes, and genes that no cell has.

A rectified unit whose input is below 0 in every cell gets no gradient, and an Adam that begins
anew does not move it. In the first layer, whose input stays as it is, such a unit rests for the
whole training, and so does the weight of a gene that is 0 in every cell. In front of the last layer
a unit may wake up once the layers before it have moved: that is looked for in every step. Training
what is awake is the same training at a fraction of the cost: half the units of scGNN's first layer
rest from the beginning, two thirds after the first training.
"""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from scgnn.components.decoders.networks import DenseDecoderNetwork
from scgnn.components.encoders import DenseNetwork
from scgnn.training import collectives
from scgnn.training.budget import Training
from scgnn.training.fit import DenseRows, build_optimizer

D = TypeVar("D", bound=DenseNetwork)
MAX_ACTIVE_FRACTION = 0.9  # with more than this share of the weights awake, nothing is left out


class LayerSlice(NamedTuple):
    """Where the weights of a layer stand in those of a larger one."""

    full_layer: nn.Linear
    sublayer: nn.Linear
    output_indices: Tensor
    input_indices: Tensor

    def index_into(self, parameter: Tensor) -> tuple[Tensor, ...]:
        """The index of this place in a weight or in a bias."""
        return (
            (self.output_indices[:, None], self.input_indices)
            if parameter.ndim == 2
            else (self.output_indices,)
        )


class ActiveSubnetwork(nn.Module):
    """The part of an autoencoder that a training moves; see :func:`awake_part`.

    Parameters
    ----------
    encoder, decoder
        The whole, fully connected.
    genes, first, last
        Which genes, units of the first layer, and units in front of the last layer are awake.
    training
        The budget.

    Attributes
    ----------
    optimizer
        A fresh Adam of the weights in between.
    """

    def __init__(
        self,
        encoder: DenseNetwork,
        decoder: DenseDecoderNetwork,
        active_genes: Tensor,
        first_units: Tensor,
        last_units: Tensor,
        training: Training,
    ) -> None:
        super().__init__()
        self.active_genes, self.last_units = active_genes, last_units
        self._active_input: Tensor | None = None  # the awake genes of all cells
        layers: list[Any] = [*encoder.layers, *decoder.layers]
        inputs = [
            active_genes,
            first_units,
            *(_all_indices(layer.in_features) for layer in layers[2:-1]),
            last_units,
        ]
        outputs = [first_units, *(_all_indices(layer.out_features) for layer in layers[1:])]
        self.layer_slices = [
            LayerSlice(layer, _extract_sublayer(layer, out, into), out, into)
            for layer, out, into in zip(layers, outputs, inputs, strict=True)
        ]
        parts = [place.sublayer for place in self.layer_slices]
        self.encoder = _replace_layers(encoder, parts[: len(encoder.layers)])
        self.decoder = _replace_layers(decoder, parts[len(encoder.layers) :])
        self.optimizer = build_optimizer(self, training)

    def forward(self, x: Tensor, cells: Tensor | None) -> tuple[Tensor, Tensor]:
        """Embedding and reconstruction of a batch of cells; None means all cells."""
        z = self.encoder(None, self._select_genes(x, cells is None))
        hidden = self.decoder.forward_hidden(z)
        self._activate_units(hidden)
        return z, self.decoder.forward_output(hidden.index_select(1, self.last_units))

    def _select_genes(self, x: Tensor, all_cells: bool) -> Tensor:
        if not all_cells:
            return x.index_select(1, self.active_genes)
        if self._active_input is None:
            self._active_input = x.index_select(1, self.active_genes)
        return self._active_input

    @torch.no_grad()
    def _activate_units(self, hidden: Tensor) -> None:
        """Take in the units in front of the last layer that have woken up."""
        found = collectives.all_reduce_any((hidden > 0).any(0))
        found[self.last_units] = False
        if not found.any():
            return
        new = found.nonzero().ravel()
        whole, part, outputs, _ = self.layer_slices[-1]
        self.last_units = torch.cat([self.last_units, new])
        self.layer_slices[-1] = LayerSlice(whole, part, outputs, self.last_units)
        old = part.weight
        part.weight = nn.Parameter(torch.cat([old, whole.weight[:, new]], 1))
        part.in_features = len(self.last_units)
        weights = self.optimizer.param_groups[0]["params"]
        weights[[weight is old for weight in weights].index(True)] = part.weight
        if (state := self.optimizer.state.pop(old, None)) is not None:
            at_rest = torch.zeros(len(outputs), len(new))
            moments = ("exp_avg", "exp_avg_sq")
            state |= {name: torch.cat([state[name], at_rest], 1) for name in moments}
            self.optimizer.state[part.weight] = state

    @torch.no_grad()
    def write_back(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the weights back into the whole, and Adam's moments into its own optimiser."""
        for place in self.layer_slices:
            for name, large in place.full_layer.named_parameters():
                small = getattr(place.sublayer, name)
                large[place.index_into(large)] = small
                state = self.optimizer.state[small]
                optimizer.state[large] = {
                    word: value
                    if word == "step"
                    else torch.zeros_like(large).index_put_(place.index_into(large), value)
                    for word, value in state.items()
                }


def _is_reducible(encoder: DenseNetwork, decoder: DenseDecoderNetwork, training: Training) -> bool:
    """Whether what gets no gradient stays as it is: rectified layers, no penalty on weights."""
    return (
        encoder.is_unregularized
        and decoder.is_unregularized
        and len(encoder.layers) > 1
        and encoder.activations[0] == "relu"
        and [*encoder.activations, *decoder.activations][-2] == "relu"
        and not (training.l1 or training.l2)
    )


@torch.no_grad()
def extract_active_subnetwork(
    encoder: nn.Module, decoder: nn.Module, x: DenseRows, training: Training
) -> ActiveSubnetwork | None:
    """What a training on these rows from a fresh Adam moves; None if that is nearly all of it.

    Parameters
    ----------
    encoder, decoder
        An autoencoder; all of it moves unless it is fully connected and rectified.
    x
        All rows that it will be trained on.
    training
        The budget; its batches are those of the look at all rows.
    """
    if type(encoder) is not DenseNetwork or type(decoder) is not DenseDecoderNetwork:
        return None
    if not _is_reducible(encoder, decoder, training):
        return None
    n_cells, n_genes = x.matrix.shape
    before: Any = encoder.layers[0]
    genes = torch.zeros(n_genes, dtype=torch.bool)
    first = torch.zeros(before.out_features, dtype=torch.bool)
    last = torch.zeros((encoder.widths + decoder.widths)[-2], dtype=torch.bool)
    for cells in torch.arange(n_cells).split(training.batch_size):
        rows = x[None if len(cells) == n_cells else cells]
        genes |= (rows != 0).any(0)
        first |= (before(rows) > 0).any(0)
        last |= (decoder.forward_hidden(encoder(None, rows)) > 0).any(0)
    genes, first, last = map(collectives.all_reduce_any, (genes, first, last))
    shares = [float(each.float().mean()) for each in (genes, first, last)]
    if not min(shares) > 0 or (shares[0] * shares[1] + shares[2]) / 2 > MAX_ACTIVE_FRACTION:
        return None
    genes, first, last = (each.nonzero().ravel() for each in (genes, first, last))
    return ActiveSubnetwork(encoder, decoder, genes, first, last, training)


def _all_indices(n: int) -> Tensor:
    return torch.arange(n)


def _extract_sublayer(layer: nn.Linear, outputs: Tensor, inputs: Tensor) -> nn.Linear:
    part = nn.utils.skip_init(nn.Linear, len(inputs), len(outputs))
    part.weight = nn.Parameter(layer.weight.detach()[outputs][:, inputs])
    part.bias = nn.Parameter(layer.bias.detach()[outputs])
    return part


def _replace_layers(module: D, layers: list[nn.Linear]) -> D:
    """The same stack with other linear layers."""
    other = copy(module)
    other._modules = {**module._modules, "layers": nn.ModuleList(layers)}
    return other
