"""Stops: when the iterations have said all they will say. True labels are out of reach here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from scgnn.field_types import Fraction, NonNegativeFloat, PositiveInt
from scgnn.registry.component import Component
from scgnn.state import Snapshot


class StoppingRule(Component, kind="stop"):
    """Decides after each iteration whether another one follows."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        """Why to stop, or "" to go on; ``rounds`` begins with the one before any iteration."""
        raise NotImplementedError


def compute_last_ari(snapshots: Sequence[Snapshot]) -> float:
    """ARI between the labels of the last two rounds."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(snapshots[-2].clusters, snapshots[-1].clusters))


def compute_ari_history(snapshots: Sequence[Snapshot]) -> list[float]:
    """ARI between each round and the one before."""
    return [compute_last_ari(pair) for pair in pairwise(snapshots)]


def compute_graph_change(snapshots: Sequence[Snapshot]) -> float:
    """``mean |A_t − A_{t−1}| / mean |A_0|``, ``A_t = ½ L_0 + ½ Â_t``, ``A_0 = L_0``.

    L_0 = D^-1/2 G_0 D^-1/2 of the first graph and Â_t the column-normalised graph of round t;
    cells keep their order (scGNN, scGNN.py:674, does not). NaN without graphs.
    """
    if len(snapshots) < 2 or any(r.graph is None for r in (snapshots[0], *snapshots[-2:])):
        return float("nan")
    first = _normalize_symmetric(snapshots[0].graph)
    size = abs(first).sum()
    before = (
        first
        if len(snapshots) == 2
        else 0.5 * first + 0.5 * _normalize_columns(snapshots[-2].graph)
    )
    now = 0.5 * first + 0.5 * _normalize_columns(snapshots[-1].graph)
    return float(abs(now - before).sum() / size) if size else 0.0


def _compute_degrees(graph: sparse.csr_matrix) -> np.ndarray:
    degrees = np.asarray(graph.sum(axis=0), dtype=float).ravel()
    return np.where(degrees > 0, degrees, 1.0)  # an isolated cell has no entries to divide


def _normalize_symmetric(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    scale = sparse.diags(1 / np.sqrt(_compute_degrees(graph)))
    return sparse.csr_matrix(scale @ graph @ scale)


def _normalize_columns(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.csr_matrix(graph @ sparse.diags(1 / _compute_degrees(graph)))


def _explain_cluster_convergence(snapshots: Sequence[Snapshot], min_ari: float) -> str:
    now = compute_last_ari(snapshots)
    return f"labels stand still (ARI {now:.3f} > {min_ari:g})" if now > min_ari else ""


def _explain_graph_convergence(snapshots: Sequence[Snapshot], tolerance: float) -> str:
    now = compute_graph_change(snapshots)
    return f"graph stands still (change {now:.4f} < {tolerance:g})" if now < tolerance else ""


@StoppingRule.register("clusters")
@dataclass(frozen=True)
class ClusterConvergence(StoppingRule):
    """Stops when two rounds in a row give nearly the same clusters.

    ``ARI(labels_t, labels_{t−1}) > min_ari``: scGNN's rule.

    Parameters
    ----------
    min_ari
        Adjusted Rand index between them that must be passed.
    """

    min_ari: Fraction = 0.99

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        return _explain_cluster_convergence(snapshots, self.min_ari)


@StoppingRule.register("graph")
@dataclass(frozen=True)
class GraphConvergence(StoppingRule):
    """Stops when the graph changes little from one round to the next.

    ``mean |A_t − A_{t−1}| < tolerance · mean |A_0|`` with ``A_t = ½ L_0 + ½ Â_t``: the graph rule of
    scGNN's code, L_0 the first graph, symmetrically normalised, Â_t the present one, by columns.

    Parameters
    ----------
    tolerance
        Mean change of the smoothed graph, as a share of the first graph's mean, not to be reached.
    """

    tolerance: NonNegativeFloat = 0.01

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        return _explain_graph_convergence(snapshots, self.tolerance)


@dataclass(frozen=True)
class CombinedConvergence(StoppingRule):
    """What rules for labels and graph share.

    Parameters
    ----------
    min_ari
        Adjusted Rand index between the labels of two rounds that must be passed.
    tolerance
        Mean change of the smoothed graph, as a share of the first graph's mean, not to be reached.
    """

    min_ari: Fraction = 0.99
    tolerance: NonNegativeFloat = 0.01

    def collect_reasons(self, snapshots: Sequence[Snapshot]) -> tuple[str, str]:
        """Why the labels and why the graph say to stop."""
        return _explain_cluster_convergence(snapshots, self.min_ari), _explain_graph_convergence(
            snapshots, self.tolerance
        )


@StoppingRule.register("all_of")
@dataclass(frozen=True)
class AllOf(CombinedConvergence):
    """Stops when labels and graph both stand still: the rules of ``clusters`` and ``graph``."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        reasons = self.collect_reasons(snapshots)
        return " and ".join(reasons) if all(reasons) else ""


@StoppingRule.register("any_of")
@dataclass(frozen=True)
class AnyOf(CombinedConvergence):
    """Stops when labels or graph stand still: the rules of ``clusters`` and ``graph``."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        return " and ".join(filter(None, self.collect_reasons(snapshots)))


@StoppingRule.register("plateau")
@dataclass(frozen=True)
class Plateau(StoppingRule):
    """Stops when the labels of successive rounds have ceased to agree better and better.

    The agreement is the adjusted Rand index between a round and the one before; it need not be
    high, as where the clusters keep changing without coming to rest.

    Parameters
    ----------
    patience
        Rounds in a row whose agreement does not pass the best one before them.
    """

    patience: PositiveInt = 3

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        found = compute_ari_history(snapshots)
        before, lately = found[: -self.patience], found[-self.patience :]
        if not before or max(lately) > max(before):
            return ""
        return f"labels agree no better for {self.patience} rounds (best ARI {max(before):.3f})"


@StoppingRule.register("never")
@dataclass(frozen=True)
class NeverStop(StoppingRule):
    """Goes on until the last iteration."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        return ""
