"""The types of component fields: a range is part of a type, so that a recipe can be checked."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt, MinLen

PositiveInt = Annotated[int, Gt(0)]
NonNegativeInt = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Lt(2**32)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
ProperFraction = Annotated[float, Ge(0), Lt(1)]
OpenFraction = Annotated[float, Gt(0), Lt(1)]
DampingFactor = Annotated[float, Ge(0.5), Lt(1)]
IntAtLeastTwo = Annotated[int, Ge(2)]
NeighborCount: TypeAlias = PositiveInt | OpenFraction | Literal["adaptive"]  # of a cell
PositiveInts = Annotated[tuple[PositiveInt, ...], MinLen(1)]
PositiveFloats = Annotated[tuple[PositiveFloat, ...], MinLen(1)]
Widths = Annotated[tuple[PositiveInt, ...], MinLen(1)]  # of layers, input side first
Activation = Literal["relu", "elu", "softplus", "tanh"]
Normalization = Literal["batch", "layer"]
