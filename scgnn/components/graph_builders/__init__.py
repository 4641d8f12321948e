"""Graph builders: an embedding into a graph of cells."""

from scgnn.components.graph_builders.batches import BatchBalanced
from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import symmetric
from scgnn.components.graph_builders.fuzzy import UMAP
from scgnn.components.graph_builders.knn import KNN, SNN, Gaussian, MutualKNN, NeighbourGraph
from scgnn.components.graph_builders.radius import Radius
from scgnn.components.graph_builders.search import Metric, nearest, neighbour_count

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
