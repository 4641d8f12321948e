"""scGNN with small networks, and cells and graphs for it."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.components.encoders import GCN, MLPEncoder
from scgnn.components.graph_builders import KNN
from scgnn.components.stopping import ClusterConvergence
from scgnn.pipelines.scgnn import ScGNN
from scgnn.state import State
from scgnn.training.settings import Training

N_CELLS, N_GENES = 60, 20


def make_three_groups() -> State:
    """Return cells of three groups in random order."""
    draw = np.random.default_rng(0)
    means = draw.gamma(1.0, 2.0, (3, N_GENES))
    x = np.log1p(draw.poisson(means[draw.integers(3, size=N_CELLS)])).astype(np.float32)
    return State(x, np.arange(N_GENES).astype(str), np.arange(N_CELLS).astype(str))


def make_pipeline(**settings) -> ScGNN:
    """Return scGNN with small networks and few epochs."""
    small = {
        "feature_encoder": MLPEncoder(hidden=(16, 8)),
        "reconstruction_weight": 1.0,
        "feature_regularizers": (),
        "graph_builder": KNN(n_neighbors=6),
        "graph_encoder": GCN(hidden=(8, 4)),
        "max_iterations": 2,
        "stop": ClusterConvergence(min_ari=1.0),
        "feature_training": Training(epochs=20),
        "graph_training": Training(epochs=5, learning_rate=1e-2),
        "cluster_training": Training(epochs=5),
        "iteration_training": Training(epochs=5),
        "imputation_training": Training(epochs=5),
    }
    return ScGNN(**{**small, **settings})


def run_pipeline(cells, stages, **settings):
    """Return embedding, clusters and imputed expression of a small run."""
    state = make_pipeline(**settings)(cells, stages, seed=1)
    return {name: getattr(state, name) for name in ("embedding", "clusters", "imputed")}


def make_random_graph(seed, n=N_CELLS, degree=8):
    """Return a random graph, cells x cells, with a mean degree of ``degree``."""
    draw = np.random.default_rng(seed)
    upper = np.triu(draw.random((n, n)) < degree / n, 1)
    return sparse.csr_matrix(upper + upper.T, dtype=np.float32)
