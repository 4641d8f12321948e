"""The types of component fields: a range is part of a type, so that a recipe can be checked."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt, MinLen

Positive = Annotated[int, Gt(0)]
Natural = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Lt(2**32)]
Rate = Annotated[float, Gt(0)]
Weight = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
ProperShare = Annotated[float, Ge(0), Lt(1)]
OpenShare = Annotated[float, Gt(0), Lt(1)]
Damping = Annotated[float, Ge(0.5), Lt(1)]
AtLeastTwo = Annotated[int, Ge(2)]
Neighbours: TypeAlias = Positive | OpenShare | Literal["adaptive"]  # of a cell
Counts = Annotated[tuple[Positive, ...], MinLen(1)]
Rates = Annotated[tuple[Rate, ...], MinLen(1)]
Widths = Annotated[tuple[Positive, ...], MinLen(1)]  # of layers, input side first
Activation = Literal["relu", "elu", "softplus", "tanh", "none"]
Normalization = Literal["none", "batch", "layer"]
