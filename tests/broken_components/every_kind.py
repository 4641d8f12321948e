"""Clusterers that break a rule of every kind."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from broken_components.case import CASES, register_broken
from scgnn.components.clusterers import Clusterer, relabel_by_size


class SingleCluster(Clusterer):
    """Assigns all cells to one cluster."""

    def fit_predict(self, embedding, graph, seed):
        return np.zeros(len(embedding), dtype=np.int64)


@register_broken("is_registered", "Nameless has no name; decorate it with @Clusterer.register")
class Nameless(SingleCluster):
    """Is not registered."""


@register_broken(
    "is_frozen_dataclass", "NotFrozen is not frozen; decorate it with @dataclass(frozen=True)"
)
@dataclass
class NotFrozen(SingleCluster):
    """Is mutable."""

    k: int = 1


@register_broken(
    "is_frozen_dataclass",
    "it is not hashable (unhashable type: 'list'); use tuples instead of lists",
)
@dataclass(frozen=True)
class ListField(SingleCluster):
    """Holds a list."""

    k: Any = None

    def __post_init__(self):
        object.__setattr__(self, "k", [])


@register_broken("is_frozen_dataclass", "not a field of Undecorated: k; decorate it")
@dataclass(frozen=True)
class Decorated(SingleCluster):
    """Is a dataclass."""


class Undecorated(Decorated):
    """Derives from a dataclass and is not decorated."""

    k: int = 1


CASES[-1] = CASES[-1]._replace(component=Undecorated())


@register_broken("is_documented", "missing in the docstring's Parameters: k")
@dataclass(frozen=True)
class UndocumentedParameter(SingleCluster):
    """Does not describe k."""

    k: int = 1


@register_broken("is_documented", "NoDocstring has no docstring")
@dataclass(frozen=True)
class NoDocstring(SingleCluster):
    k: int = 1


@register_broken("is_documented", "the docstring does not begin with a sentence: 'Clusters'")
class IncompleteSentence(SingleCluster):
    """Clusters"""


@register_broken("has_default_parameters", "without a default: k", k=1)
@dataclass(frozen=True)
class MissingDefault(SingleCluster):
    """Has a parameter without a default."""

    k: int


@register_broken("requires_known_state_fields", "requires color, which State does not have")
class UnknownRequirement(SingleCluster):
    """Requires an unknown field."""

    requires: ClassVar[frozenset[str]] = frozenset({"color"})


@register_broken("round_trips_through_recipe", 'must be an integer, not "three"')
@dataclass(frozen=True)
class WrongDefaultType(SingleCluster):
    """Has a default of another type."""

    k: int = "three"  # type: ignore[assignment]


@register_broken("round_trips_through_recipe", "its fields are not plain data")
@dataclass(frozen=True)
class NonPlainField(SingleCluster):
    """Holds a function."""

    k: Any = field(default_factory=lambda: print)


@register_broken("is_picklable", "it cannot be pickled")
class Unpicklable(SingleCluster):
    """Has a wrong qualified name."""


Unpicklable.__qualname__ = "somewhere.<locals>.Hidden"


@register_broken(
    "rejects_misspelled_parameters",
    "the misspelling 'kk' is accepted; let @dataclass write __init__",
)
@dataclass(frozen=True, init=False)
class AnyKeyword(SingleCluster):
    """Accepts any keyword argument."""

    k: int = 1

    def __init__(self, **settings):
        object.__setattr__(self, "k", settings.get("k", 1))


@register_broken(
    "is_deterministic_given_seed",
    "two calls with the same seed differ; draw from np.random.default_rng(seed)",
)
class GlobalGenerator(Clusterer):
    """Draws from the global random generator."""

    def fit_predict(self, embedding, graph, seed):
        return relabel_by_size(np.array([random.randrange(3) for _ in embedding]))


@register_broken("does_not_modify_inputs", "it modifies its inputs; work on a copy")
class InputModifier(SingleCluster):
    """Writes into the embedding."""

    def fit_predict(self, embedding, graph, seed):
        embedding[0] = 0
        return super().fit_predict(embedding, graph, seed)
