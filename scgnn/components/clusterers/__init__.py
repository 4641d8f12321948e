"""Clusterers: an embedding or a graph into labels."""

from scgnn.components.clusterers.automatic_k import (
    HDBSCAN,
    OPTICS,
    AffinityPropagation,
    MeanShift,
)
from scgnn.components.clusterers.community_detection import Leiden, Louvain
from scgnn.components.clusterers.consensus import Consensus
from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.clusterers.given_k import (
    Agglomerative,
    Birch,
    GaussianMixture,
    GivenK,
    KMeans,
    Spectral,
)
from scgnn.components.clusterers.random_labels import RandomClusters
from scgnn.components.clusterers.relabel import merge_small, reassign_small, relabel_by_size

__all__ = [
    "HDBSCAN",
    "OPTICS",
    "AffinityPropagation",
    "Agglomerative",
    "Birch",
    "Clusterer",
    "Consensus",
    "GaussianMixture",
    "GivenK",
    "KMeans",
    "Leiden",
    "Louvain",
    "MeanShift",
    "RandomClusters",
    "Spectral",
    "merge_small",
    "reassign_small",
    "relabel_by_size",
]
