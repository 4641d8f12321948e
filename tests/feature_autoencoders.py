"""A small feature autoencoder and cells for it."""

from __future__ import annotations

import numpy as np

from scgnn.components.decoders import MLPDecoder
from scgnn.components.encoders import MLPEncoder
from scgnn.pipelines.autoencoders import Autoencoder
from scgnn.state import State


def expression(seed=0, cells=40, genes=30):
    """Return sparse expression of three groups of cells; the first four genes are 0."""
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.5, 2.0, (3, genes))
    x = np.log1p(rng.poisson(means[rng.integers(0, 3, cells)])).astype(np.float32)
    x[:, :4] = 0
    names = (np.array([f"g{i}" for i in range(genes)]), np.array([f"c{i}" for i in range(cells)]))
    return State(x, *names, ltmg_states=(x > 1).astype(np.float32))


def make_autoencoder(hidden=(24, 8), regularizers=(), **settings):
    """Return a small feature autoencoder."""
    return Autoencoder(MLPEncoder(hidden=hidden, **settings), MLPDecoder(), 0.5, regularizers)
