"""Data of a run as its pipeline and its scores receive them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scgnn.evaluation import ImputationTargets
from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData


class PreparedData(NamedTuple):
    """Data of a run before its pipeline."""

    original: AnnData  # as it came, with the genes of the counts
    counts: AnnData  # validated, without labels
    state: State  # without labels
    labels: np.ndarray | None  # true label of each cell of ``state``, "" where unknown
    imputation_targets: ImputationTargets
