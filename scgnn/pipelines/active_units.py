"""Training of the active units and genes of an autoencoder only.

A rectified unit whose input is negative in all cells gets no gradient, and a new Adam does not move
its weights; nor those of a gene that is 0 in all cells. In the first layer, whose input is fixed,
such a unit stays inactive throughout a training. In front of the last layer it can become active
once earlier layers have moved, which is checked in every step. Half of the units in scGNN's first
layer are inactive at initialization, two thirds after the first training.

In exact arithmetic the result is that of training all weights: after 50 steps in float64, weights
agree to 1e-10. In float32, sums over fewer terms are rounded differently, these differences grow
with every step, and clusters can differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scgnn.components.decoders.networks import DenseDecoderNetwork
from scgnn.components.encoders.networks import DenseNetwork
from scgnn.components.regularizers import Regularizer
from scgnn.execution.hardware import current_hardware
from scgnn.registry.component import Component
from scgnn.registry.introspection import is_builtin
from scgnn.training.collectives import communicator
from scgnn.training.fit import DenseRows
from scgnn.training.settings import Training

MAX_ACTIVE_FRACTION = 0.9  # of the weights; with more, all are trained. 0 always trains all


@contextmanager
def train_active_units(
    module: Any, components: Sequence[Component], x: DenseRows, training: Training, optimizer: Any
) -> Iterator[ActiveSubnetwork | None]:
    """Reduce an autoencoder to what a training on the rows ``x`` moves; restore it at the end.

    Nothing is reduced if the optimizer has moments already, if weights may move without a gradient
    or be read by one of the components of the loss, or if nearly all weights are active.
    """
    supported = not optimizer.state and _is_supported(module, components, training)
    indices = _find_active(module, x, training.batch_size) if supported else None
    if indices is None:
        yield None
        return
    subnetwork = ActiveSubnetwork(module, indices, optimizer)
    yield subnetwork
    subnetwork.restore()


class ActiveSubnetwork:
    """The active parts of the parameters of an autoencoder, put in place of the full ones."""

    def __init__(self, module: Any, indices: Sequence[Tensor], optimizer: Any) -> None:
        self.genes, first_units, last_units = indices
        self.optimizer = optimizer
        self.layers = [*module["encoder"].layers, *module["decoder"].layers]
        self.parameters = optimizer.param_groups[0]["params"]  # weight, bias of each layer
        self.full = list(self.parameters)
        all_units = [torch.arange(len(bias)) for bias in self.full[1::2]]
        inputs = [self.genes, first_units, *all_units[1:-2], last_units]
        self.indices: list[Any] = []  # of the active part of each parameter
        for outputs, columns in zip([first_units, *all_units[1:]], inputs, strict=True):
            self.indices += [(outputs[:, None], columns), (outputs,)]
        for i, index in enumerate(self.indices):
            self._replace(i, index)
        self._batch = self._active_batch = torch.empty(0)
        hooks = (0, self._select_genes), (-1, self._select_units)
        self._hooks = [self.layers[i].register_forward_pre_hook(hook) for i, hook in hooks]

    def restore(self) -> None:
        """Put the full parameters back, with the trained values and their moments."""
        for i in range(len(self.full)):
            self._replace(i)
        for hook in self._hooks:
            hook.remove()

    @torch.no_grad()
    def _replace(self, i: int, index: Any = ...) -> None:
        """Train another part of a parameter, by default all of it, with Adam's moments."""
        full, present = self.full[i], self.parameters[i]
        if present is not full:
            full[self.indices[i]] = present
        new = full if index is ... else nn.Parameter(full.detach()[index])
        state = self.optimizer.state.pop(present, {})
        for name in state.keys() - {"step"}:
            moment = torch.zeros_like(full).index_put_(self.indices[i], state[name])
            state[name] = moment[index]
        self.optimizer.state[new], self.parameters[i] = state, new
        setattr(self.layers[i // 2], ("weight", "bias")[i % 2], new)

    def _select_genes(self, _: nn.Module, args: tuple[Tensor]) -> Tensor:
        if args[0] is not self._batch:  # all cells are the same tensor in each step
            self._batch, self._active_batch = args[0], args[0].index_select(1, self.genes)
        return self._active_batch

    def _select_units(self, _: nn.Module, args: tuple[Tensor]) -> Tensor:
        """Select the active inputs of the last layer, which may be more than before."""
        rows, columns = self.indices[-2]
        mask = communicator().all_reduce_max((args[0] > 0).any(0))
        mask[columns] = False
        if mask.any():
            columns = torch.cat([columns, mask.nonzero().ravel()])
            self._replace(-2, (rows, columns))
            self.indices[-2] = rows, columns
        return args[0].index_select(1, columns)


def _is_supported(module: Any, components: Sequence[Component], training: Training) -> bool:
    """Return whether weights without a gradient stay as they are, and no component reads them."""
    encoder, decoder = module["encoder"], module["decoder"]
    if current_hardware().device != "cpu":  # which would wait in each step, and has time to spare
        return False
    if type(encoder) is not DenseNetwork or type(decoder) is not DenseDecoderNetwork:
        return False
    activations = [*encoder.activations, *decoder.activations]
    return (
        activations[0] == activations[-2] == "relu"
        and len(encoder.layers) > 1
        and encoder.is_unregularized
        and decoder.is_unregularized
        and not (training.l1 or training.l2)
        and all(  # networks of third parties may freeze layers or have hooks
            is_builtin(type(c)) or (isinstance(c, Regularizer) and c.acts_on != "encoder")
            for c in components
        )
    )


@torch.no_grad()
def _find_active(module: Any, x: DenseRows, batch_size: int) -> list[Tensor] | None:
    """Return the active genes, first units and last units, or None to train all weights."""
    encoder, decoder = module["encoder"], module["decoder"]
    batches = []
    for cells in torch.arange(len(x)).split(batch_size):
        rows = x[None if len(cells) == len(x) else cells]
        hidden = decoder.apply_layers(encoder(None, rows), len(decoder.layers) - 1)
        values = rows.abs(), encoder.layers[0](rows), hidden
        batches.append([(value > 0).any(0) for value in values])
    masks = [torch.stack(values).any(0) for values in zip(*batches, strict=True)]
    masks = [communicator().all_reduce_max(mask) for mask in masks]
    genes, first, last = (float(mask.float().mean()) for mask in masks)
    if min(genes, first, last) == 0 or (genes * first + last) / 2 > MAX_ACTIVE_FRACTION:
        return None
    return [mask.nonzero().ravel() for mask in masks]
