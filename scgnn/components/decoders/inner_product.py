"""The graph from inner products of an embedding: exact in blocks, or sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn.functional import softplus

from scgnn.components.decoders.contract import Decoder, GraphDecoder
from scgnn.fields import Positive

LARGEST_LOG_SD = 10.0


class GraphTarget(NamedTuple):
    """A graph as the inner-product loss wants it: Y = A + I, and the constants."""

    rows: Tensor  # ends of the entries of Y
    cols: Tensor
    positive_weight: float
    norm: float


@dataclass(frozen=True)
class GraphAutoencoder(GraphDecoder):
    """What the graph autoencoders share.

    Parameters
    ----------
    variational
        Draw Z from a mean and a log standard deviation, both asked of the encoder; false uses the
        mean alone and no KL.
    """

    variational: bool = True

    def latent(self, width: int) -> int:
        return 2 * width if self.variational else width

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        return nn.Identity()

    def split(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, cells x d each, from what the encoder gave.

        Standard deviations beyond e^10 count as e^10, with its gradient, so that an untrained
        encoder of large values does not overflow the KL and can still learn.
        """
        width = output.shape[1] // 2
        mean, log_sd = output[:, :width], output[:, width:]
        return mean, log_sd - (log_sd - LARGEST_LOG_SD).clamp(min=0).detach()

    def embedding(self, output: Tensor) -> Tensor:
        """What is clustered: the mean."""
        return self.split(output)[0] if self.variational else output

    def rebuilt(self, z: Tensor, target: GraphTarget) -> Tensor:
        """How far the inner products of ``z`` are from the graph."""
        raise NotImplementedError

    def loss(
        self,
        output: Tensor,
        target: GraphTarget,
        weights: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        if not self.variational:
            return self.rebuilt(output, target)
        mean, log_sd = self.split(output)
        noise = torch.randn_like(mean) if noise is None else noise
        z = mean + noise * log_sd.exp()
        return self.rebuilt(z, target) + divergence(mean, log_sd)


@Decoder.register("inner_product")
@dataclass(frozen=True)
class InnerProduct(GraphAutoencoder):
    """The (variational) graph autoencoder of Kipf & Welling (2016), its exact loss in blocks.

    ``norm · BCE(A + I, Z Zᵀ; pos_weight) + KL`` with ``pos_weight = (N² − S)/S``,
    ``norm = N² / (2 (N² − S))``, S the number of entries of A, and
    ``KL = −0.5/N · mean_cells Σ_d (1 + 2 log σ − μ² − σ²)``, as in scGNN (gae/optimizer.py).
    Memory is ``block`` x cells; no cells x cells matrix is ever made.

    Parameters
    ----------
    block
        Cells whose pairs with all others are held at one time.
    """

    block: Positive = 128

    def rebuilt(self, z: Tensor, target: GraphTarget) -> Tensor:
        return reconstruction(z, target, self.block)


@Decoder.register("inner_product_sampled")
@dataclass(frozen=True)
class InnerProductSampled(GraphAutoencoder):
    """The loss of inner_product, its sum over all pairs estimated from random ones.

    Entries of A + I are taken exactly; of the N² pairs a sample drawn anew in each step stands for
    the rest, weighted so that the estimate is unbiased. Time and memory grow with the edges, not
    with the square of the cells.

    Parameters
    ----------
    pairs
        Random pairs for each entry of A + I.
    """

    pairs: Positive = 5

    def rebuilt(self, z: Tensor, target: GraphTarget) -> Tensor:
        n, drawn = z.shape[0], self.pairs * len(target.rows)
        first, second = torch.randint(n, (2, drawn))
        unconnected = n * n / drawn * softplus((z[first] * z[second]).sum(1), threshold=40).sum()
        return target.norm / n**2 * (unconnected + correction(z, target))


def graph_target(graph: sparse.csr_matrix) -> GraphTarget:
    """The constants of the graph autoencoder's loss for a graph without self-loops."""
    n, entries = graph.shape[0], graph.nnz
    looped = sparse.csr_matrix(graph + sparse.identity(n)).tocoo()
    return GraphTarget(
        torch.as_tensor(looped.row.astype(np.int64)),
        torch.as_tensor(looped.col.astype(np.int64)),
        (n * n - entries) / entries if entries else 1.0,
        n * n / (2 * (n * n - entries)),
    )


def reconstruction(z: Tensor, target: GraphTarget, block: int) -> Tensor:
    """``norm · mean over all pairs of BCE(Y, σ(z_i · z_j))``, Y = A + I.

    All pairs as if unconnected, in blocks, then the entries of Y put right.
    """
    total: Tensor = _AllPairs.apply(z, block) + correction(z, target)
    return target.norm / z.shape[0] ** 2 * total


def correction(z: Tensor, target: GraphTarget) -> Tensor:
    """What the entries of Y add to the sum over all pairs as if unconnected."""
    logits = (z[target.rows] * z[target.cols]).sum(1)
    connected = target.positive_weight * softplus(-logits, threshold=40)
    return (connected - softplus(logits, threshold=40)).sum()


def divergence(mean: Tensor, log_sd: Tensor) -> Tensor:
    """KL of the embedding from a standard normal, scaled by 1/N as the original does."""
    inside = 1 + 2 * log_sd - mean.square() - (2 * log_sd).exp()
    return -0.5 / mean.shape[0] * inside.sum(1).mean()


class _AllPairs(torch.autograd.Function):
    """``Σ_ij softplus(z_i · z_j)`` with its gradient ``2 Σ_j σ(z_i · z_j) z_j``, block by block.

    A pair is looked at once, for both of its cells.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, block: int) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        half = torch.zeros_like(z)
        for start in range(0, z.shape[0], block):
            rows, onwards = z[start : start + block], z[start:]
            within, beyond = slice(None, len(rows)), slice(len(rows), None)
            logits = rows @ onwards.T
            sigmoid = logits.sigmoid()
            half[start:][within] += sigmoid @ onwards
            half[start:][beyond] += sigmoid[:, beyond].T @ rows
            by_cell = _softplus(logits, sigmoid).double()
            total += by_cell[within].sum() + 2 * by_cell[beyond].sum()
        ctx.save_for_backward(2 * half)
        return total.to(z.dtype)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return above[0] * gradient, None


def _softplus(logits: Tensor, sigmoid: Tensor) -> Tensor:
    """Σ softplus over the rows of a block, which it uses up.

    softplus(l) = max(l, 0) − log(max(σ, 1 − σ)), and the sum of logarithms of numbers from ½ to 1
    is one logarithm of their product, 64 at a time.
    """
    larger = sigmoid.sub_(0.5).abs_().add_(0.5)
    logarithms = sum(part.prod(0).log_() for part in larger.split(64))
    return logits.clamp_(min=0).sum(0) - logarithms
