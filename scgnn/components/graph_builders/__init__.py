"""Graph builders: an embedding into a graph of cells."""

from scgnn.components.graph_builders.bbknn import BatchBalanced
from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import symmetric
from scgnn.components.graph_builders.fuzzy_simplicial_set import UMAP
from scgnn.components.graph_builders.knn import KNN, SNN, Gaussian, MutualKNN, NeighbourGraph
from scgnn.components.graph_builders.neighbors import Metric, nearest, neighbour_count
from scgnn.components.graph_builders.radius import Radius

__all__ = [
    "KNN",
    "SNN",
    "UMAP",
    "BatchBalanced",
    "Gaussian",
    "GraphBuilder",
    "Metric",
    "MutualKNN",
    "NeighbourGraph",
    "Radius",
    "nearest",
    "neighbour_count",
    "symmetric",
]
