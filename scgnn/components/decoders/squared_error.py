"""Weighted squared error of decoders and regularizers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _WeightedSquaredErrorFunction(torch.autograd.Function):
    """The sum and its gradient in one pass each; composed torch operations take a dozen."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        error = output - target
        half_gradient = weights * error
        ctx.save_for_backward(half_gradient)
        return error.mul_(half_gradient).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (half_gradient,) = ctx.saved_tensors
        return half_gradient * (2 * grad), None, None


def weighted_squared_error(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return ``Σ weights ∘ (output − target)²``, differentiable in ``output`` only.

    Parameters
    ----------
    output, target
        Cells x genes.
    weights
        Broadcast to cells x genes.
    """
    value: Tensor = _WeightedSquaredErrorFunction.apply(output, target, weights.to(output.dtype))
    return value
