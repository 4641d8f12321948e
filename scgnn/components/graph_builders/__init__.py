"""Graph builders, which connect cells by their embedding."""

from scgnn.components.graph_builders.bbknn import BBKNN
from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import symmetrize
from scgnn.components.graph_builders.fuzzy_simplicial_set import UMAP
from scgnn.components.graph_builders.knn import (
    KNN,
    SNN,
    GaussianKernelGraph,
    MutualKNN,
    NeighborGraph,
)
from scgnn.components.graph_builders.neighbors import Metric, kneighbors, resolve_n_neighbors
from scgnn.components.graph_builders.radius import RadiusGraph

__all__ = [
    "BBKNN",
    "KNN",
    "SNN",
    "UMAP",
    "GaussianKernelGraph",
    "GraphBuilder",
    "Metric",
    "MutualKNN",
    "NeighborGraph",
    "RadiusGraph",
    "kneighbors",
    "resolve_n_neighbors",
    "symmetrize",
]
