"""Simulation of the statistics of studies: false positives, coverage and power.

    python benchmarks/studies.py

These results motivate the choices in ``scgnn/stats/paired.py``. About two minutes on one thread.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from scgnn.stats.paired import (
    bootstrap_t_interval,
    compare_blocks,
    confidence_interval,
    holm_correction,
    minimum_detectable_effect,
    sign_flip_test,
)
from scgnn.stats.ranking import friedman_test

N_CHANGES = 8
ALPHA = 0.05
N_STUDIES = 500
NOISE_KINDS = ("normal", "heavy", "skewed", "discrete")


def sample_noise(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Sample noise with a scale of about 1: normal, heavy-tailed, skewed or discrete."""
    if kind == "normal":
        return rng.normal(size=shape)
    if kind == "heavy":
        return rng.standard_t(3, size=shape)
    if kind == "skewed":
        return rng.exponential(size=shape)
    return np.round(rng.normal(size=shape))


def sample_differences(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Sample paired differences with mean 0 and a shape that effects can have."""
    if kind == "normal":
        return rng.normal(size=shape)
    if kind == "heavy":
        return rng.standard_t(3, size=shape)
    if kind == "skewed":
        return rng.gamma(4, size=shape) - 4
    if kind == "very skewed":
        return rng.exponential(size=shape) - 1
    if kind == "discrete":  # half a spread from one value to the next
        return np.round(2 * rng.normal(0.3, 1, size=shape)) / 2 - 0.3
    return np.where(rng.random(shape) < 0.4, 0, rng.normal(0.3, 1, shape)) - 0.18


def simulate_studies(
    seed: int, kind: str, n_data: int, n_seeds: int, *, effect_sd: float = 0
) -> np.ndarray:
    """Simulate studies without an average effect: studies x changes x data x seeds.

    Effects of data sets and seeds cancel in paired differences. The interaction of change and data
    set, with standard deviation ``differing``, does not.
    """
    rng = np.random.default_rng(seed)
    base = sample_noise(rng, kind, (N_STUDIES, 1, n_data, n_seeds))
    change = sample_noise(rng, kind, (N_STUDIES, N_CHANGES, n_data, n_seeds))
    return change - base + effect_sd * rng.normal(size=(N_STUDIES, N_CHANGES, n_data, 1))


def compute_claim_rate(differences: np.ndarray) -> float:
    """Return the percentage of studies (studies x changes x blocks) with a significant effect."""
    p = np.array([[sign_flip_test(row, 0) for row in study] for study in differences])
    return 100 * np.mean([(holm_correction(row) <= ALPHA).any() for row in p])


def report_false_positives() -> None:
    print(
        f"Studies of {N_CHANGES} changes without effect that claim at least one, % of {N_STUDIES}"
    )
    print(f"{'data x seeds':>14}{'noise':>10}{'sign flips':>12}{'Wilcoxon':>10}{'Student':>9}")
    for n_data, n_seeds in ((3, 3), (5, 2), (4, 5)):
        for kind in NOISE_KINDS:
            d = simulate_studies(1, kind, n_data, n_seeds).reshape(N_STUDIES, N_CHANGES, -1)
            tests = (
                stats.wilcoxon(d, axis=-1, zero_method="zsplit", method="asymptotic"),
                stats.ttest_1samp(d, 0, axis=-1),
            )
            others = [100 * np.mean(t.pvalue.min(axis=1) <= ALPHA / N_CHANGES) for t in tests]
            shares = f"{compute_claim_rate(d):12.1f}{others[0]:10.1f}{others[1]:9.1f}"
            print(f"{n_data:>10} x {n_seeds}{kind:>10}{shares}", flush=True)


def report_heterogeneous_effects() -> None:
    print("\nEffects that vary between data sets as much as between runs, mean 0")
    print(f"{'data x seeds':>14}{'by block':>10}{'by data':>10}")
    for n_data, n_seeds in ((5, 2), (5, 4), (10, 2), (10, 5)):
        d = simulate_studies(2, "normal", n_data, n_seeds, effect_sd=1)
        by_block = compute_claim_rate(d.reshape(N_STUDIES, N_CHANGES, -1))
        shares = f"{by_block:10.1f}{compute_claim_rate(d.mean(axis=-1)):10.1f}"
        print(f"{n_data:>10} x {n_seeds}{shares}", flush=True)


def report_coverage(n_samples: int = 1_000) -> None:
    print(f"\nCoverage of 95 % intervals of the mean difference, % of {n_samples}")
    print("(in brackets the median width in SDs; 'zeros': 40 % of differences are 0)")
    methods = ("percentile", "BCa", "Student", "bootstrap-t", "scgnn")
    print(f"{'blocks':>7}{'differences':>13}" + "".join(f"{name:>15}" for name in methods))
    for n in (5, 10, 20):
        for kind in ("normal", "heavy", "skewed", "very skewed", "discrete", "zeros"):
            d = sample_differences(np.random.default_rng(3), kind, (n_samples, n))
            d = d[np.ptp(d, axis=1) > 0]
            half = stats.t.ppf(0.975, n - 1) * stats.sem(d, axis=1)
            ends = {
                "percentile": bootstrap_with_scipy(d, "percentile"),
                "BCa": bootstrap_with_scipy(d, "BCa"),
                "Student": (d.mean(axis=1) - half, d.mean(axis=1) + half),
                "bootstrap-t": np.transpose(
                    [bootstrap_t_interval(row, ALPHA, 0, min_sd_ratio=1e-9) for row in d]
                ),
                "here": np.transpose([confidence_interval(row, ALPHA, 0) for row in d]),
            }
            line = f"{n:>7}{kind:>13}"
            for low, high in ends.values():
                hits = np.mean((low <= 1e-12) & (high >= -1e-12))
                line += f"{100 * hits:8.1f} ({np.median(high - low) / d.std():4.2f})"
            print(line, flush=True)


def bootstrap_with_scipy(d: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    lows, highs = [], []
    for part in np.array_split(d, 8):
        with np.errstate(invalid="ignore", divide="ignore"):
            interval = stats.bootstrap(
                (part,), np.mean, axis=1, n_resamples=1_000, method=method, random_state=rng
            ).confidence_interval
        lows.append(interval.low)
        highs.append(interval.high)
    return np.concatenate(lows), np.concatenate(highs)


def report_power(n_samples: int = 500) -> None:
    print("\nPower at the minimum detectable effect, % (80 by design)")
    print(f"{'blocks':>7}{'changes':>9}{'in SDs':>12}{'normal':>9}{'heavy':>9}")
    for n, changes in ((6, 1), (9, N_CHANGES), (10, N_CHANGES), (12, N_CHANGES), (20, N_CHANGES)):
        level = ALPHA / changes
        size = minimum_detectable_effect(n, level)
        line = f"{n:>7}{changes:>9}{size:12.2f}"
        for kind, spread in (("normal", 1), ("heavy", np.sqrt(3))):
            d = sample_differences(np.random.default_rng(5), kind, (n_samples, n)) / spread + size
            line += f"{100 * np.mean([sign_flip_test(row, 0) <= level for row in d]):9.1f}"
        print(line, flush=True)


def report_agreement(n_samples: int = 1_000) -> None:
    print("\nIntervals of significant effects that contain 0 (verdict 'perhaps'), %,")
    print("for a true difference that is detected with 80 % power")
    for n, changes in ((6, 1), (10, 1), (10, N_CHANGES), (12, N_CHANGES)):
        level = ALPHA / changes
        d = np.random.default_rng(6).normal(minimum_detectable_effect(n, level), 1, (n_samples, n))
        results = [compare_blocks(row, np.zeros(n), ALPHA, 0) for row in d]
        claims = [r for r in results if r.p <= level]
        holds = np.mean([r.ci_low <= 0 for r in claims])
        print(f"{n:>7} blocks{changes:>4} changes{100 * holds:8.1f}", flush=True)


def report_friedman_level(n_samples: int = 2_000) -> None:
    print("\nFriedman's test without an effect, % of p ≤ .05")
    rng = np.random.default_rng(7)
    for n, k in ((5, 4), (5, 9), (10, 9), (20, 9)):
        p = [friedman_test(rng.normal(size=(n, k)))[1] for _ in range(n_samples)]
        print(f"{n:>7} blocks{k:>4} variants{100 * np.mean(np.array(p) <= ALPHA):8.1f}", flush=True)


if __name__ == "__main__":
    report_false_positives()
    report_heterogeneous_effects()
    report_coverage()
    report_power()
    report_agreement()
    report_friedman_level()
