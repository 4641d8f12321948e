"""Regularizers of the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from scipy import sparse

from scgnn.components.encoders import Encoder
from scgnn.components.regularizers.contract import ALL_PHASES, ForwardPass, Phase, Regularizer
from scgnn.field_types import NonNegativeFloat, PositiveFloat, PositiveInt
from scgnn.state import State

if TYPE_CHECKING:
    from torch import Tensor


@Regularizer.register("kl")
@dataclass(frozen=True)
class KLDivergence(Regularizer):
    """Divergence of each cell's distribution from the standard normal (Kingma & Welling 2014).

    ``weight · ½ Σ (μ² + σ² − 1 − 2 log σ)``, the β of a β-VAE; wants a variational encoder, vae.

    Parameters
    ----------
    weight
        Factor on the sum over cells and units.
    phases
        Trainings in which it takes part.
    """

    weight: NonNegativeFloat = 1.0
    phases: tuple[Phase, ...] = ALL_PHASES

    def validate_encoder(self, encoder: Encoder) -> None:
        if not encoder.variational:
            raise ValueError(
                f"kl: {encoder.name} gives one point per cell, not a distribution; "
                "set feature_encoder: vae or leave kl out"
            )

    def penalty(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        from scgnn.components.encoders import GaussianPosterior

        posterior = batch.encoder
        assert isinstance(posterior, GaussianPosterior)
        mean, log_sd = posterior.mean, posterior.log_std
        per_unit = mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd
        return self.weight * 0.5 * per_unit.sum()


@Regularizer.register("sparsity")
@dataclass(frozen=True)
class Sparsity(Regularizer):
    """Few active units per cell: ``weight · Σ |z|`` over cells and units of the embedding.

    Parameters
    ----------
    weight
        Factor on the sum.
    phases
        Trainings in which it takes part.
    """

    weight: NonNegativeFloat = 0.1
    phases: tuple[Phase, ...] = ALL_PHASES

    def penalty(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        return self.weight * batch.z.abs().sum()


@Regularizer.register("contrastive")
@dataclass(frozen=True)
class ContrastiveLoss(Regularizer):
    """Neighbours in the graph should be told from other cells by their embeddings (InfoNCE).

    Pairs of linked cells are drawn anew in each step; a cell's neighbour must be more like it, by
    cosine c, than the neighbours of the other pairs: ``−log(exp(c_ii / τ) / Σ_j exp(c_ij / τ))``
    (van den Oord 2018; positives from the graph as in GraphCL-like methods). Loss per pair times
    the cells of the batch, so that it keeps pace with the squared error.

    Parameters
    ----------
    weight
        Factor on the mean loss of a pair times the cells.
    temperature
        Cosines are divided by it.
    n_pairs
        Pairs in a step; memory is pairs x pairs.
    phases
        Trainings in which it takes part.
    """

    weight: NonNegativeFloat = 1.0
    temperature: PositiveFloat = 0.5
    n_pairs: PositiveInt = 512
    phases: tuple[Phase, ...] = ALL_PHASES
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def prepare(self, state: State) -> sparse.csr_matrix:
        assert state.graph is not None
        return sparse.csr_matrix(state.graph)

    def penalty(
        self, batch: ForwardPass, prepared: sparse.csr_matrix, cells: Tensor | None
    ) -> Tensor:
        within = prepared if cells is None else prepared[cells.numpy()][:, cells.numpy()]
        links = within.tocoo()
        if not links.nnz:
            return batch.z.sum() * 0
        drawn = torch.randint(links.nnz, (min(self.n_pairs, links.nnz),)).numpy()
        ends = (torch.from_numpy(end[drawn].astype("int64")) for end in (links.row, links.col))
        one, other = (torch.nn.functional.normalize(batch.z[end], dim=1) for end in ends)
        likeness = one @ other.T / self.temperature  # pairs x pairs
        pair = torch.nn.functional.cross_entropy(likeness, torch.arange(len(likeness)))
        return self.weight * len(batch.z) * pair
