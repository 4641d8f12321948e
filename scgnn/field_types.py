"""Types of component fields, which include the range of valid values, and of cost estimates."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

from annotated_types import Ge, Gt, Le, Lt, MinLen

# far beyond any use, so that no library overflows; messages mention them only where it matters
MAX_NUMBER = 10**9
MIN_POSITIVE = 1e-15
MAX_COPIES = 10_000
FAR_BOUNDS = (Ge(-MAX_NUMBER), Le(MAX_NUMBER), Ge(MIN_POSITIVE), Le(MAX_COPIES))

PositiveInt = Annotated[int, Gt(0), Le(MAX_NUMBER)]
NonNegativeInt = Annotated[int, Ge(0), Le(MAX_NUMBER)]
Seed = Annotated[int, Ge(0), Lt(2**32)]
Number = Annotated[float, Ge(-MAX_NUMBER), Le(MAX_NUMBER)]
PositiveFloat = Annotated[float, Gt(0), Ge(MIN_POSITIVE), Le(MAX_NUMBER)]
NonNegativeFloat = Annotated[float, Ge(0), Le(MAX_NUMBER)]
Fraction = Annotated[float, Ge(0), Le(1)]
ProperFraction = Annotated[float, Ge(0), Lt(1)]
OpenFraction = Annotated[float, Gt(0), Ge(MIN_POSITIVE), Lt(1)]
DampingFactor = Annotated[float, Ge(0.5), Lt(1)]
IntAtLeastTwo = Annotated[int, Ge(2), Le(MAX_NUMBER)]
NeighborCount: TypeAlias = PositiveInt | OpenFraction | Literal["adaptive"]  # of a cell
PositiveInts = Annotated[tuple[PositiveInt, ...], MinLen(1)]
RepeatCount = Annotated[int, Gt(0), Le(MAX_COPIES)]  # of layers, heads, restarts and other copies
LogScale = Annotated[float, Ge(0), Le(10)]  # mean or standard deviation of a natural logarithm
PositiveFloats = Annotated[tuple[PositiveFloat, ...], MinLen(1)]
Widths = Annotated[tuple[PositiveInt, ...], MinLen(1)]  # of layers, input side first
Activation = Literal["relu", "elu", "softplus", "tanh"]
Normalization = Literal["batch", "layer"]


class DatasetSize(NamedTuple):
    """Size of a data set."""

    n_cells: int
    n_genes: int
    n_nonzeros: int


class Cost(NamedTuple):
    """Estimated cost of a computation on the reference machine."""

    seconds: float
    memory_mb: float  # in 10^6 bytes, without the data and the libraries


class StageEstimate(NamedTuple):
    """Estimated cost of a stage."""

    n_repeats: int
    seconds: float  # of each repeat
    peak_memory_mb: float  # of the process, in 10^6 bytes
