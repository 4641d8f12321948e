"""The data of a recipe: what is read, what is hidden for scores, what is done to it."""

from __future__ import annotations

from dataclasses import dataclass

from scgnn.components.readers import Demo, Reader
from scgnn.components.transforms import Filter, Log1p, TopGenes, Transform
from scgnn.field_types import ProperFraction


@dataclass(frozen=True)
class Data:
    """What is read, and what is done to it before the pipeline.

    Parameters
    ----------
    reader
        Where the counts come from: a reader, or a path whose format is found out.
    layer
        Layer of the AnnData that holds the counts; null takes X.
    labels_key
        Column of obs with the true labels, used for scores only.
    batch_key
        Column of obs that names each cell's batch, for components that tell batches apart.
    thinning_fraction
        Share of the molecules hidden from the pipeline, each count split at random (binomial), to
        score imputation on them: the score that cannot be gamed.
    holdout_fraction
        Share of the non-zero counts hidden from the pipeline, to score imputation on them as the
        papers do. It rewards never predicting a zero.
    permuted_gene_fraction
        Share of the genes whose values are permuted over the cells, to score how much correlation
        imputation makes up.
    truth_path
        An .h5ad file with the true or deeper counts of the same cells and genes, to score
        imputation.
    transforms
        Applied to the counts in this order.
    """

    reader: Reader = Demo()
    layer: str | None = None
    labels_key: str | None = None
    batch_key: str | None = None
    thinning_fraction: ProperFraction = 0.0
    holdout_fraction: ProperFraction = 0.0
    permuted_gene_fraction: ProperFraction = 0.0
    truth_path: str | None = None
    transforms: tuple[Transform, ...] = (Filter(), TopGenes(), Log1p())

    def __post_init__(self) -> None:
        if self.thinning_fraction and self.holdout_fraction:
            raise ValueError(
                "thinning_fraction and holdout_fraction both hide counts: set one of them to 0"
            )

    @property
    def is_stochastic(self) -> bool:
        """Whether what the pipeline sees depends on the seed."""
        return bool(self.thinning_fraction or self.holdout_fraction or self.permuted_gene_fraction)
