"""Checks of graph builders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders import GraphBuilder
from scgnn.testing.check import register_check, require, require_finite, require_shape
from scgnn.testing.edge_cases import (
    SyntheticCells,
    make_cells,
    make_few_cells,
    make_identical_cells,
)
from scgnn.testing.exercise import build_graph


def _require_valid_graph(builder: GraphBuilder, cells: SyntheticCells, context: str) -> None:
    """Require a symmetric CSR graph of the cells with positive weights and no self-loops."""
    graph = build_graph(builder, cells)
    require(sparse.issparse(graph) and graph.format == "csr", f"{context}: not a CSR matrix")
    require_shape(graph.shape, cells.graph.shape, f"{context}, graph")
    require_finite(graph.data, f"{context}: a weight")
    require(abs(graph - graph.T).nnz == 0, f"{context}: the graph is not symmetric")
    require(not graph.diagonal().any(), f"{context}: the graph has self-loops")
    require((graph.data > 0).all(), f"{context}: a stored weight is not above 0")


@register_check("graph_builder")
def check_builds_valid_graph(builder: GraphBuilder) -> None:
    """Check that the graph is a symmetric CSR matrix with positive weights and no self-loops."""
    _require_valid_graph(builder, make_cells(), "30 cells")


@register_check("graph_builder")
def check_graph_has_edges(builder: GraphBuilder) -> None:
    """Check that the graph of 30 cells has edges."""
    require(build_graph(builder, make_cells()).nnz, "the graph of 30 cells has no edges")


@register_check("graph_builder")
def check_accepts_identical_cells(builder: GraphBuilder) -> None:
    """Check that the graph is valid with more identical cells than a neighborhood holds."""
    _require_valid_graph(builder, make_identical_cells(30), "30 identical cells")


@register_check("graph_builder")
def check_accepts_few_cells(builder: GraphBuilder) -> None:
    """Check that the graph is valid with fewer cells than neighbors."""
    for n in (2, 3):
        _require_valid_graph(builder, make_few_cells(n), f"{n} cells")


@register_check("graph_builder")
def check_accepts_single_cell(builder: GraphBuilder) -> None:
    """Check that the graph of a single cell has no edges."""
    _require_valid_graph(builder, make_few_cells(1), "one cell")


@register_check("graph_builder")
def check_is_permutation_equivariant(builder: GraphBuilder) -> None:
    """Check that permuting the cells permutes the graph, where no two distances are equal."""
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=make_cells().embedding.shape).astype(np.float32)
    cells, order = replace(make_cells(), embedding=embedding), rng.permutation(len(embedding))
    expected = build_graph(builder, cells)[order][:, order].toarray()
    graph = build_graph(builder, cells.take(order)).toarray()
    same = np.allclose(expected, graph, rtol=1e-3, atol=1e-5)
    require(same, "the edges of a cell depend on the order of the cells")
