"""Regularizers: what an autoencoder is held to besides its decoder's own error."""

from scgnn.components.regularizers.contract import (
    ALL_PHASES,
    Forward,
    Phase,
    Regularizer,
    SquaredErrors,
    in_phase,
)
from scgnn.components.regularizers.embedding import Contrastive, Divergence, Sparsity
from scgnn.components.regularizers.reconstruction import (
    ClusterSize,
    Degree,
    GraphSmooth,
    LTMGBinary,
    LTMGStates,
    Observed,
)

__all__ = [
    "ALL_PHASES",
    "ClusterSize",
    "Contrastive",
    "Degree",
    "Divergence",
    "Forward",
    "GraphSmooth",
    "LTMGBinary",
    "LTMGStates",
    "Observed",
    "Phase",
    "Regularizer",
    "Sparsity",
    "SquaredErrors",
    "in_phase",
]
