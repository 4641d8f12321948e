"""What regularizers keep to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from scgnn.components.regularizers import ForwardPass, Regularizer
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import SyntheticCells, make_cells
from scgnn.testing.exercise import compute_penalty, make_forward_batch


def _make_batches() -> list[tuple[str, ForwardPass, Tensor | None]]:
    """All cells, and a few of them, some without a link to the others."""
    rows = torch.tensor([0, 3, 4, 7, 29])
    return [
        ("all cells", make_forward_batch(make_cells()), None),
        ("5 cells", make_forward_batch(make_cells().take(rows.numpy())), rows),
    ]


@register_check("regularizer")
def check_penalty_is_nonnegative_scalar(regularizer: Regularizer) -> None:
    """Its term is a scalar, finite and not negative, for all cells and for a batch."""
    for what, batch, rows in _make_batches():
        term = compute_penalty(regularizer, batch, make_cells().to_state(), rows)
        require(term.dim() == 0, f"{what}: the term has shape {tuple(term.shape)}, not one number")
        require(bool(term.isfinite()), f"{what}: the term is {term.item()}")
        require(term.item() >= 0, f"{what}: the term is {term.item():.4g}, below 0")


def _replace_weight(regularizer: Regularizer, weight: float) -> Regularizer:
    return replace(regularizer, weight=weight)  # type: ignore[type-var]


@register_check("regularizer")
def check_is_linear_in_weight(regularizer: Regularizer) -> None:
    """Twice the weight is twice the term, no weight is none."""
    terms = [
        compute_penalty(
            _replace_weight(regularizer, weight),
            make_forward_batch(make_cells()),
            make_cells().to_state(),
        ).item()
        for weight in (1.0, 2.0, 0.0)
    ]
    require(terms[0] > 0, "the term of a bad reconstruction is 0")
    require(
        bool(np.isclose(terms[1], 2 * terms[0], rtol=1e-4)),
        f"with weight 1 the term is {terms[0]:.4g}, with weight 2 it is {terms[1]:.4g}",
    )
    require(terms[2] == 0, f"with weight 0 the term is {terms[2]:.4g}")


@register_check("regularizer")
def check_is_differentiable(regularizer: Regularizer) -> None:
    """Its term has a finite gradient in the reconstruction, or in the embedding's network."""
    for what, batch, rows in _make_batches():
        term = compute_penalty(regularizer, batch, make_cells().to_state(), rows)
        require(term.requires_grad, f"{what}: the term has no gradient; stay within torch")
        leaves = [batch.x_hat, *batch.encoder.parameters()]
        found = [g for g in torch.autograd.grad(term, leaves, allow_unused=True) if g is not None]
        require(any(bool(g.any()) for g in found), f"{what}: no gradient comes back")
        finite = all(bool(g.isfinite().all()) for g in found)
        require(finite, f"{what}: the gradient is not finite")


def homogenize_components(cells: SyntheticCells) -> SyntheticCells:
    """The cells with the counts of the first cell of each connected group."""
    _, group = connected_components(cells.graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return replace(cells, counts=cells.counts[first[group]])


@register_check("regularizer")
def check_is_zero_at_perfect_reconstruction(regularizer: Regularizer) -> None:
    """Its term is 0, with a finite gradient, when x_hat equals x and linked cells are alike."""
    some = homogenize_components(make_cells())
    batch = make_forward_batch(some)
    batch = batch._replace(x_hat=batch.x.clone().requires_grad_())
    term = compute_penalty(regularizer, batch, some.to_state())
    require(term.item() < 1e-6, f"the term of a perfect reconstruction is {term.item():.4g}")
    (gradient,) = torch.autograd.grad(term, batch.x_hat, allow_unused=True)
    finite = gradient is None or bool(gradient.isfinite().all())
    require(finite, "at a perfect reconstruction the gradient is not finite")
