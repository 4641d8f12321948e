"""Clusterers: an embedding or a graph into labels."""

from scgnn.components.clusterers.communities import Communities, Leiden, Louvain, to_igraph
from scgnn.components.clusterers.consensus import Consensus
from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.clusterers.control import Random
from scgnn.components.clusterers.counted import (
    Agglomerative,
    Birch,
    Counted,
    GaussianMixture,
    KMeans,
    Spectral,
)
from scgnn.components.clusterers.counts import eigengap_count, scaled_count, silhouette_count
from scgnn.components.clusterers.labels import canonical, merge_small, nearest_small
from scgnn.components.clusterers.uncounted import (
    HDBSCAN,
    OPTICS,
    AffinityPropagation,
    MeanShift,
    Uncounted,
)

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
