"""Export of a run to the file formats of the original scGNN program."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from scipy import sparse

from scgnn.execution.files import FileContent, frame_to_csv, write_files
from scgnn.runs.results import RunResult
from scgnn.state import to_dense


def write_scgnn_csv(result: RunResult, folder: Path, name: str) -> list[Path]:
    """Write the files of the original program and return their paths.

    ``NAME_recon.csv``: genes x cells; ``NAME_embedding.csv``: cells x d; ``NAME_graph.csv``: one
    row per undirected edge with NodeA, NodeB (indices of cells from 0) and Weights;
    ``NAME_results.txt``: cell and cluster. Files whose content a run lacks are left out.
    """
    state = result.state
    assert state.graph_embedding is not None
    columns = [f"embedding{i}" for i in range(state.graph_embedding.shape[1])]
    embedding = pd.DataFrame(state.graph_embedding, index=state.cells, columns=columns)
    clusters = pd.DataFrame({"Celltype": state.clusters}, index=state.cells)
    files: dict[str, FileContent] = {f"{name}_embedding.csv": frame_to_csv(embedding, index=True)}
    files[f"{name}_results.txt"] = frame_to_csv(clusters, index=True)
    if state.imputed is not None:
        recon = pd.DataFrame(to_dense(state.imputed).T, state.genes, state.cells)
        files[f"{name}_recon.csv"] = frame_to_csv(recon, index=True)
    if state.graph is not None:
        upper = sparse.triu(state.graph).tocoo()
        edges = zip(upper.row, upper.col, upper.data, strict=True)
        files[f"{name}_graph.csv"] = [("NodeA", "NodeB", "Weights"), *edges]
    return write_files(folder, files)
