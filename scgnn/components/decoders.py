"""Decoders: an embedding back into what it was made from, and how far off that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn.functional import softplus

from scgnn.components.encoders import Dense, Encoder
from scgnn.fields import Activation, Positive
from scgnn.registry import Component


class Decoder(Component, kind="decoder"):
    """Rebuilds expression or the graph from an embedding.

    Attributes
    ----------
    target
        What it rebuilds, ``"features"`` or ``"graph"``.
    """

    target: ClassVar[Literal["features", "graph"]]

    def mirror(self, encoder: Encoder) -> Decoder:
        """The decoder with what it takes from its encoder filled in."""
        return self

    def latent(self, width: int) -> int:
        """How many outputs the encoder must give for an embedding of ``width`` numbers."""
        return width

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        """A module whose ``forward(z)`` is handed to :meth:`loss`."""
        raise NotImplementedError

    def loss(self, output: Tensor, target: Any, weights: Tensor | None = None) -> Tensor:
        """A scalar ≥ 0; ``weights`` broadcast against the target where there are any."""
        raise NotImplementedError


@Decoder.register("mlp")
@dataclass(frozen=True)
class MLP(Decoder):
    """Fully connected layers with squared error: the mirror of its encoder.

    Parameters
    ----------
    hidden
        Widths between the embedding and the genes; null mirrors the encoder.
    activation
        After every layer but the last.
    output_activation
        After the last layer. With relu, as in the original, a gene whose input to it falls below 0
        in all cells gets no gradient any more; softplus keeps every gene alive.
    """

    hidden: tuple[Positive, ...] | None = None
    activation: Activation = "relu"
    output_activation: Activation = "relu"
    target: ClassVar[Literal["features", "graph"]] = "features"

    def mirror(self, encoder: Encoder) -> Decoder:
        return self if self.hidden is not None else replace(self, hidden=encoder.hidden[-2::-1])

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        widths = (*(self.hidden or ()), n_features)
        return Rebuild(n_latent, widths, self.activation, self.output_activation)

    def loss(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        square = (output - target).square()
        return (square if weights is None else weights * square).sum()


class Rebuild(Dense):
    """Linear layers from an embedding alone."""

    def forward(self, z: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(None, z)


class GraphTarget(NamedTuple):
    """A graph as the inner-product loss wants it: Y = A + I, and the constants."""

    rows: Tensor  # ends of the entries of Y
    cols: Tensor
    positive_weight: float
    norm: float


@Decoder.register("inner_product")
@dataclass(frozen=True)
class InnerProduct(Decoder):
    """The (variational) graph autoencoder of Kipf & Welling (2016), its exact loss in blocks.

    ``norm · BCE(A + I, Z Zᵀ; pos_weight) + KL`` with ``pos_weight = (N² − S)/S``,
    ``norm = N² / (2 (N² − S))``, S the number of entries of A, and
    ``KL = −0.5/N · mean_cells Σ_d (1 + 2 log σ − μ² − σ²)``, as in scGNN (gae/optimizer.py).
    Memory is ``block`` x cells; no cells x cells matrix is ever made.

    Parameters
    ----------
    variational
        Draw Z from a mean and a log standard deviation, both asked of the encoder; false uses the
        mean alone and no KL.
    block
        Cells whose pairs with all others are held at one time.
    """

    variational: bool = True
    block: Positive = 1024
    target: ClassVar[Literal["features", "graph"]] = "graph"

    def latent(self, width: int) -> int:
        return 2 * width if self.variational else width

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        return nn.Identity()

    def split(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, cells x d each, from what the encoder gave."""
        width = output.shape[1] // 2
        return output[:, :width], output[:, width:]

    def embedding(self, output: Tensor) -> Tensor:
        """What is clustered: the mean."""
        return self.split(output)[0] if self.variational else output

    def loss(
        self,
        output: Tensor,
        target: GraphTarget,
        weights: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        if not self.variational:
            return reconstruction(output, target, self.block)
        mean, log_sd = self.split(output)
        noise = torch.randn_like(mean) if noise is None else noise
        z = mean + noise * log_sd.exp()
        return reconstruction(z, target, self.block) + divergence(mean, log_sd)


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
    logits = (z[target.rows] * z[target.cols]).sum(1)
    correction = target.positive_weight * softplus(-logits, threshold=40) - softplus(
        logits, threshold=40
    )
    total: Tensor = _AllPairs.apply(z, block) + correction.sum()
    return target.norm / z.shape[0] ** 2 * total


def divergence(mean: Tensor, log_sd: Tensor) -> Tensor:
    """KL of the embedding from a standard normal, scaled by 1/N as the original does."""
    inside = 1 + 2 * log_sd - mean.square() - (2 * log_sd).exp()
    return -0.5 / mean.shape[0] * inside.sum(1).mean()


class _AllPairs(torch.autograd.Function):
    """``Σ_ij softplus(z_i · z_j)`` with its gradient ``2 Σ_j σ(z_i · z_j) z_j``, block by block."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, block: int) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        gradient = torch.empty_like(z)
        for start in range(0, z.shape[0], block):
            rows = slice(start, start + block)
            logits = z[rows] @ z.T  # block x cells
            total += softplus(logits, threshold=40).sum(dtype=torch.float64)
            gradient[rows] = 2 * (logits.sigmoid_() @ z)
        ctx.save_for_backward(gradient)
        return total.to(z.dtype)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return above[0] * gradient, None
