"""Weighted squared error, of decoders and of regularizers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _WeightedSquaredErrorFunction(torch.autograd.Function):
    """One pass for the sum and one for its gradient, where torch's own steps take a dozen."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        error = output - target
        slope = weights * error
        ctx.save_for_backward(slope)
        return error.mul_(slope).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return slope * (2 * grad), None, None


def weighted_squared_error(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """``Σ weights ∘ (output − target)²``; only ``output`` gets a gradient.

    Parameters
    ----------
    output, target
        Cells x genes.
    weights
        Broadcast against them.
    """
    value: Tensor = _WeightedSquaredErrorFunction.apply(output, target, weights.to(output.dtype))
    return value
