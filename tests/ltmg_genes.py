"""Genes for the tests of LTMG: extracts of the R program's results, and simulated genes."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import sparse

from paths import DATA
from scgnn.components.ltmg import LTMGFit

VARIANTS = ("published", "mle")


@cache
def load_reference(name: str) -> dict[str, np.ndarray]:
    """Load an extract; benchmarks/ltmg_reference.py compares with the whole files."""
    with np.load(DATA / name) as file:
        return dict(file)


def to_log_matrix(y: np.ndarray) -> sparse.csc_matrix:
    """Genes x cells of logs, -inf for zeros, as cells x genes of the finite ones."""
    gene, cell = np.nonzero(np.isfinite(y))
    return sparse.csc_matrix((y[gene, cell], (cell, gene)), y.T.shape)


def to_dense_states(fit: LTMGFit) -> np.ndarray:
    """States, genes x cells."""
    return fit.states.toarray().T


def simulate(seed: int, n_cells: int, gap: tuple[float, float], sd: tuple[float, float], **options):
    """Log expression, -inf below the threshold, and the true component; 40 genes x cells."""
    random, threshold = np.random.default_rng(seed), options.get("threshold", 0.5)
    y, truth, active = np.empty((40, n_cells)), np.empty((40, n_cells), int), np.arange(40) % 4 + 1
    bayes = np.empty((40, n_cells), int)
    for g, a in enumerate(active):
        hidden = (0.05, 0.2, 0.4, 0.6, 0.8)[g // 4 % 5]
        p = np.r_[hidden, (1 - hidden) * random.dirichlet(np.full(a, 3))]
        first = threshold + random.uniform(*options.get("first", (1.0, 1.8)))
        mean = np.r_[first - 2, first + np.r_[0, np.cumsum(random.uniform(*gap, a - 1))]]
        width = np.r_[0.6, random.uniform(*sd, a)]
        truth[g] = random.choice(a + 1, n_cells, p=p)
        y[g] = random.normal(mean[truth[g]], width[truth[g]])
        score = np.log(p / width)[:, None] - ((y[g] - mean[:, None]) / width[:, None]) ** 2 / 2
        bayes[g] = np.where(y[g] < threshold, 0, score.argmax(0))
    y = np.where(y < threshold, -np.inf, y)
    return np.exp(y).T, truth, active, (bayes == truth).mean()
