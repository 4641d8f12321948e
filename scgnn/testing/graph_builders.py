"""What graph builders and pruners keep to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders import GraphBuilder
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import (
    SyntheticCells,
    make_cells,
    make_few_cells,
    make_identical_cells,
)
from scgnn.testing.exercise import build_graph


def _require_valid_graph(builder: GraphBuilder, cells: SyntheticCells, context: str) -> None:
    """Build the graph of some cells, and demand all that a cell graph must be."""
    graph, n = build_graph(builder, cells), len(cells.embedding)
    require(sparse.issparse(graph) and graph.format == "csr", f"{context}: no CSR matrix")
    require(graph.shape == (n, n), f"{context}: the graph is {graph.shape}, not ({n}, {n})")
    require(bool(np.isfinite(graph.data).all()), f"{context}: a weight is not finite")
    require(abs(graph - graph.T).nnz == 0, f"{context}: the graph is not symmetric")
    require(not graph.diagonal().any(), f"{context}: a cell is linked to itself")
    require(bool((graph.data > 0).all()), f"{context}: a stored weight is not above 0")


@register_check("graph_builder")
def check_builds_valid_graph(builder: GraphBuilder) -> None:
    """Symmetric CSR, no self-loops, weights above 0."""
    _require_valid_graph(builder, make_cells(), "30 cells")


@register_check("graph_builder")
def check_graph_has_edges(builder: GraphBuilder) -> None:
    """Thirty cells get edges."""
    require(build_graph(builder, make_cells()).nnz, "30 cells get a graph without edges")


@register_check("graph_builder")
def check_accepts_identical_cells(builder: GraphBuilder) -> None:
    """More equal cells than any neighbourhood holds still make a sound graph."""
    _require_valid_graph(builder, make_identical_cells(30), "30 equal cells")


@register_check("graph_builder")
def check_accepts_few_cells(builder: GraphBuilder) -> None:
    """Fewer cells than neighbours asked for make a sound graph."""
    for n in (2, 3):
        _require_valid_graph(builder, make_few_cells(n), f"{n} cells")


@register_check("graph_builder")
def check_accepts_single_cell(builder: GraphBuilder) -> None:
    """One cell makes a graph without edges."""
    _require_valid_graph(builder, make_few_cells(1), "one cell")


@register_check("graph_builder")
def check_is_permutation_equivariant(builder: GraphBuilder) -> None:
    """The order of the cells means nothing, where no two distances are equal."""
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=make_cells().embedding.shape).astype(np.float32)
    some, order = replace(make_cells(), embedding=embedding), rng.permutation(len(embedding))
    before, after = build_graph(builder, some), build_graph(builder, some.take(order))
    moved = before[order][:, order]
    same = np.allclose(moved.toarray(), after.toarray(), rtol=1e-3, atol=1e-5)
    require(same, "cells in another order get other edges or weights")
