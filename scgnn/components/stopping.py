"""Stops: when the iterations have said all they will say. True labels are out of reach here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from scgnn.field_types import Positive, Share, Weight
from scgnn.registry.component import Component
from scgnn.state import Round


class Stop(Component, kind="stop"):
    """Decides after each iteration whether another one follows."""

    def __call__(self, rounds: Sequence[Round]) -> str:
        """Why to stop, or "" to go on; ``rounds`` begins with the one before any iteration."""
        raise NotImplementedError


def agreement(rounds: Sequence[Round]) -> float:
    """ARI between the labels of the last two rounds."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(rounds[-2].labels, rounds[-1].labels))


def agreements(rounds: Sequence[Round]) -> list[float]:
    """ARI between each round and the one before."""
    return [agreement(pair) for pair in pairwise(rounds)]


def graph_change(rounds: Sequence[Round]) -> float:
    """``mean |A_t − A_{t−1}| / mean |A_0|``, ``A_t = ½ L_0 + ½ Â_t``, ``A_0 = L_0``.

    L_0 = D^-1/2 G_0 D^-1/2 of the first graph and Â_t the column-normalised graph of round t;
    cells keep their order (scGNN, scGNN.py:674, does not). NaN without graphs.
    """
    if len(rounds) < 2 or any(r.graph is None for r in (rounds[0], *rounds[-2:])):
        return float("nan")
    first = _symmetric_norm(rounds[0].graph)
    size = abs(first).sum()
    before = first if len(rounds) == 2 else 0.5 * first + 0.5 * _column_norm(rounds[-2].graph)
    now = 0.5 * first + 0.5 * _column_norm(rounds[-1].graph)
    return float(abs(now - before).sum() / size) if size else 0.0


def _degrees(graph: sparse.csr_matrix) -> np.ndarray:
    degrees = np.asarray(graph.sum(axis=0), dtype=float).ravel()
    return np.where(degrees > 0, degrees, 1.0)  # an isolated cell has no entries to divide


def _symmetric_norm(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    scale = sparse.diags(1 / np.sqrt(_degrees(graph)))
    return sparse.csr_matrix(scale @ graph @ scale)


def _column_norm(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.csr_matrix(graph @ sparse.diags(1 / _degrees(graph)))


def _labels_stand(rounds: Sequence[Round], ari: float) -> str:
    now = agreement(rounds)
    return f"labels stand still (ARI {now:.3f} > {ari:g})" if now > ari else ""


def _graph_stands(rounds: Sequence[Round], change: float) -> str:
    now = graph_change(rounds)
    return f"graph stands still (change {now:.4f} < {change:g})" if now < change else ""


@Stop.register("labels")
@dataclass(frozen=True)
class LabelsStop(Stop):
    """Stops when two rounds in a row give nearly the same clusters.

    ``ARI(labels_t, labels_{t−1}) > ari``: scGNN's rule.

    Parameters
    ----------
    ari
        Adjusted Rand index between them that must be passed.
    """

    ari: Share = 0.99

    def __call__(self, rounds: Sequence[Round]) -> str:
        return _labels_stand(rounds, self.ari)


@Stop.register("graph")
@dataclass(frozen=True)
class GraphStop(Stop):
    """Stops when the graph changes little from one round to the next.

    ``mean |A_t − A_{t−1}| < change · mean |A_0|`` with ``A_t = ½ L_0 + ½ Â_t``: the graph rule of
    scGNN's code, L_0 the first graph, symmetrically normalised, Â_t the present one, by columns.

    Parameters
    ----------
    change
        Mean change of the smoothed graph, as a share of the first graph's mean, not to be reached.
    """

    change: Weight = 0.01

    def __call__(self, rounds: Sequence[Round]) -> str:
        return _graph_stands(rounds, self.change)


@dataclass(frozen=True)
class LabelsAndGraph(Stop):
    """What rules for labels and graph share.

    Parameters
    ----------
    ari
        Adjusted Rand index between the labels of two rounds that must be passed.
    change
        Mean change of the smoothed graph, as a share of the first graph's mean, not to be reached.
    """

    ari: Share = 0.99
    change: Weight = 0.01

    def reasons(self, rounds: Sequence[Round]) -> tuple[str, str]:
        """Why the labels and why the graph say to stop."""
        return _labels_stand(rounds, self.ari), _graph_stands(rounds, self.change)


@Stop.register("both")
@dataclass(frozen=True)
class BothStop(LabelsAndGraph):
    """Stops when labels and graph both stand still: the rules of ``labels`` and ``graph``."""

    def __call__(self, rounds: Sequence[Round]) -> str:
        reasons = self.reasons(rounds)
        return " and ".join(reasons) if all(reasons) else ""


@Stop.register("either")
@dataclass(frozen=True)
class EitherStop(LabelsAndGraph):
    """Stops when labels or graph stand still: the rules of ``labels`` and ``graph``."""

    def __call__(self, rounds: Sequence[Round]) -> str:
        return " and ".join(filter(None, self.reasons(rounds)))


@Stop.register("plateau")
@dataclass(frozen=True)
class PlateauStop(Stop):
    """Stops when the labels of successive rounds have ceased to agree better and better.

    The agreement is the adjusted Rand index between a round and the one before; it need not be
    high, as where the clusters keep changing without coming to rest.

    Parameters
    ----------
    patience
        Rounds in a row whose agreement does not pass the best one before them.
    """

    patience: Positive = 3

    def __call__(self, rounds: Sequence[Round]) -> str:
        found = agreements(rounds)
        before, lately = found[: -self.patience], found[-self.patience :]
        if not before or max(lately) > max(before):
            return ""
        return f"labels agree no better for {self.patience} rounds (best ARI {max(before):.3f})"


@Stop.register("never")
@dataclass(frozen=True)
class NeverStop(Stop):
    """Goes on until the last iteration."""

    def __call__(self, rounds: Sequence[Round]) -> str:
        return ""
