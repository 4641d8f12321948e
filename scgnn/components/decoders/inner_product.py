"""The graph from inner products of an embedding: exact in blocks, or sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders.contract import Decoder, GraphDecoder
from scgnn.field_types import PositiveInt

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_LOG_STD = 10.0
MIN_BLOCK_SIZE = 16  # cells whose pairs are drawn together


class GraphTarget(NamedTuple):
    """A graph as the inner-product loss wants it: Y = A + I, and the constants.

    Of a batch, rows and columns count its cells, and the first ``drawn`` of these, drawn at random,
    stand for all.
    """

    rows: Tensor  # ends of the entries of Y
    cols: Tensor
    pos_weight: float
    norm: float
    n_cells: int  # N, of the whole graph
    n_sampled: int
    weights: Tensor | None = None  # how many entries of Y each stands for; None: itself


@dataclass(frozen=True)
class InnerProductDecoder(GraphDecoder):
    """What the graph autoencoders share.

    Parameters
    ----------
    variational
        Draw Z from a mean and a log standard deviation, both asked of the encoder; false uses the
        mean alone and no KL.
    """

    variational: bool = True

    def encoder_width(self, embedding_width: int) -> int:
        return 2 * embedding_width if self.variational else embedding_width

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        return torch.nn.Identity()

    def split_output(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, cells x d each, from what the encoder gave.

        Standard deviations beyond e^10 count as e^10, with its gradient, so that an untrained
        encoder of large values does not overflow the KL and can still learn.
        """
        width = output.shape[1] // 2
        mean, log_sd = output[:, :width], output[:, width:]
        return mean, log_sd - (log_sd - MAX_LOG_STD).clamp(min=0).detach()

    def extract_embedding(self, output: Tensor) -> Tensor:
        """What is clustered: the mean."""
        return self.split_output(output)[0] if self.variational else output

    def reconstruction_loss(self, z: Tensor, target: GraphTarget) -> Tensor:
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
            return self.reconstruction_loss(output, target)
        mean, log_sd = self.split_output(output)
        noise = torch.randn_like(mean) if noise is None else noise
        z = mean + noise * log_sd.exp()
        drawn = slice(target.n_sampled)
        return self.reconstruction_loss(z, target) + kl_divergence(
            mean[drawn], log_sd[drawn], target.n_cells
        )


@Decoder.register("inner_product")
@dataclass(frozen=True)
class ExactInnerProductDecoder(InnerProductDecoder):
    """The (variational) graph autoencoder of Kipf & Welling (2016), its exact loss in blocks.

    ``norm · BCE(A + I, Z Zᵀ; pos_weight) + KL`` with ``pos_weight = (N² − S)/S``,
    ``norm = N² / (2 (N² − S))``, S the number of entries of A, and
    ``KL = −0.5/N · mean_cells Σ_d (1 + 2 log σ − μ² − σ²)``, as in scGNN (gae/optimizer.py).
    Memory is ``block_size`` x cells; no cells x cells matrix is ever made.

    Parameters
    ----------
    block_size
        Cells whose pairs with all others are held at one time.
    """

    block_size: PositiveInt = 128

    def reconstruction_loss(self, z: Tensor, target: GraphTarget) -> Tensor:
        return blockwise_reconstruction_loss(z, target, self.block_size)


@Decoder.register("inner_product_sampled")
@dataclass(frozen=True)
class SampledInnerProductDecoder(InnerProductDecoder):
    """The loss of inner_product, its sum over all pairs estimated from random ones.

    Entries of A + I are taken exactly up to a number and sampled beyond it; of the N² pairs those
    within random blocks of cells stand for the rest. Both are drawn anew in each step and weighted
    so that the estimate is unbiased. Time and memory do not grow with the square of the cells, nor
    beyond ``max_edges`` with the edges.

    Parameters
    ----------
    n_negative
        Random pairs for each entry of A + I that is taken, about.
    max_edges
        Entries of A + I in a step, at most.
    """

    n_negative: PositiveInt = 5
    max_edges: PositiveInt = 200_000

    def reconstruction_loss(self, z: Tensor, target: GraphTarget) -> Tensor:
        taken = len(target.rows)
        if taken > self.max_edges:
            some = torch.randint(taken, (self.max_edges,))
            rest = torch.ones(1) if target.weights is None else target.weights[some]
            weights = rest * (taken / self.max_edges)
            target = target._replace(rows=target.rows[some], cols=target.cols[some])
            target, taken = target._replace(weights=weights), self.max_edges
        return _loss_from_mean_pair_loss(
            _sample_mean_pair_loss(z[: target.n_sampled], self.n_negative * taken), z, target
        )


