"""Rules that stop the iterations. They have no access to true labels."""

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
    """A decision after each iteration whether to stop."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        """Return the reason to stop, or "" to continue.

        Parameters
        ----------
        snapshots
            Graph and clusters before the first iteration and after each one. Graphs between the
            first and the last two are None.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")


def compute_last_ari(snapshots: Sequence[Snapshot]) -> float:
    """Return the adjusted Rand index between the clusters of the last two snapshots."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(snapshots[-2].clusters, snapshots[-1].clusters))


def compute_ari_history(snapshots: Sequence[Snapshot]) -> list[float]:
    """Return the adjusted Rand index between each snapshot and the one before."""
    return [compute_last_ari(pair) for pair in pairwise(snapshots)]


def compute_graph_change(snapshots: Sequence[Snapshot]) -> float:
    """Return ``mean |A_t − A_{t−1}| / mean |A_0|`` of smoothed graphs, NaN without graphs.

    ``A_t = ½ L_0 + ½ Â_t`` and ``A_0 = L_0``, where ``L_0 = D^-1/2 G_0 D^-1/2`` is the first graph
    and Â_t the column-normalized graph of iteration t. Cells keep their order, which they do not in
    the published code (scGNN.py:674).
    """
    graphs = [snapshot.graph for snapshot in (snapshots[0], *snapshots[-2:])]
    if len(snapshots) < 2 or any(graph is None for graph in graphs):
        return float("nan")
    first = _normalize_symmetric(graphs[0])
    scale = abs(first).sum()
    before = 0.5 * first + 0.5 * _normalize_columns(graphs[1]) if len(snapshots) > 2 else first
    now = 0.5 * first + 0.5 * _normalize_columns(graphs[2])
    return float(abs(now - before).sum() / scale) if scale else 0.0


def _compute_degrees(graph: sparse.csr_matrix) -> np.ndarray:
    degrees = np.asarray(graph.sum(axis=0), dtype=float).ravel()
    return np.where(degrees > 0, degrees, 1.0)  # an isolated cell has no entries to divide


def _normalize_symmetric(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    scale = sparse.diags(1 / np.sqrt(_compute_degrees(graph)))
    return sparse.csr_matrix(scale @ graph @ scale)


def _normalize_columns(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.csr_matrix(graph @ sparse.diags(1 / _compute_degrees(graph)))


@StoppingRule.register("clusters")
@dataclass(frozen=True)
class ClusterConvergence(StoppingRule):
    """Stop when the clusters of two iterations agree: ``ARI(C_t, C_{t−1}) > min_ari`` (scGNN).

    Parameters
    ----------
    min_ari
        Adjusted Rand index that must be exceeded.
    """

    min_ari: Fraction = 0.99

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        if (ari := compute_last_ari(snapshots)) > self.min_ari:
            return f"clusters converged (ARI {ari:.3f} > {self.min_ari:g})"
        return ""


@StoppingRule.register("graph")
@dataclass(frozen=True)
class GraphConvergence(StoppingRule):
    """Stop when the graph changes little from one iteration to the next.

    ``mean |A_t − A_{t−1}| < tolerance · mean |A_0|`` with ``A_t = ½ L_0 + ½ Â_t``, the graph rule
    of scGNN's code; L_0 is the symmetrically normalized first graph, Â_t the column-normalized
    graph of iteration t.

    Parameters
    ----------
    tolerance
        Mean change of the smoothed graph, as a fraction of the first graph's mean, below which the
        iterations stop.
    """

    tolerance: NonNegativeFloat = 0.01

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        if (change := compute_graph_change(snapshots)) < self.tolerance:
            return f"graph converged (change {change:.4f} < {self.tolerance:g})"
        return ""


@dataclass(frozen=True)
class CombinedConvergence(StoppingRule):
    """The common part of rules for both clusters and graph.

    Parameters
    ----------
    min_ari
        Adjusted Rand index between the clusters of two iterations that must be exceeded.
    tolerance
        Mean change of the smoothed graph, as a fraction of the first graph's mean, that must not be
        reached.
    """

    min_ari: Fraction = 0.99
    tolerance: NonNegativeFloat = 0.01

    def collect_reasons(self, snapshots: Sequence[Snapshot]) -> list[str]:
        """Return the reasons to stop of the rules ``clusters`` and ``graph``, "" for none."""
        rules = ClusterConvergence(self.min_ari), GraphConvergence(self.tolerance)
        return [rule(snapshots) for rule in rules]


@StoppingRule.register("all_of")
@dataclass(frozen=True)
class AllOf(CombinedConvergence):
    """Stop when clusters and graph have converged, by the rules ``clusters`` and ``graph``."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        reasons = self.collect_reasons(snapshots)
        return " and ".join(reasons) if all(reasons) else ""


@StoppingRule.register("any_of")
@dataclass(frozen=True)
class AnyOf(CombinedConvergence):
    """Stop when clusters or graph have converged, by the rules ``clusters`` and ``graph``."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        return " and ".join(filter(None, self.collect_reasons(snapshots)))


@StoppingRule.register("plateau")
@dataclass(frozen=True)
class Plateau(StoppingRule):
    """Stop when the agreement between the clusters of successive iterations no longer increases.

    The agreement, the adjusted Rand index, need not be high: clusters may keep changing.

    Parameters
    ----------
    patience
        Iterations in a row whose agreement does not exceed the best one before them.
    """

    patience: PositiveInt = 3

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        history = compute_ari_history(snapshots)
        before, last = history[: -self.patience], history[-self.patience :]
        if not before or max(last) > max(before):
            return ""
        return (
            f"cluster agreement has not increased for {self.patience} iterations "
            f"(best ARI {max(before):.3f})"
        )


@StoppingRule.register("never")
@dataclass(frozen=True)
class NeverStop(StoppingRule):
    """Continue until the maximum number of iterations."""

    def __call__(self, snapshots: Sequence[Snapshot]) -> str:
        return ""
