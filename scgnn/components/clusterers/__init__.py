"""Clusterers: an embedding or a graph into labels."""

from scgnn.components.clusterers.automatic_k import (
    HDBSCAN,
    OPTICS,
    AffinityPropagation,
    MeanShift,
    Uncounted,
)
from scgnn.components.clusterers.community import Communities, Leiden, Louvain, to_igraph
from scgnn.components.clusterers.consensus import Consensus
from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.clusterers.given_k import (
    Agglomerative,
    Birch,
    Counted,
    GaussianMixture,
    KMeans,
    Spectral,
)
from scgnn.components.clusterers.n_clusters import eigengap_count, scaled_count, silhouette_count
from scgnn.components.clusterers.random_labels import Random
from scgnn.components.clusterers.relabel import canonical, merge_small, nearest_small

__all__ = [
    "HDBSCAN",
    "OPTICS",
    "AffinityPropagation",
    "Agglomerative",
    "Birch",
    "Clusterer",
    "Communities",
    "Consensus",
    "Counted",
    "GaussianMixture",
    "KMeans",
    "Leiden",
    "Louvain",
    "MeanShift",
    "Random",
    "Spectral",
    "Uncounted",
    "canonical",
    "eigengap_count",
    "merge_small",
    "nearest_small",
    "scaled_count",
    "silhouette_count",
    "to_igraph",
]
