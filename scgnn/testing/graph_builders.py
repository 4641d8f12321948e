"""What graph builders and pruners keep to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders import GraphBuilder
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import Cells, cells, equal, few
from scgnn.testing.exercise import build_graph


def _sound(builder: GraphBuilder, some: Cells, what: str) -> None:
    """Build the graph of some cells, and demand all that a cell graph must be."""
    graph, n = build_graph(builder, some), len(some.embedding)
    demand(sparse.issparse(graph) and graph.format == "csr", f"{what}: no CSR matrix")
    demand(graph.shape == (n, n), f"{what}: the graph is {graph.shape}, not ({n}, {n})")
    demand(bool(np.isfinite(graph.data).all()), f"{what}: a weight is not finite")
    demand(abs(graph - graph.T).nnz == 0, f"{what}: the graph is not symmetric")
    demand(not graph.diagonal().any(), f"{what}: a cell is linked to itself")
    demand(bool((graph.data > 0).all()), f"{what}: a stored weight is not above 0")


@check("graph_builder")
def check_builds_a_cell_graph(builder: GraphBuilder) -> None:
    """Symmetric CSR, no self-loops, weights above 0."""
    _sound(builder, cells(), "30 cells")


@check("graph_builder")
def check_links_cells(builder: GraphBuilder) -> None:
    """Thirty cells get edges."""
    demand(build_graph(builder, cells()).nnz, "30 cells get a graph without edges")


@check("graph_builder")
def check_takes_equal_cells(builder: GraphBuilder) -> None:
    """More equal cells than any neighbourhood holds still make a sound graph."""
    _sound(builder, equal(30), "30 equal cells")


@check("graph_builder")
def check_takes_few_cells(builder: GraphBuilder) -> None:
    """Fewer cells than neighbours asked for make a sound graph."""
    for n in (2, 3):
        _sound(builder, few(n), f"{n} cells")


@check("graph_builder")
def check_takes_one_cell(builder: GraphBuilder) -> None:
    """One cell makes a graph without edges."""
    _sound(builder, few(1), "one cell")


@check("graph_builder")
def check_relabelled_cells_relabel_the_graph(builder: GraphBuilder) -> None:
    """The order of the cells means nothing, where no two distances are equal."""
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=cells().embedding.shape).astype(np.float32)
    some, order = replace(cells(), embedding=embedding), rng.permutation(len(embedding))
    before, after = build_graph(builder, some), build_graph(builder, some.ordered(order))
    moved = before[order][:, order]
    same = np.allclose(moved.toarray(), after.toarray(), rtol=1e-3, atol=1e-5)
    demand(same, "cells in another order get other edges or weights")
