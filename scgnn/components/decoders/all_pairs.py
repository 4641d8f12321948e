"""The sum of softplus over all pairs of cells, with a hand-written gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

PAIRS_PER_BLOCK = 2**26  # on a GPU


class AllPairsSoftplus(torch.autograd.Function):
    """``Σ_ij softplus(z_i · z_j)`` with its gradient ``2 Σ_j σ(z_i · z_j) z_j``.

    Computed in blocks of rows of the upper triangle: every pair once, for both of its cells.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, block_size: int) -> Tensor:
        if z.device.type != "cpu":  # where few large products are faster
            block_size = max(block_size, PAIRS_PER_BLOCK // max(len(z), 1))
        precise = torch.float32 if z.device.type == "mps" else torch.float64  # which mps lacks
        total = torch.zeros((), dtype=precise, device=z.device)
        half = torch.zeros_like(z)
        for start in range(0, z.shape[0], block_size):
            rows, rest = z[start : start + block_size], z[start:]
            within, beyond = slice(None, len(rows)), slice(len(rows), None)
            logits = rows @ rest.T  # block x remaining cells
            sigmoid = logits.sigmoid()
            half[start:][within] += sigmoid @ rest
            half[start:][beyond] += sigmoid[:, beyond].T @ rows
            by_cell = _sum_softplus(logits, sigmoid).to(precise)
            total += by_cell[within].sum() + 2 * by_cell[beyond].sum()
        ctx.save_for_backward(2 * half)
        return total.to(z.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grad_outputs[0] * gradient, None


def _sum_softplus(logits: Tensor, sigmoid: Tensor) -> Tensor:
    """Sum softplus over the rows of a block; both arguments are overwritten.

    softplus(l) = max(l, 0) − log(max(σ, 1 − σ)). A sum of logarithms of numbers between ½ and 1 is
    the logarithm of their product, taken 64 at a time.
    """
    larger = sigmoid.sub_(0.5).abs_().add_(0.5)
    logarithms = sum(block.prod(0).log_() for block in larger.split(64))
    return logits.clamp_(min=0).sum(0) - logarithms
