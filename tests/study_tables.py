"""Tables of studies with given or simulated scores."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd


def make_table(scores: dict[str, list[float]], score: str = "ari", n_data: int = 1) -> pd.DataFrame:
    """Return one row per run; each variant's scores by block, seeds within data sets."""
    rows = []
    for variant, values in scores.items():
        role = {"base": "base", "random": "control"}.get(variant, "change")
        n_seeds = len(values) // n_data
        rows += [
            {"variant": variant, "role": role, "data": i // n_seeds, "seed": i % n_seeds, score: x}
            for i, x in enumerate(values)
        ]
    return pd.DataFrame(rows)


def simulate_study(
    rng: np.random.Generator, n_changes: int, n_data: int, n_seeds: int, effect: float = 0.0
) -> pd.DataFrame:
    """Return a study whose scores vary by data set and seed, all changes with the same effect."""
    n = n_data * n_seeds
    block = np.repeat(rng.normal(0, 3, n_data), n_seeds) + rng.normal(0, 1, n)
    runs = {"base": block + rng.normal(0, 1, n)}
    runs |= {f"c{i}": block + effect + rng.normal(0, 1, n) for i in range(n_changes)}
    return make_table({name: values.tolist() for name, values in runs.items()}, n_data=n_data)


def simulate_incomplete_study() -> pd.DataFrame:
    """Return four changes with the same effect in 12 blocks, two runs without a score."""
    runs = simulate_study(np.random.default_rng(6), n_changes=4, n_data=3, n_seeds=4, effect=1.0)
    runs.loc[[5, 20], "ari"] = math.nan
    return runs


def select_row(rows: pd.DataFrame, **values: object) -> pd.Series:
    """Return the only row with the given values."""
    for column, value in values.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]
