"""The import of DGL, and cell graphs in its form."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, identity

from scgnn.errors import UserError
from scgnn.execution.hardware import get_dgl_version, has_dgl

# before any module imports DGL, which else prints a message and writes a file into the home folder
os.environ["DGLBACKEND"] = "pytorch"
if has_dgl() and get_dgl_version() >= (2,):
    # it loads a library that is built for one version of torch; scgnn needs none of it
    sys.modules.setdefault("dgl.graphbolt", types.ModuleType("dgl.graphbolt"))


def load_dgl() -> Any:
    """Import DGL.

    Raises
    ------
    UserError
        It cannot be imported.
    """
    try:
        import dgl
    except Exception as error:  # a broken binary raises anything from ImportError to OSError
        raise UserError(
            f"dgl cannot be imported ({error}); use backend torch, or install dgl==1.1.3 and "
            "packaging and run 'scgnn-recipe doctor'"
        ) from error
    return dgl


def to_dgl(graph: csr_matrix, add_self_loops: bool = True) -> Any:
    """Return a cell graph as a DGLGraph.

    Parameters
    ----------
    graph
        Cell graph, cells x cells, symmetric.
    add_self_loops
        Whether to add an edge of weight 1 from each cell to itself.

    Returns
    -------
    dgl.DGLGraph
        Edge data [edges]: ``weight`` as in the graph and ``norm``, the values of
        D^-1/2 (A + I) D^-1/2 (Kipf & Welling 2017). Node data [cells]: ``scale``, the diagonal of
        D^-1/2.

    Raises
    ------
    UserError
        DGL cannot be imported.
    """
    n = graph.shape[0]
    edges = (graph + identity(n, format="csr") if add_self_loops else graph).tocoo()
    degree = np.asarray(edges.sum(axis=1)).ravel()
    scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
    norm = edges.data * scale[edges.row] * scale[edges.col]
    ends = torch.as_tensor(edges.row), torch.as_tensor(edges.col)
    dgl_graph = load_dgl().graph(ends, num_nodes=n)
    dgl_graph.edata["weight"] = torch.as_tensor(edges.data, dtype=torch.float32)
    dgl_graph.edata["norm"] = torch.as_tensor(norm, dtype=torch.float32)
    dgl_graph.ndata["scale"] = torch.as_tensor(scale, dtype=torch.float32)
    return dgl_graph
