"""LTMG against the truth of simulations."""

from __future__ import annotations

import numpy as np
import pytest

from ltmg_genes import VARIANTS, load_reference, simulate, to_dense_states
from scgnn.components.ltmg import LTMG


def test_mle_recovers_more_of_the_truth_than_r():
    data = load_reference("ltmg_simulated.npz")
    regular = data["kind"] == "regular"
    fit = LTMG().fit(data["x"][regular].T)
    truth, active = data["true_component"][regular], data["n_active"][regular]
    assert (to_dense_states(fit) == truth).mean() >= 0.92
    right = fit.n_active_states == active
    right_in_r = data["n_components"][regular] - 1 == active
    for n in (1, 2, 3, 4):
        assert right[active == n].sum() >= right_in_r[active == n].sum()
    assert right.sum() > right_in_r.sum()
    assert fit.converged.all()


@pytest.mark.parametrize(
    ("seed", "n_cells", "gap", "sd"),
    [(1, 300, (1.0, 2.2), (0.25, 0.6)), (2, 1000, (0.8, 1.3), (0.2, 0.4)),
     (3, 2000, (1.5, 3.0), (0.4, 0.9))],
)  # fmt: skip
def test_mle_recovers_more_than_published_in_fresh_simulations(seed, n_cells, gap, sd):
    x, truth, active, bayes = simulate(seed, n_cells, gap, sd)
    fits = {variant: LTMG(variant=variant).fit(x) for variant in VARIANTS}
    correct = {variant: (to_dense_states(fit) == truth).mean() for variant, fit in fits.items()}
    assert correct["published"] + 0.03 < correct["mle"] < bayes + 0.005
    right = {variant: (fit.n_active_states == active).sum() for variant, fit in fits.items()}
    assert right["mle"] > right["published"]


def test_mle_takes_counts_as_rounded_and_does_not_split_them():
    x, truth, active, _ = simulate(4, 1000, (1.0, 2.2), (0.25, 0.6), threshold=0, first=(0.5, 1.5))
    fits = {variant: LTMG(variant=variant).fit(np.round(x)) for variant in VARIANTS}
    correct = {variant: (to_dense_states(fit) == truth).mean() for variant, fit in fits.items()}
    assert correct["mle"] > correct["published"] + 0.1
    assert (fits["mle"].n_active_states[active == 1] == 1).all()
