"""Regularizers of the reconstruction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from scipy import sparse

from scgnn.components.ltmg import LTMG
from scgnn.components.regularizers.contract import ForwardPass, Regularizer, WeightedSquaredError
from scgnn.execution.hardware import current_hardware
from scgnn.field_types import NonNegativeFloat
from scgnn.state import State
from scgnn.training.device import select_rows
from scgnn.training.fit import DenseRows

if TYPE_CHECKING:
    from torch import Tensor

    from scgnn.components.encoders.message_graph import MessageGraph


@Regularizer.register("ltmg")
@dataclass(frozen=True)
class LTMGWeightedError(LTMG, WeightedSquaredError):
    """Squared error weighted by the LTMG state T of each value: ``weight · Σ T ∘ (x − x̂)²``.

    Higher states have larger weights, and values that are not expressed (T = 0) have none (scGNN,
    eq. 1). The mixture is fitted during the run (see :class:`scgnn.components.ltmg.LTMG`).

    Parameters
    ----------
    weight
        α of the paper; ``reconstruction_weight`` is 1 − α.
    """

    input: Literal["counts", "log"] = "log"
    weight: NonNegativeFloat = 0.9
    requires: ClassVar[frozenset[str]] = frozenset({"ltmg_states"})

    def to_ltmg(self) -> LTMG:
        """Return the mixture model without the settings of the regularizer."""
        return LTMG(**{field.name: getattr(self, field.name) for field in fields(LTMG)})

    def prepare(self, state: State) -> DenseRows:
        return DenseRows(sparse.csr_matrix(state.ltmg_states, dtype=np.float32))

    def compute_weights(self, prepared: DenseRows, cells: Tensor | None) -> Tensor:
        return prepared[cells]


@Regularizer.register("ltmg_binary")
@dataclass(frozen=True)
class BinaryLTMGWeightedError(LTMGWeightedError):
    """Squared error on expressed values only: ``weight · Σ [T > 0] ∘ (x − x̂)²`` (LTMG01).

    Parameters
    ----------
    weight
        α of the paper; ``reconstruction_weight`` is 1 − α.
    """

    def prepare(self, state: State) -> DenseRows:
        assert state.ltmg_states is not None
        return DenseRows(sparse.csr_matrix(state.ltmg_states > 0, dtype=np.float32))


@dataclass(frozen=True)
class CellWeightedError(WeightedSquaredError):
    """A squared error with one weight for each cell.

    Parameters
    ----------
    normalized
        Whether the rows of the matrix are first divided by their sums, as in scGNN 2.0.
    """

    normalized: bool = False

    def compute_weights(self, prepared: Tensor, cells: Tensor | None) -> Tensor:
        return select_rows(prepared, cells)[:, None]


@Regularizer.register("degree")
@dataclass(frozen=True)
class DegreeWeightedError(CellWeightedError):
    """Squared error of each cell times its degree in the graph: scGNN's graph term.

    ``weight · Σ_j deg(j) Σ_g (x − x̂)²_jg``, which equals ``Σ A ∘ …`` of the paper without a dense
    cells x cells matrix.

    Parameters
    ----------
    weight
        γ1 of the paper.
    normalized
        Whether the rows of A are first divided by their sums, as in scGNN 2.0.
    """

    weight: NonNegativeFloat = 0.3
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    needs_all_cells: ClassVar[str] = ""

    def prepare(self, state: State) -> Tensor:
        assert state.graph is not None
        graph = normalize_rows(state.graph) if self.normalized else state.graph
        return torch.as_tensor(np.asarray(graph.sum(axis=0), dtype=np.float32).ravel())


@Regularizer.register("cluster_size")
@dataclass(frozen=True)
class ClusterSizeWeightedError(CellWeightedError):
    """Squared error of each cell times the size of its cluster: scGNN's cell type term.

    ``weight · Σ_j |C_j| Σ_g (x − x̂)²_jg`` with C_j the cluster of cell j.

    Parameters
    ----------
    weight
        γ2 of the paper.
    normalized
        Whether the rows of the cluster matrix are first divided by their sums, as in scGNN 2.0:
        then every cell has the same weight.
    """

    weight: NonNegativeFloat = 0.1
    requires: ClassVar[frozenset[str]] = frozenset({"clusters"})
    needs_all_cells: ClassVar[str] = ""

    def prepare(self, state: State) -> Tensor:
        assert state.clusters is not None
        sizes = np.bincount(state.clusters)[state.clusters].astype(np.float32)
        return torch.as_tensor(np.ones_like(sizes) if self.normalized else sizes)


@Regularizer.register("graph_smooth")
@dataclass(frozen=True)
class GraphSmoothness(Regularizer):
    """Distance of each cell from the mean of its neighbors: ``weight · ‖Â x̂ − x‖²``.

    Â is the graph with rows that sum to 1. The smoothing that scGNN's graph term suggests but does
    not compute. Neighbors outside a batch are ignored, and isolated cells have no term.

    Parameters
    ----------
    weight
        Factor on the sum over cells and genes.
    """

    weight: NonNegativeFloat = 0.3
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def prepare(self, state: State) -> tuple[sparse.csr_matrix, MessageGraph]:
        graph = sparse.csr_matrix(state.graph, dtype=np.float32)
        return graph, _make_mean_graph(graph)

    def loss(
        self,
        batch: ForwardPass,
        prepared: tuple[sparse.csr_matrix, MessageGraph],
        cells: Tensor | None,
    ) -> Tensor:
        graph, means = prepared
        if cells is not None:
            means = _make_mean_graph(graph[cells.numpy()][:, cells.numpy()])
        smoothed = means.sum_neighbors(batch.x_hat, means.weights)  # batch x genes
        is_connected = (means.degree > 0)[:, None]
        return self.weight * ((smoothed - batch.x) * is_connected).square().sum()


def normalize_rows(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    """Divide the rows of a graph by their sums; empty rows stay empty."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / np.where(degree > 0, degree, 1)) @ graph)


def _make_mean_graph(graph: sparse.csr_matrix) -> MessageGraph:
    """Return a graph whose sums over neighbors are means, on the device of the stage."""
    from scgnn.components.encoders.message_graph import MessageGraph

    means = MessageGraph.from_csr(normalize_rows(graph), add_self_loops=False)
    return means.to(current_hardware().device)


@Regularizer.register("nonzero_error")
@dataclass(frozen=True)
class NonzeroError(Regularizer):
    """Error norm on the non-zero values: ``weight · ‖(x − x̂) ∘ [x ≠ 0]‖`` (scGNN 2.0).

    Parameters
    ----------
    weight
        Factor on the Frobenius norm over a batch.
    """

    def loss(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        return self.weight * torch.linalg.vector_norm((batch.x_hat - batch.x) * (batch.x != 0))