def make_graph_target(graph: sparse.csr_matrix) -> GraphTarget:
    """The constants of the graph autoencoder's loss for a graph without self-loops."""
    n, entries = graph.shape[0], graph.nnz
    looped = sparse.csr_matrix(graph + sparse.identity(n)).tocoo()
    return GraphTarget(
        torch.as_tensor(looped.row.astype(np.int64)),
        torch.as_tensor(looped.col.astype(np.int64)),
        (n * n - entries) / entries if entries else 1.0,
        n * n / (2 * (n * n - entries)),
        n_cells=n,
        n_sampled=n,
    )


def blockwise_reconstruction_loss(z: Tensor, target: GraphTarget, block_size: int) -> Tensor:
    """``norm · mean over all pairs of BCE(Y, σ(z_i · z_j))``, Y = A + I.

    All pairs as if unconnected, in blocks, then the entries of Y put right. The pairs of a batch
    stand for all.
    """
    from scgnn.components.decoders.all_pairs import AllPairsSoftplus

    drawn, n = z[: target.n_sampled], target.n_sampled
    total: Tensor = AllPairsSoftplus.apply(drawn, block_size)
    if n < target.n_cells:
        itself = _softplus(drawn.square().sum(1)).sum()
        return _loss_from_mean_pair_loss((total - itself) / max(n * (n - 1), 1), z, target)
    return target.norm / n**2 * (total + positive_pair_correction(z, target))


def _sample_mean_pair_loss(z: Tensor, n_pairs: int) -> Tensor:
    """What a pair of two cells has as if unconnected, in the mean, from about so many pairs.

    They are all pairs within blocks of a random order of the cells: a product of matrices.
    """
    n = len(z)
    size = min(n, max(MIN_BLOCK_SIZE, math.ceil(n_pairs / n) + 1))
    if size < 2:
        return z.sum() * 0
    blocks = min(n // size, math.ceil(n_pairs / (size * (size - 1))))
    some = z[torch.randperm(n)[: blocks * size]].unflatten(0, (blocks, size))
    cost = _softplus(some @ some.transpose(1, 2))
    itself = cost.diagonal(dim1=1, dim2=2).sum()
    return (cost.sum() - itself) / (blocks * size * (size - 1))


def _loss_from_mean_pair_loss(mean_pair_loss: Tensor, z: Tensor, target: GraphTarget) -> Tensor:
    """The loss from what a pair of two cells has as if unconnected, in the mean."""
    n = target.n_cells
    itself = _softplus(z[: target.n_sampled].square().sum(1)).mean()
    total = n * (n - 1) * mean_pair_loss + n * itself
    return target.norm / n**2 * (total + positive_pair_correction(z, target))


def positive_pair_correction(z: Tensor, target: GraphTarget) -> Tensor:
    """What the entries of Y add to the sum over all pairs as if unconnected."""
    logits = _inner_products(z, target.rows, target.cols)
    connected = target.pos_weight * _softplus(-logits)
    added = connected - _softplus(logits)
    return added.sum() if target.weights is None else (target.weights * added).sum()


def kl_divergence(mean: Tensor, log_sd: Tensor, n_cells: int) -> Tensor:
    """KL of the embedding from a standard normal, scaled by 1/N as the original does."""
    inside = 1 + 2 * log_sd - mean.square() - (2 * log_sd).exp()
    return -0.5 / n_cells * inside.sum(1).mean()


def _softplus(x: Tensor) -> Tensor:
    """log(1 + eˣ); beyond 40 it is x in float32 anyway."""
    return torch.nn.functional.softplus(x, threshold=40)


def _inner_products(z: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Inner products of pairs of cells."""
    return (z.index_select(0, first) * z.index_select(0, second)).sum(1)
