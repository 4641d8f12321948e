"""Data of a recipe: reader, transforms, and what is hidden to score imputation."""

from __future__ import annotations

from dataclasses import dataclass

from scgnn.arguments import check_local_path
from scgnn.components.readers import Demo, Reader
from scgnn.components.transforms import Filter, Log1p, TopGenes, Transform
from scgnn.data.layers import AUTO
from scgnn.errors import InputError
from scgnn.field_types import ProperFraction


@dataclass(frozen=True)
class Data:
    """Data of a run and what is done to them before the pipeline.

    Parameters
    ----------
    reader
        Reader of the counts, or the path of a file whose format is detected.
    layer
        Where the counts are: ``X``, ``raw`` or the name of a layer. ``auto`` is X if it holds
        counts, which are whole numbers, else the only other matrix that does; without any, X.
    labels_key
        Column of obs, or of ``labels_file``, with the true labels, used for scores only.
    labels_file
        Text table with the true labels: names of cells in one column, labels in the column
        ``labels_key``, or in the only other one.
    batch_key
        Column of obs with the batch of each cell, for components that use batches.
    thinning_fraction
        Fraction of the molecules hidden from the pipeline to score imputation, each count split at
        random (binomial).
    holdout_fraction
        Fraction of the non-zero counts hidden from the pipeline to score imputation, as in the
        papers. This score favors methods that never predict a zero.
    permuted_gene_fraction
        Fraction of the genes whose values are permuted over the cells, to score how much false
        correlation imputation creates.
    truth_path
        An .h5ad file with the true or deeper counts of the same cells and genes, to score
        imputation.
    transforms
        Transforms of the counts, in this order.
    """

    reader: Reader = Demo()
    layer: str = AUTO
    labels_key: str | None = None
    labels_file: str | None = None
    batch_key: str | None = None
    thinning_fraction: ProperFraction = 0.0
    holdout_fraction: ProperFraction = 0.0
    permuted_gene_fraction: ProperFraction = 0.0
    truth_path: str | None = None
    transforms: tuple[Transform, ...] = (Filter(), TopGenes(), Log1p())

    def __post_init__(self) -> None:
        for key, path in {
            "reader.path": getattr(self.reader, "path", None),
            "labels_file": self.labels_file,
            "truth_path": self.truth_path,
        }.items():
            try:
                check_local_path(path or "")
            except InputError as error:
                raise ValueError(f"{key}: {error}") from None
        if self.thinning_fraction and self.holdout_fraction:
            problem = "thinning_fraction and holdout_fraction both hide counts"
            raise ValueError(f"{problem}: set one of them to 0")

    @property
    def is_stochastic(self) -> bool:
        """Whether the input of the pipeline depends on the seed."""
        return bool(self.thinning_fraction or self.holdout_fraction or self.permuted_gene_fraction)
