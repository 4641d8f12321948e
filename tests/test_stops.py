"""When the iterations stop. The formulas are compared with the published code in reference/."""

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

LABELS = np.arange(30) % 3
RING = sparse.csr_matrix(np.roll(np.eye(30), 1, 1) + np.roll(np.eye(30), -1, 1))
SKIPS = sparse.csr_matrix(np.roll(np.eye(30), 7, 1) + np.roll(np.eye(30), -7, 1))


def drifting(*wrong, graph=None):
    """Rounds of which each has so many cells in another cluster than LABELS says."""
    rounds = []
    for number in wrong:
        labels = LABELS.copy()
        labels[:number] = (labels[:number] + 1) % 3
        rounds.append(Snapshot(graph, labels))
    return rounds


@pytest.mark.parametrize("name", StoppingRule.names())
def test_a_stop_says_why_or_nothing(name):
    rounds = drifting(0, 9, graph=RING)
    assert isinstance(StoppingRule.get(name)()(rounds), str)


@pytest.mark.parametrize("name", sorted(set(StoppingRule.names()) - {"never"}))
def test_what_stands_still_is_stopped(name):
    assert StoppingRule.get(name)()(drifting(*[0] * 6, graph=RING))


@pytest.mark.parametrize("name", sorted(set(StoppingRule.names()) - {"graph", "both"}))
def test_rounds_without_graphs_are_understood(name):
    StoppingRule.get(name)()([Snapshot(None, LABELS), *drifting(9, 3)])


def test_labels_stand_when_their_agreement_passes_the_threshold():
    rounds = drifting(0, 1)
    ari = adjusted_rand_score(rounds[0].labels, rounds[1].labels)
    assert compute_last_ari(rounds) == ari
    assert (
        ClusterConvergence(min_ari=ari - 1e-9)(rounds)
        == f"labels stand still (ARI {ari:.3f} > {ari:g})"
    )
    assert ClusterConvergence(min_ari=ari)(rounds) == ""


def test_the_graph_stands_when_its_change_is_below_the_threshold():
    rounds = [Snapshot(RING, LABELS), Snapshot(SKIPS, LABELS)]
    change = compute_graph_change(rounds)
    assert change > 0.1
    assert GraphConvergence(tolerance=change + 1e-9)(rounds).startswith("graph stands still")
    assert GraphConvergence(tolerance=change)(rounds) == ""


def test_both_need_both_and_either_one():
    labels_only = [Snapshot(RING, LABELS), Snapshot(SKIPS, LABELS)]
    graph_only = drifting(0, 15, graph=RING)
    for rounds in (labels_only, graph_only):
        assert AllOf()(rounds) == ""
        assert AnyOf()(rounds)
    reason = AllOf()(drifting(0, 0, graph=RING))
    assert "labels stand still" in reason and " and graph stands still" in reason


def test_agreements_are_those_of_successive_rounds():
    rounds = drifting(0, 9, 4, 4)
    expected = [adjusted_rand_score(a.labels, b.labels) for a, b in pairwise(rounds)]
    assert compute_ari_history(rounds) == expected


def test_plateau_goes_on_while_the_agreement_rises():
    assert Plateau(patience=2)(drifting(0, 15, 6, 2, 0)) == ""


def test_plateau_stops_after_patience_rounds_without_a_rise():
    rounds = drifting(0, 3, 9, 15, 9)  # agreements 0.7, then lower ones
    assert compute_ari_history(rounds)[0] > max(compute_ari_history(rounds)[1:])
    assert Plateau(patience=4)(rounds) == ""
    stopped = Plateau(patience=3)(rounds)
    best = compute_ari_history(rounds)[0]
    assert stopped == f"labels agree no better for 3 rounds (best ARI {best:.3f})"
    assert Plateau(patience=3)(rounds[:-1]) == ""


def test_a_plateau_is_left_by_one_round_that_agrees_better():
    rounds = drifting(0, 9, 0, 9, 9)
    assert Plateau(patience=3)(rounds) == ""


def test_plateau_does_not_look_at_graphs():
    rounds = drifting(0, 3, 9, 15, 9)
    with_graphs = [rounds[0], *(Snapshot(RING, r.labels) for r in rounds[1:])]
    assert Plateau()(with_graphs) == Plateau()(rounds)


def test_never_goes_on_whatever_stands_still():
    assert NeverStop()(drifting(*[0] * 20, graph=RING)) == ""
