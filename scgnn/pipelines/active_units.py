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

from scgnn.components.decoders.networks import Rebuild
from scgnn.components.encoders import Dense
from scgnn.training import collectives
from scgnn.training.budget import Training
from scgnn.training.fit import Rows, adam

D = TypeVar("D", bound=Dense)
WORTHWHILE = 0.9  # with more than this share of the weights awake, nothing is left out


class Place(NamedTuple):
    """Where the weights of a layer stand in those of a larger one."""

    whole: nn.Linear
    part: nn.Linear
    outputs: Tensor
    inputs: Tensor

    def within(self, large: Tensor) -> tuple[Tensor, ...]:
        """The index of this place in a weight or in a bias."""
        return (self.outputs[:, None], self.inputs) if large.ndim == 2 else (self.outputs,)


class Awake(nn.Module):
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
        encoder: Dense,
        decoder: Rebuild,
        genes: Tensor,
        first: Tensor,
        last: Tensor,
        training: Training,
    ) -> None:
        super().__init__()
        self.genes, self.last = genes, last
        self._all: Tensor | None = None  # the awake genes of all cells
        layers: list[Any] = [*encoder.layers, *decoder.layers]
        inputs = [genes, first, *(_all_of(layer.in_features) for layer in layers[2:-1]), last]
        outputs = [first, *(_all_of(layer.out_features) for layer in layers[1:])]
        self.places = [
            Place(layer, _part(layer, out, into), out, into)
            for layer, out, into in zip(layers, outputs, inputs, strict=True)
        ]
        parts = [place.part for place in self.places]
        self.encoder = _with_layers(encoder, parts[: len(encoder.layers)])
        self.decoder = _with_layers(decoder, parts[len(encoder.layers) :])
        self.optimizer = adam(self, training)

    def forward(self, x: Tensor, cells: Tensor | None) -> tuple[Tensor, Tensor]:
        """Embedding and reconstruction of a batch of cells; None means all cells."""
        z = self.encoder(None, self._of_genes(x, cells is None))
        hidden = self.decoder.hidden(z)
        self._wake(hidden)
        return z, self.decoder.output(hidden.index_select(1, self.last))

    def _of_genes(self, x: Tensor, all_cells: bool) -> Tensor:
        if not all_cells:
            return x.index_select(1, self.genes)
        if self._all is None:
            self._all = x.index_select(1, self.genes)
        return self._all

    @torch.no_grad()
    def _wake(self, hidden: Tensor) -> None:
        """Take in the units in front of the last layer that have woken up."""
        found = collectives.anywhere((hidden > 0).any(0))
        found[self.last] = False
        if not found.any():
            return
        new = found.nonzero().ravel()
        whole, part, outputs, _ = self.places[-1]
        self.last = torch.cat([self.last, new])
        self.places[-1] = Place(whole, part, outputs, self.last)
        old = part.weight
        part.weight = nn.Parameter(torch.cat([old, whole.weight[:, new]], 1))
        part.in_features = len(self.last)
        weights = self.optimizer.param_groups[0]["params"]
        weights[[weight is old for weight in weights].index(True)] = part.weight
        if (state := self.optimizer.state.pop(old, None)) is not None:
            at_rest = torch.zeros(len(outputs), len(new))
            moments = ("exp_avg", "exp_avg_sq")
            state |= {name: torch.cat([state[name], at_rest], 1) for name in moments}
            self.optimizer.state[part.weight] = state

    @torch.no_grad()
    def give_back(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the weights back into the whole, and Adam's moments into its own optimiser."""
        for place in self.places:
            for name, large in place.whole.named_parameters():
                small = getattr(place.part, name)
                large[place.within(large)] = small
                state = self.optimizer.state[small]
                optimizer.state[large] = {
                    word: value
                    if word == "step"
                    else torch.zeros_like(large).index_put_(place.within(large), value)
                    for word, value in state.items()
                }


def _may_rest(encoder: Dense, decoder: Rebuild, training: Training) -> bool:
    """Whether what gets no gradient stays as it is: rectified layers, no penalty on weights."""
    return (
        encoder.is_plain
        and decoder.is_plain
        and len(encoder.layers) > 1
        and encoder.activations[0] == "relu"
        and [*encoder.activations, *decoder.activations][-2] == "relu"
        and not (training.l1 or training.l2)
    )


@torch.no_grad()
def awake_part(encoder: nn.Module, decoder: nn.Module, x: Rows, training: Training) -> Awake | None:
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
    if type(encoder) is not Dense or type(decoder) is not Rebuild:
        return None
    if not _may_rest(encoder, decoder, training):
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
        last |= (decoder.hidden(encoder(None, rows)) > 0).any(0)
    genes, first, last = map(collectives.anywhere, (genes, first, last))
    shares = [float(each.float().mean()) for each in (genes, first, last)]
    if not min(shares) > 0 or (shares[0] * shares[1] + shares[2]) / 2 > WORTHWHILE:
        return None
    genes, first, last = (each.nonzero().ravel() for each in (genes, first, last))
    return Awake(encoder, decoder, genes, first, last, training)


def _all_of(n: int) -> Tensor:
    return torch.arange(n)


def _part(layer: nn.Linear, outputs: Tensor, inputs: Tensor) -> nn.Linear:
    part = nn.utils.skip_init(nn.Linear, len(inputs), len(outputs))
    part.weight = nn.Parameter(layer.weight.detach()[outputs][:, inputs])
    part.bias = nn.Parameter(layer.bias.detach()[outputs])
    return part


def _with_layers(module: D, layers: list[nn.Linear]) -> D:
    """The same stack with other linear layers."""
    other = copy(module)
    other._modules = {**module._modules, "layers": nn.ModuleList(layers)}
    return other
