"""Regularizers of the reconstruction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from scipy import sparse

from scgnn.components.ltmg import LTMG
from scgnn.components.regularizers.contract import (
    ALL_PHASES,
    Phase,
    Regularizer,
    WeightedSquaredError,
)
from scgnn.field_types import NonNegativeFloat
from scgnn.state import State
from scgnn.training.fit import DenseRows

if TYPE_CHECKING:
    from torch import Tensor


@Regularizer.register("ltmg")
@dataclass(frozen=True)
class LTMGWeightedError(LTMG, WeightedSquaredError):
    """Squared error weighted by the LTMG state T of each value: ``weight · Σ T ∘ (x − x̂)²``.

    Values in higher states count more, values "not expressed" (T = 0) not at all (scGNN, eq. 1).
    The states are fitted inside the run (see :class:`scgnn.components.ltmg.LTMG`).

    Parameters
    ----------
    weight
        α of the paper; the plain squared error has ``reconstruction_weight`` = 1 − α.
    phases
        Trainings in which it takes part.
    """

    input: Literal["counts", "log"] = "log"
    weight: NonNegativeFloat = 0.9
    phases: tuple[Phase, ...] = ALL_PHASES
    requires: ClassVar[frozenset[str]] = frozenset({"ltmg_states"})

    def to_ltmg(self) -> LTMG:
        """The mixture model alone, which decides the states."""
        return LTMG(**{field.name: getattr(self, field.name) for field in fields(LTMG)})

    def prepare(self, state: State) -> DenseRows:
        assert state.ltmg_states is not None
        return DenseRows(sparse.csr_matrix(state.ltmg_states, dtype=np.float32))

    def compute_weights(self, prepared: DenseRows, cells: Tensor | None) -> Tensor:
        return prepared[cells]


@Regularizer.register("ltmg_binary")
@dataclass(frozen=True)
class BinaryLTMGWeightedError(LTMGWeightedError):
    """Squared error on expressed values alone: ``weight · Σ [T > 0] ∘ (x − x̂)²`` (LTMG01).

    Parameters
    ----------
    weight
        α of the paper.
    phases
        Trainings in which it takes part.
    """

    def prepare(self, state: State) -> DenseRows:
        assert state.ltmg_states is not None
        return DenseRows(sparse.csr_matrix(state.ltmg_states > 0, dtype=np.float32))


def _select_cells(values: Tensor, cells: Tensor | None) -> Tensor:
    """A number for each cell of a batch, one column."""
    return (values if cells is None else values[cells])[:, None]


@Regularizer.register("degree")
@dataclass(frozen=True)
class DegreeWeightedError(WeightedSquaredError):
    """Squared error of a cell times its degree: scGNN's graph term, worked out.

    ``Σ A ∘ …`` of the paper is exactly ``Σ_j deg(j) Σ_g (x − x̂)²_jg``; no cells x cells matrix.

    Parameters
    ----------
    weight
        γ1 of the paper.
    normalized
        Whether the rows of A are first divided by their sums, as in scGNN 2.0.
    phases
        Trainings in which it takes part.
    """

    weight: NonNegativeFloat = 0.3
    normalized: bool = False
    phases: tuple[Phase, ...] = ALL_PHASES
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def prepare(self, state: State) -> Tensor:
        assert state.graph is not None
        graph = normalize_rows(state.graph) if self.normalized else state.graph
        return torch.as_tensor(np.asarray(graph.sum(axis=0), dtype=np.float32).ravel())

    def compute_weights(self, prepared: Tensor, cells: Tensor | None) -> Tensor:
        return _select_cells(prepared, cells)


@Regularizer.register("cluster_size")
@dataclass(frozen=True)
class ClusterSizeWeightedError(WeightedSquaredError):
    """Squared error of a cell times the size of its cluster: scGNN's cell type term, worked out.

    ``weight · Σ_j |C_j| Σ_g (x − x̂)²_jg``, C_j the cluster of cell j.

    Parameters
    ----------
    weight
        γ2 of the paper.
    normalized
        Whether the rows of the cluster matrix are first divided by their sums, as in scGNN 2.0:
        every cell then counts the same.
    phases
        Trainings in which it takes part.
    """

    weight: NonNegativeFloat = 0.1
    normalized: bool = False
    phases: tuple[Phase, ...] = ALL_PHASES
    requires: ClassVar[frozenset[str]] = frozenset({"clusters"})

    def prepare(self, state: State) -> Tensor:
        assert state.clusters is not None
        sizes = np.bincount(state.clusters)[state.clusters].astype(np.float32)
        return torch.as_tensor(np.ones_like(sizes) if self.normalized else sizes)

    def compute_weights(self, prepared: Tensor, cells: Tensor | None) -> Tensor:
        return _select_cells(prepared, cells)


@Regularizer.register("graph_smooth")
@dataclass(frozen=True)
class GraphSmoothness(Regularizer):
    """A cell's neighbours should rebuild it: ``weight · ‖Â x̂ − x‖²``, Â with rows that sum to 1.

    What the graph term of scGNN's paper reads like, and is not. Neighbours outside a batch are
    left out; an isolated cell has no term.

    Parameters
    ----------
    weight
        Factor on the sum over cells and genes.
    phases
        Trainings in which it takes part.
    """

    weight: NonNegativeFloat = 0.3
    phases: tuple[Phase, ...] = ALL_PHASES
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def prepare(self, state: State) -> sparse.csr_matrix:
        return sparse.csr_matrix(state.graph, dtype=np.float32)

    def loss(
        self, x_hat: Tensor, x: Tensor, prepared: sparse.csr_matrix, cells: Tensor | None
    ) -> Tensor:
        within = prepared if cells is None else prepared[cells.numpy()][:, cells.numpy()]
        linked = torch.as_tensor(np.diff(within.indptr) > 0)
        smoothed = torch.sparse.mm(_to_torch_coo(normalize_rows(within)).to(x.dtype), x_hat)
        return self.weight * (smoothed - x)[linked].square().sum()


def normalize_rows(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    """The graph with rows that sum to 1; those without entries stay empty."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / np.where(degree > 0, degree, 1)) @ graph)


def _to_torch_coo(matrix: sparse.csr_matrix) -> Tensor:
    coo = matrix.tocoo()
    index = torch.as_tensor(np.vstack([coo.row, coo.col]).astype(np.int64))
    values = torch.as_tensor(coo.data)
    return torch.sparse_coo_tensor(index, values, coo.shape, check_invariants=True).coalesce()


@Regularizer.register("nonzero_error")
@dataclass(frozen=True)
class NonzeroError(Regularizer):
    """Distance on the expressed values: ``weight · ‖(x − x̂) ∘ [x ≠ 0]‖`` (scGNN 2.0).

    Parameters
    ----------
    weight
        Factor on the Frobenius norm over a batch.
    phases
        Trainings in which it takes part.
    """

    weight: NonNegativeFloat = 1.0
    phases: tuple[Phase, ...] = ALL_PHASES

    def loss(self, x_hat: Tensor, x: Tensor, prepared: None, cells: Tensor | None) -> Tensor:
        return self.weight * torch.linalg.vector_norm((x_hat - x) * (x != 0))
