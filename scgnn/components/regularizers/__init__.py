"""Regularizers: what an autoencoder is held to besides its decoder's own error."""

from scgnn.components.regularizers.contract import (
    ALL_PHASES,
    ForwardPass,
    Phase,
    Regularizer,
    WeightedSquaredError,
    active_in,
)
from scgnn.components.regularizers.embedding import ContrastiveLoss, KLDivergence, Sparsity
from scgnn.components.regularizers.reconstruction import (
    BinaryLTMGWeightedError,
    ClusterSizeWeightedError,
    DegreeWeightedError,
    GraphSmoothness,
    LTMGWeightedError,
    NonzeroError,
)

__all__ = [
    "ALL_PHASES",
    "BinaryLTMGWeightedError",
    "ClusterSizeWeightedError",
    "ContrastiveLoss",
    "DegreeWeightedError",
    "ForwardPass",
    "GraphSmoothness",
    "KLDivergence",
    "LTMGWeightedError",
    "NonzeroError",
    "Phase",
    "Regularizer",
    "Sparsity",
    "WeightedSquaredError",
    "active_in",
]
