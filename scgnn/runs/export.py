"""export"""

from __future__ import annotations

from pathlib import Path

from scipy import sparse

from scgnn.execution.files import _write_csv, write_atomic
from scgnn.runs.results import RunResult
from scgnn.state import to_dense


def write_scgnn_csv(result: RunResult, out: Path, name: str) -> list[Path]:
    """The four files of the original program, with its names and layouts.

    ``*_recon.csv`` genes x cells, ``*_embedding.csv`` cells x d, ``*_graph.csv`` with NodeA, NodeB
    (numbers of cells from 0) and Weights, each edge once, ``*_results.txt`` cell and cluster.
    """
    import pandas as pd

    state = result.state
    assert state.graph_embedding is not None
    columns = [f"embedding{i}" for i in range(state.graph_embedding.shape[1])]
    tables = {
        "embedding.csv": pd.DataFrame(state.graph_embedding, index=state.cells, columns=columns),
        "results.txt": pd.DataFrame({"Celltype": state.clusters}, index=state.cells),
    }
    if state.imputed is not None:
        tables["recon.csv"] = pd.DataFrame(to_dense(state.imputed).T, state.genes, state.cells)
    written = []
    for ending, table in tables.items():
        written.append(out / f"{name}_{ending}")
        write_atomic(written[-1], table.to_csv)
    if state.graph is not None:
        upper = sparse.triu(state.graph).tocoo()
        rows = zip(upper.row, upper.col, upper.data, strict=True)
        edges = [("NodeA", "NodeB", "Weights"), *rows]
        written.append(out / f"{name}_graph.csv")
        write_atomic(written[-1], lambda part: _write_csv(part, edges))
    return written
