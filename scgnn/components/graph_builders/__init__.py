"""Graph builders, which connect cells by their embedding."""

from scgnn.components.graph_builders.bbknn import BBKNN
from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.fuzzy_simplicial_set import UMAP
from scgnn.components.graph_builders.knn import (
    KNN,
    SNN,
    GaussianKernelGraph,
    MutualKNN,
)
from scgnn.components.graph_builders.neighbors import kneighbors
from scgnn.components.graph_builders.radius import RadiusGraph

__all__ = [
    "BBKNN",
    "KNN",
    "SNN",
    "UMAP",
    "GaussianKernelGraph",
    "GraphBuilder",
    "MutualKNN",
    "RadiusGraph",
    "kneighbors",
]
