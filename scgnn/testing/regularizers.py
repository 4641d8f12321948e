"""What regularizers keep to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from scgnn.components.regularizers import Forward, Regularizer
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import Cells, cells
from scgnn.testing.exercise import forward, penalty


def _batches() -> list[tuple[str, Forward, Tensor | None]]:
    """All cells, and a few of them, some without a link to the others."""
    rows = torch.tensor([0, 3, 4, 7, 29])
    return [
        ("all cells", forward(cells()), None),
        ("5 cells", forward(cells().ordered(rows.numpy())), rows),
    ]


@check("regularizer")
def check_adds_a_number_from_zero_up(regularizer: Regularizer) -> None:
    """Its term is a scalar, finite and not negative, for all cells and for a batch."""
    for what, batch, rows in _batches():
        term = penalty(regularizer, batch, cells().state(), rows)
        demand(term.dim() == 0, f"{what}: the term has shape {tuple(term.shape)}, not one number")
        demand(bool(term.isfinite()), f"{what}: the term is {term.item()}")
        demand(term.item() >= 0, f"{what}: the term is {term.item():.4g}, below 0")


def _weighing(regularizer: Regularizer, weight: float) -> Regularizer:
    return replace(regularizer, weight=weight)  # type: ignore[type-var]


@check("regularizer")
def check_is_linear_in_weight(regularizer: Regularizer) -> None:
    """Twice the weight is twice the term, no weight is none."""
    terms = [
        penalty(_weighing(regularizer, weight), forward(cells()), cells().state()).item()
        for weight in (1.0, 2.0, 0.0)
    ]
    demand(terms[0] > 0, "the term of a bad reconstruction is 0")
    demand(
        bool(np.isclose(terms[1], 2 * terms[0], rtol=1e-4)),
        f"with weight 1 the term is {terms[0]:.4g}, with weight 2 it is {terms[1]:.4g}",
    )
    demand(terms[2] == 0, f"with weight 0 the term is {terms[2]:.4g}")


@check("regularizer")
def check_can_be_followed(regularizer: Regularizer) -> None:
    """Its term has a finite gradient in the reconstruction, or in the embedding's network."""
    for what, batch, rows in _batches():
        term = penalty(regularizer, batch, cells().state(), rows)
        demand(term.requires_grad, f"{what}: the term has no gradient; stay within torch")
        leaves = [batch.x_hat, *batch.encoder.parameters()]
        found = [g for g in torch.autograd.grad(term, leaves, allow_unused=True) if g is not None]
        demand(any(bool(g.any()) for g in found), f"{what}: no gradient comes back")
        finite = all(bool(g.isfinite().all()) for g in found)
        demand(finite, f"{what}: the gradient is not finite")


def alike(some: Cells) -> Cells:
    """The cells with the counts of the first cell of each connected group."""
    _, group = connected_components(some.graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return replace(some, counts=some.counts[first[group]])


@check("regularizer")
def check_wants_nothing_of_the_truth(regularizer: Regularizer) -> None:
    """Its term is 0, with a finite gradient, when x_hat equals x and linked cells are alike."""
    some = alike(cells())
    batch = forward(some)
    batch = batch._replace(x_hat=batch.x.clone().requires_grad_())
    term = penalty(regularizer, batch, some.state())
    demand(term.item() < 1e-6, f"the term of a perfect reconstruction is {term.item():.4g}")
    (gradient,) = torch.autograd.grad(term, batch.x_hat, allow_unused=True)
    finite = gradient is None or bool(gradient.isfinite().all())
    demand(finite, "at a perfect reconstruction the gradient is not finite")
