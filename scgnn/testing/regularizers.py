"""Checks of regularizers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from scgnn.components.regularizers import ForwardPass, Regularizer
from scgnn.testing.check import register_check, require, require_finite, require_shape
from scgnn.testing.edge_cases import make_cells
from scgnn.testing.exercise import compute_penalty, make_forward_batch


def _iter_terms(regularizer: Regularizer) -> Iterator[tuple[str, ForwardPass, Tensor]]:
    """Yield the terms of all cells and of five cells, some without an edge to the others."""
    state, rows = make_cells().to_state(), torch.tensor([0, 3, 4, 7, 29])
    batch = make_forward_batch(make_cells())
    yield "all cells", batch, compute_penalty(regularizer, batch, state)
    batch = make_forward_batch(make_cells().take(rows.numpy()))
    yield "5 cells", batch, compute_penalty(regularizer, batch, state, rows)


@register_check("regularizer")
def check_penalty_is_nonnegative_scalar(regularizer: Regularizer) -> None:
    """Check that its term is a finite, nonnegative scalar, for all cells and for a batch."""
    for context, _, term in _iter_terms(regularizer):
        require_shape(term.shape, (), f"{context}, term")
        require_finite(term, f"{context}: the term")
        require(term.item() >= 0, f"{context}: the term is {term.item():.4g}, below 0")


@register_check("regularizer")
def check_is_linear_in_weight(regularizer: Regularizer) -> None:
    """Check that its term is proportional to the weight."""
    batch, state = make_forward_batch(make_cells()), make_cells().to_state()
    one, two, zero = (
        compute_penalty(replace(regularizer, weight=weight), batch, state).item()
        for weight in (1.0, 2.0, 0.0)
    )
    require(one > 0, "the term of a poor reconstruction is 0")
    message = f"with weight 1 the term is {one:.4g}, with weight 2 it is {two:.4g}"
    require(np.isclose(two, 2 * one, rtol=1e-4), message)
    require(zero == 0, f"with weight 0 the term is {zero:.4g}")


@register_check("regularizer")
def check_is_differentiable(regularizer: Regularizer) -> None:
    """Check that its term has a finite gradient in the reconstruction or the encoder."""
    for context, batch, term in _iter_terms(regularizer):
        message = f"{context}: the term has no gradient; use torch operations only"
        require(term.requires_grad, message)
        leaves = [batch.x_hat, *batch.encoder.parameters()]
        gradients = torch.autograd.grad(term, leaves, allow_unused=True, materialize_grads=True)
        require(any(g.any() for g in gradients), f"{context}: the gradient is 0")
        for gradient in gradients:
            require_finite(gradient, f"{context}: the gradient")


@register_check("regularizer")
def check_is_zero_at_perfect_reconstruction(regularizer: Regularizer) -> None:
    """Check that its term is 0 if x_hat equals x and connected cells are equal."""
    cells = make_cells()
    _, component = connected_components(cells.graph, directed=False)
    _, first = np.unique(component, return_index=True)
    cells = replace(cells, counts=cells.counts[first[component]])
    batch = make_forward_batch(cells)
    batch = batch._replace(x_hat=batch.x.clone().requires_grad_())
    term = compute_penalty(regularizer, batch, cells.to_state())
    require(term.item() < 1e-6, f"the term of a perfect reconstruction is {term.item():.4g}")
    (gradient,) = torch.autograd.grad(term, batch.x_hat, allow_unused=True, materialize_grads=True)
    require_finite(gradient, "the gradient at a perfect reconstruction")
