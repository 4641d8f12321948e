"""Inner-product decoders of the graph, with an exact blockwise loss or a sampled one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders.contract import Decoder, GraphDecoder
from scgnn.field_types import Cost, PositiveInt, RepeatCount
from scgnn.seeding import draw_normal, torch_generator
from scgnn.training.device import move

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_LOG_STD = 10.0
MIN_BLOCK_SIZE = 16  # cells whose pairs are sampled together


# for the cost estimate
SECONDS_PER_PAIR = 1.9e-9  # of cells, exact loss
SECONDS_PER_SAMPLED_PAIR = 2.5e-8
SECONDS_PER_SAMPLED_EDGE = 1.2e-7


class GraphTarget(NamedTuple):
    """The target Y = A + I of the inner-product loss, and its constants.

    In mini-batch training the indices are those of the batch, whose first ``n_sampled`` cells are
    a random sample of all cells.
    """

    rows: Tensor  # row and column of each entry of Y
    cols: Tensor
    pos_weight: float
    norm: float
    n_cells: int  # N, of the whole graph
    n_sampled: int
    weights: Tensor | None = None  # number of entries of Y that each represents; None: one

    def to(self, device: str) -> GraphTarget:
        """Return the target on a device."""
        weights = None if self.weights is None else move(self.weights, device)
        rows, cols = move(self.rows, device), move(self.cols, device)
        return self._replace(rows=rows, cols=cols, weights=weights)


@dataclass(frozen=True)
class InnerProductDecoder(GraphDecoder):
    """The common part of inner-product decoders.

    Parameters
    ----------
    variational
        Sample Z from a mean and a log standard deviation, both outputs of the encoder; false uses
        the mean only, without KL.
    """

    variational: bool = True

    def encoder_width(self, embedding_width: int) -> int:
        return 2 * embedding_width if self.variational else embedding_width

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        return torch.nn.Identity()

    def split_output(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation, cells x d each, of the encoder's output.

        Standard deviations above e^10 are clamped in value but not in gradient, so that large
        outputs of an untrained encoder do not overflow the KL and can still be learned.
        """
        mean, log_std = output.tensor_split([output.shape[1] // 2], 1)
        return mean, log_std - (log_std - MAX_LOG_STD).clamp(min=0).detach()

    def extract_embedding(self, output: Tensor) -> Tensor:
        """Return the mean, cells x d."""
        return self.split_output(output)[0] if self.variational else output

    def reconstruction_loss(self, z: Tensor, target: GraphTarget) -> Tensor:
        """Return the loss without KL of an embedding ``z``, cells x d."""
        raise NotImplementedError(f"{type(self).__name__} must define reconstruction_loss()")

    def loss(
        self,
        output: Tensor,
        target: GraphTarget,
        weights: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        if not self.variational:
            return self.reconstruction_loss(output, target)
        mean, log_std = self.split_output(output)
        noise = draw_normal(mean) if noise is None else noise
        z = mean + noise * log_std.exp()
        kl = kl_divergence(mean[: target.n_sampled], log_std[: target.n_sampled], target.n_cells)
        return self.reconstruction_loss(z, target) + kl


@Decoder.register("inner_product")
@dataclass(frozen=True)
class ExactInnerProductDecoder(InnerProductDecoder):
    """The (variational) graph autoencoder of Kipf & Welling (2016) with its exact loss.

    ``norm · BCE(A + I, Z Zᵀ; pos_weight) + KL`` with ``pos_weight = (N² − S)/S``,
    ``norm = N² / (2 (N² − S))``, S the number of entries of A, and
    ``KL = −0.5/N · mean_cells Σ_d (1 + 2 log σ − μ² − σ²)``, as in scGNN (gae/optimizer.py).
    Computed in blocks of rows: memory is ``block_size`` x cells.

    Parameters
    ----------
    block_size
        Cells whose pairs with all others are computed at a time.
    """

    block_size: PositiveInt = 128

    def reconstruction_loss(self, z: Tensor, target: GraphTarget) -> Tensor:
        return blockwise_reconstruction_loss(z, target, self.block_size)

    def estimate_epoch(self, n_cells: int, n_edges: float) -> Cost:
        return Cost(n_cells**2 * SECONDS_PER_PAIR, self.block_size * n_cells * 16e-6)


@Decoder.register("inner_product_sampled")
@dataclass(frozen=True)
class SampledInnerProductDecoder(InnerProductDecoder):
    """inner_product, with the sum over all pairs in its loss estimated from random pairs.

    Entries of A + I are used exactly up to ``max_edges`` and sampled beyond; the N² pairs are
    represented by those within random blocks of cells. Both are sampled in each step and weighted,
    so that the estimate is unbiased. Time and memory do not grow with the square of the number of
    cells, and beyond ``max_edges`` not with the number of edges.

    Parameters
    ----------
    n_negative
        Approximate number of random pairs for each entry of A + I.
    max_edges
        Maximum number of entries of A + I in a step.
    """

    n_negative: RepeatCount = 5
    max_edges: PositiveInt = 200_000

    def reconstruction_loss(self, z: Tensor, target: GraphTarget) -> Tensor:
        n_edges = len(target.rows)
        if n_edges > self.max_edges:
            sample = torch.randint(n_edges, (self.max_edges,), generator=torch_generator())
            sample = move(sample, z.device)
            weights = z.new_ones(1) if target.weights is None else target.weights[sample]
            target = target._replace(
                rows=target.rows[sample],
                cols=target.cols[sample],
                weights=weights * (n_edges / self.max_edges),
            )
            n_edges = self.max_edges
        mean = _sample_mean_pair_loss(z[: target.n_sampled], self.n_negative * n_edges)
        return _loss_from_mean_pair_loss(mean, z, target)

    def estimate_epoch(self, n_cells: int, n_edges: float) -> Cost:
        n_edges = min(n_edges, self.max_edges)
        per_edge = SECONDS_PER_SAMPLED_EDGE + self.n_negative * SECONDS_PER_SAMPLED_PAIR
        return Cost(n_edges * per_edge, self.n_negative * n_edges * 100e-6)


def make_graph_target(graph: sparse.csr_matrix) -> GraphTarget:
    """Return the target of the graph autoencoder's loss for a graph without self-loops."""
    n, n_entries = graph.shape[0], graph.nnz
    with_loops = sparse.csr_matrix(graph + sparse.identity(n)).tocoo()
    return GraphTarget(
        torch.as_tensor(with_loops.row.astype(np.int64)),
        torch.as_tensor(with_loops.col.astype(np.int64)),
        (n * n - n_entries) / n_entries if n_entries else 1.0,
        n * n / (2 * (n * n - n_entries)),
        n_cells=n,
        n_sampled=n,
    )


def blockwise_reconstruction_loss(z: Tensor, target: GraphTarget, block_size: int) -> Tensor:
    """Return ``norm · mean over all pairs of BCE(Y, σ(z_i · z_j))`` with Y = A + I.

    All pairs are first summed in blocks as if unconnected, then the entries of Y are corrected.
    Pairs of a batch represent all pairs.
    """
    from scgnn.components.decoders.all_pairs import AllPairsSoftplus

    sampled, n = z[: target.n_sampled], target.n_sampled
    total: Tensor = AllPairsSoftplus.apply(sampled, block_size)
    if n < target.n_cells:
        self_pairs = _softplus(sampled.square().sum(1)).sum()
        return _loss_from_mean_pair_loss((total - self_pairs) / max(n * (n - 1), 1), z, target)
    return target.norm / n**2 * (total + positive_pair_correction(z, target))


def _sample_mean_pair_loss(z: Tensor, n_pairs: int) -> Tensor:
    """Estimate the mean loss of a pair of two cells as if unconnected, from about ``n_pairs``.

    The pairs are all those within blocks of a random order of the cells: a batched matrix product.
    """
    n = len(z)
    size = min(n, max(MIN_BLOCK_SIZE, math.ceil(n_pairs / n) + 1))
    if size < 2:
        return z.sum() * 0
    n_blocks = min(n // size, math.ceil(n_pairs / (size * (size - 1))))
    order = move(torch.randperm(n, generator=torch_generator())[: n_blocks * size], z.device)
    blocks = z[order].unflatten(0, (n_blocks, size))
    losses = _softplus(blocks @ blocks.transpose(1, 2))  # blocks x size x size
    self_pairs = losses.diagonal(dim1=1, dim2=2).sum()
    return (losses.sum() - self_pairs) / (n_blocks * size * (size - 1))


def _loss_from_mean_pair_loss(mean_pair_loss: Tensor, z: Tensor, target: GraphTarget) -> Tensor:
    """Return the loss, given the mean loss of a pair of two cells as if unconnected."""
    n = target.n_cells
    self_pair = _softplus(z[: target.n_sampled].square().sum(1)).mean()
    total = n * (n - 1) * mean_pair_loss + n * self_pair
    return target.norm / n**2 * (total + positive_pair_correction(z, target))


def positive_pair_correction(z: Tensor, target: GraphTarget) -> Tensor:
    """Return what the entries of Y add to the sum over all pairs as if unconnected."""
    logits = (_select(z, target.rows) * _select(z, target.cols)).sum(1)
    added = target.pos_weight * _softplus(-logits) - _softplus(logits)
    return added.sum() if target.weights is None else (target.weights * added).sum()


def _select(z: Tensor, cells: Tensor) -> Tensor:
    """Return ``z[cells]``, whose gradient is the same in each run on a GPU too."""
    return z.index_select(0, cells) if z.device.type == "cpu" else z[cells]


def kl_divergence(mean: Tensor, log_std: Tensor, n_cells: int) -> Tensor:
    """Return the KL divergence from a standard normal, scaled by 1/N as in the original code."""
    per_unit = 1 + 2 * log_std - mean.square() - (2 * log_std).exp()
    return -0.5 / n_cells * per_unit.sum(1).mean()


def _softplus(x: Tensor) -> Tensor:
    """Return log(1 + eˣ), which is x in float32 beyond 40."""
    return torch.nn.functional.softplus(x, threshold=40)
