"""Stopping rules; ``reference/`` compares their formulas with the published code."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from scgnn.components.stopping import (
    AllOf,
    AnyOf,
    ClusterConvergence,
    GraphConvergence,
    NeverStop,
    Plateau,
    StoppingRule,
    compute_ari_history,
    compute_graph_change,
    compute_last_ari,
)
from scgnn.state import Snapshot

CLUSTERS = np.arange(30) % 3
RING = sparse.csr_matrix(np.roll(np.eye(30), 1, 1) + np.roll(np.eye(30), -1, 1))
SKIPS = sparse.csr_matrix(np.roll(np.eye(30), 7, 1) + np.roll(np.eye(30), -7, 1))


def drifting(*wrong, graph=None):
    """Return snapshots, each with some number of cells in another cluster than CLUSTERS."""
    snapshots = []
    for n in wrong:
        clusters = CLUSTERS.copy()
        clusters[:n] = (clusters[:n] + 1) % 3
        snapshots.append(Snapshot(graph, clusters))
    return snapshots


@pytest.mark.parametrize("name", StoppingRule.names())
def test_rule_returns_a_reason_or_an_empty_string(name):
    snapshots = drifting(0, 9, graph=RING)
    assert isinstance(StoppingRule.get(name)()(snapshots), str)


@pytest.mark.parametrize("name", sorted(set(StoppingRule.names()) - {"never"}))
def test_rule_stops_what_has_converged(name):
    assert StoppingRule.get(name)()(drifting(*[0] * 6, graph=RING))


@pytest.mark.parametrize("name", StoppingRule.names())
def test_rule_accepts_snapshots_without_graphs(name):
    StoppingRule.get(name)()([Snapshot(None, CLUSTERS), *drifting(9, 3)])


def test_clusters_have_converged_when_their_ari_exceeds_the_threshold():
    snapshots = drifting(0, 1)
    ari = adjusted_rand_score(snapshots[0].clusters, snapshots[1].clusters)
    assert compute_last_ari(snapshots) == ari
    assert (
        ClusterConvergence(min_ari=ari - 1e-9)(snapshots)
        == f"clusters converged (ARI {ari:.3f} > {ari:g})"
    )
    assert ClusterConvergence(min_ari=ari)(snapshots) == ""


def test_graph_has_converged_when_its_change_is_below_the_threshold():
    snapshots = [Snapshot(RING, CLUSTERS), Snapshot(SKIPS, CLUSTERS)]
    change = compute_graph_change(snapshots)
    assert change > 0.1
    assert GraphConvergence(tolerance=change + 1e-9)(snapshots).startswith("graph converged")
    assert GraphConvergence(tolerance=change)(snapshots) == ""


def test_all_of_requires_both_rules_and_any_of_one():
    clusters_only = [Snapshot(RING, CLUSTERS), Snapshot(SKIPS, CLUSTERS)]
    graph_only = drifting(0, 15, graph=RING)
    for snapshots in (clusters_only, graph_only):
        assert AllOf()(snapshots) == ""
        assert AnyOf()(snapshots)
    reason = AllOf()(drifting(0, 0, graph=RING))
    assert "clusters converged" in reason and " and graph converged" in reason


def test_ari_history_compares_successive_snapshots():
    snapshots = drifting(0, 9, 4, 4)
    expected = [adjusted_rand_score(a.clusters, b.clusters) for a, b in pairwise(snapshots)]
    assert compute_ari_history(snapshots) == expected


def test_plateau_continues_while_the_agreement_increases():
    assert Plateau(patience=2)(drifting(0, 15, 6, 2, 0)) == ""


def test_plateau_stops_after_patience_iterations_without_an_increase():
    snapshots = drifting(0, 3, 9, 15, 9)  # agreements 0.7, then lower ones
    assert compute_ari_history(snapshots)[0] > max(compute_ari_history(snapshots)[1:])
    assert Plateau(patience=4)(snapshots) == ""
    stopped = Plateau(patience=3)(snapshots)
    best = compute_ari_history(snapshots)[0]
    assert stopped == f"cluster agreement has not increased for 3 iterations (best ARI {best:.3f})"
    assert Plateau(patience=3)(snapshots[:-1]) == ""


def test_plateau_ends_with_one_better_agreement():
    snapshots = drifting(0, 9, 0, 9, 9)
    assert Plateau(patience=3)(snapshots) == ""


def test_plateau_ignores_graphs():
    snapshots = drifting(0, 3, 9, 15, 9)
    with_graphs = [snapshots[0], *(Snapshot(RING, r.clusters) for r in snapshots[1:])]
    assert Plateau()(with_graphs) == Plateau()(snapshots)


def test_never_continues_after_convergence():
    assert NeverStop()(drifting(*[0] * 20, graph=RING)) == ""
