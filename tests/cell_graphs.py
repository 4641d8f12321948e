"""Embeddings for the tests of graph builders, and what every graph of them owes."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders import GraphBuilder


def make_embedding(n_cells=40, n_dims=6, seed=0):
    """An embedding without any structure."""
    return np.random.default_rng(seed).normal(size=(n_cells, n_dims)).astype(np.float32)


def make_batches(n):
    """Three batches, one cell of each in turn."""
    return np.arange(n) % 3


def build_graph(builder, x, batch=None, seed=0):
    """The graph, with batches for a builder that needs them."""
    needs = builder.requires
    return (
        builder(x, seed, make_batches(len(x)) if batch is None else batch)
        if needs
        else builder(x, 0)
    )


def make_builder(name, **settings):
    """A graph builder by name."""
    return GraphBuilder.get(name)(**settings)


def assert_valid_graph(graph, n):
    """Symmetric, without loops, every weight above 0."""
    assert isinstance(graph, sparse.csr_matrix)
    assert graph.shape == (n, n) and graph.dtype == np.float32
    assert graph.has_sorted_indices
    assert (graph.data > 0).all() and np.isfinite(graph.data).all()
    assert not graph.diagonal().any()
    assert (graph != graph.T).nnz == 0


def assert_graphs_equal(actual, expected):
    """Two graphs agree in every bit."""
    for word in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(actual, word), getattr(expected, word))
