"""Regularizers of the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from scipy import sparse

from scgnn.components.encoders import Encoder
from scgnn.components.regularizers.contract import ForwardPass, Regularizer
from scgnn.field_types import NonNegativeFloat, PositiveFloat, PositiveInt
from scgnn.seeding import torch_generator
from scgnn.state import State
from scgnn.training.device import move

if TYPE_CHECKING:
    from torch import Tensor


@Regularizer.register("kl")
@dataclass(frozen=True)
class KLDivergence(Regularizer):
    """KL divergence of each cell's posterior from the standard normal (Kingma & Welling 2014).

    ``weight · ½ Σ (μ² + σ² − 1 − 2 log σ)``, where the weight is the β of a β-VAE. Requires a
    variational encoder such as vae.

    Parameters
    ----------
    weight
        Factor on the sum over cells and units.
    """

    acts_on: ClassVar[Literal["encoder"]] = "encoder"
    needs_all_cells: ClassVar[str] = ""

    def validate_encoder(self, encoder: Encoder) -> None:
        if not encoder.variational:
            raise ValueError(
                f"kl: {encoder.name} is not a variational encoder; set feature_encoder: vae or "
                "remove kl"
            )

    def loss(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        from scgnn.components.encoders.networks import GaussianPosterior

        assert isinstance(batch.encoder, GaussianPosterior)
        mean, log_std = batch.encoder.mean, batch.encoder.log_std
        per_unit = mean.square() + (2 * log_std).exp() - 1 - 2 * log_std
        return self.weight * 0.5 * per_unit.sum()


@Regularizer.register("sparsity")
@dataclass(frozen=True)
class Sparsity(Regularizer):
    """L1 norm of the embedding: ``weight · Σ |z|``.

    Parameters
    ----------
    weight
        Factor on the sum over cells and units.
    """

    weight: NonNegativeFloat = 0.1
    acts_on: ClassVar[Literal["embedding"]] = "embedding"
    needs_all_cells: ClassVar[str] = ""

    def loss(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        return self.weight * batch.z.abs().sum()


@Regularizer.register("contrastive")
@dataclass(frozen=True)
class ContrastiveLoss(Regularizer):
    """InfoNCE with graph neighbors as positive pairs (van den Oord et al. 2018).

    Every step samples edges of the graph. With c the cosine similarities between the first cells
    and the second cells of these pairs, the loss of pair i is
    ``−log(exp(c_ii / τ) / Σ_j exp(c_ij / τ))``. The mean over pairs is multiplied by the number of
    cells in the batch, so that it scales as the squared error does.

    Parameters
    ----------
    weight
        Factor on the mean loss of a pair times the number of cells.
    temperature
        τ, the divisor of the cosine similarities.
    n_pairs
        Pairs sampled in each step; memory is n_pairs².
    """

    temperature: PositiveFloat = 0.5
    n_pairs: PositiveInt = 512
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    acts_on: ClassVar[Literal["embedding"]] = "embedding"

    def prepare(self, state: State) -> sparse.csr_matrix:
        return sparse.csr_matrix(state.graph)

    def loss(self, batch: ForwardPass, prepared: sparse.csr_matrix, cells: Tensor | None) -> Tensor:
        edges = (prepared if cells is None else prepared[cells.numpy()][:, cells.numpy()]).tocoo()
        if not edges.nnz:
            return batch.z.sum() * 0
        shape = (min(self.n_pairs, edges.nnz),)
        sample = torch.randint(edges.nnz, shape, generator=torch_generator()).numpy()
        device = batch.z.device
        ends = (torch.from_numpy(end[sample].astype("int64")) for end in (edges.row, edges.col))
        chosen = (batch.z[move(end, device)] for end in ends)
        first, second = (torch.nn.functional.normalize(z, dim=1) for z in chosen)
        similarity = first @ second.T / self.temperature  # pairs x pairs
        positives = torch.arange(len(similarity), device=device)
        per_pair = torch.nn.functional.cross_entropy(similarity, positives)
        return self.weight * len(batch.z) * per_pair
