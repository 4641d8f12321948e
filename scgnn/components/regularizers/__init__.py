"""Regularizers: additional terms of an autoencoder's loss."""

from scgnn.components.regularizers.contract import (
    ForwardPass,
    Phase,
    Regularizer,
    WeightedSquaredError,
    active_in,
)
from scgnn.components.regularizers.embedding import ContrastiveLoss, KLDivergence, Sparsity
from scgnn.components.regularizers.reconstruction import (
    BinaryLTMGWeightedError,
    CellWeightedError,
    ClusterSizeWeightedError,
    DegreeWeightedError,
    GraphSmoothness,
    LTMGWeightedError,
    NonzeroError,
)

__all__ = [
    "BinaryLTMGWeightedError",
    "CellWeightedError",
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
