"""Comparison of LTMG with the R program's complete results, of which tests/data has extracts.

    python benchmarks/ltmg_reference.py DIR    # with ltmg_simulated.npz, ltmg_goolam_shipped.npz

Prints the measured value and the bound of every comparison; exits with 1 if one is exceeded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from scgnn.components.ltmg import LTMG
from scgnn.components.ltmg.cutoffs import find_density_crossing
from scgnn.components.ltmg.mixture import assign_states
from scgnn.components.ltmg.padding import GenePadder
from scgnn.components.ltmg.published import MIN_LOG_DENSITY, fit_published
from scgnn.components.ltmg.sorted_expression import sort_expression, to_states

Arrays = dict[str, np.ndarray]
Comparison = tuple[str, float, float]  # name, measured, upper bound


def load_arrays(path: Path) -> Arrays:
    with np.load(path) as file:
        return dict(file)


def differing_fraction(states: sparse.csr_matrix, reference: np.ndarray) -> float:
    """Fraction of values whose state differs from the reference, genes x cells."""
    return float((reference != states.toarray().T).mean())


def fit_jittered(
    data: Arrays, is_truncated: np.ndarray, starts: np.ndarray, shrinking_k: bool
) -> tuple[float, float]:
    """Fit R's jittered logs; return the fraction of differing states and the worst parameter."""
    gene, cell = np.nonzero(np.isfinite(data["y"]))
    y = sparse.csc_matrix((data["y"][gene, cell], (cell, gene)), data["y"].T.shape)
    expression, value_index = sort_expression(y)
    cutoff = data["cutoff"]
    fits = fit_published(expression, cutoff, is_truncated, starts, shrinking_k=shrinking_k)
    above = GenePadder(expression, np.nextafter(cutoff, np.inf))
    states = to_states(value_index, assign_states(above, fits.mixture, MIN_LOG_DENSITY))
    ours, theirs = np.stack(fits.mixture), np.stack([data[name] for name in fits.mixture._fields])
    finite = np.isfinite(theirs)
    worst = np.abs(ours[finite] - theirs[finite]).max()
    if (np.isfinite(ours) != finite).any():
        worst = np.inf
    return differing_fraction(states, data["states"]), float(worst)


def compare_simulated(data: Arrays) -> Iterator[Comparison]:
    starts = np.full((len(data["y"]), 3, 3, 2), np.nan)
    for gene, trial, *start in data["em_start"]:
        starts[int(gene) - 1, int(trial) - 1] = np.reshape(start, (3, 2))
    fraction, worst = fit_jittered(data, data["truncated"], starts, shrinking_k=False)
    yield "simulated, R's jitter: states", fraction, 0
    yield "simulated, R's jitter: parameters", worst, 1e-6
    minimum = np.array([np.log(x[x > 0].min()) for x in data["x"]])
    difference = abs(find_density_crossing(minimum) - data["cutoff"].min())
    yield "simulated: global cut-off", difference, 1e-3
    regular = data["kind"] == "regular"
    x, truth, active = (data[k][regular] for k in ("x", "true_component", "n_active"))
    model = LTMG(variant="published", cutoff=float(data["cutoff"].min()))
    states = data["states"][regular]
    differing = [differing_fraction(model.fit(x.T, seed).states, states) for seed in range(3)]
    yield "simulated, new jitter: states", float(np.mean(differing)), 0.0015  # R: 0.0011 to 0.0015
    fit = LTMG().fit(x.T)
    yield "simulated, mle: wrong states", differing_fraction(fit.states, truth), 0.08
    for n, of_r in zip((1, 2, 3, 4), (110, 79, 43, 21), strict=True):
        wrong = (fit.n_active_states[active == n] != n).sum()
        yield f"simulated, mle: wrong of 110 genes with {n} active", float(wrong), 110 - of_r


def compare_goolam(data: Arrays) -> Iterator[Comparison]:
    no_starts = np.empty((len(data["y"]), 0, 3, 2))
    is_truncated = (data["x"] <= 0).any(1)
    fraction, worst = fit_jittered(data, is_truncated, no_starts, shrinking_k=True)
    yield "goolam, R's jitter: states", fraction, 0
    yield "goolam, R's jitter: parameters", worst, 1e-6
    model = LTMG(variant="published", cutoff=0.0, shrinking_k=True, ordinary_starts=0)
    x, states = data["x"].T, data["states"]
    differing = [differing_fraction(model.fit(x, seed).states, states) for seed in range(3)]
    yield "goolam, new jitter: states", float(np.mean(differing)), 0.010  # R: 0.008 to 0.010


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("directory", type=Path, help="directory of the two reference files")
    directory = parser.parse_args().directory
    failed = False
    for name, compare in (
        ("ltmg_simulated.npz", compare_simulated),
        ("ltmg_goolam_shipped.npz", compare_goolam),
    ):
        for title, measured, bound in compare(load_arrays(directory / name)):
            failed |= not measured <= bound
            mark = "ok" if measured <= bound else "EXCEEDED"
            print(f"{title:50} {measured:10.3g}  at most {bound:<8g} {mark}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
