"""Components that break a rule of every kind, all of them clusterers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from broken_components.case import CASES, register_broken
from scgnn.components.clusterers import Clusterer, relabel_by_size


class SingleCluster(Clusterer):
    """Puts every cell into one cluster."""

    def fit_predict(self, embedding, graph, seed):
        return np.zeros(len(embedding), dtype=np.int64)


@register_broken("is_registered", "Nameless has no name; decorate it with @Clusterer.register")
class Nameless(SingleCluster):
    """Nobody finds it."""


@register_broken(
    "is_frozen_dataclass", "Thawed is not frozen; decorate it with @dataclass(frozen=True)"
)
@dataclass
class NotFrozen(SingleCluster):
    """Can be changed."""

    k: int = 1


@register_broken(
    "is_frozen_dataclass",
    "it cannot be a key (unhashable type: 'list'); use tuples instead of lists",
)
@dataclass(frozen=True)
class ListField(SingleCluster):
    """Holds a list."""

    k: Any = None

    def __post_init__(self):
        object.__setattr__(self, "k", [])


@register_broken("is_frozen_dataclass", "k: no field, for Undecorated itself is not decorated")
@dataclass(frozen=True)
class Decorated(SingleCluster):
    """Is one."""


class Undecorated(Decorated):
    """Inherits a dataclass and is none."""

    k: int = 1


CASES[-1] = CASES[-1]._replace(component=Undecorated())


@register_broken("is_documented", "not in the docstring's Parameters: k")
@dataclass(frozen=True)
class UndocumentedParameter(SingleCluster):
    """Does not say what k is."""

    k: int = 1


@register_broken("is_documented", "Bare has no docstring")
@dataclass(frozen=True)
class NoDocstring(SingleCluster):
    k: int = 1


@register_broken("is_documented", "the first line of the docstring is no sentence: 'Lumps'")
class IncompleteSentence(SingleCluster):
    """Lumps"""


@register_broken("has_default_parameters", "without a default: k", k=1)
@dataclass(frozen=True)
class MissingDefault(SingleCluster):
    """Wants to be told."""

    k: int


@register_broken("requires_known_state_fields", "requires colour: no field of State")
class UnknownRequirement(SingleCluster):
    """Reads what nobody has."""

    requires: ClassVar[frozenset[str]] = frozenset({"colour"})


@register_broken("round_trips_through_recipe", 'must be a whole number, not "three"')
@dataclass(frozen=True)
class WrongDefaultType(SingleCluster):
    """Says number and means text."""

    k: int = "three"  # type: ignore[assignment]


@register_broken("round_trips_through_recipe", "its fields are not plain data")
@dataclass(frozen=True)
class NonPlainField(SingleCluster):
    """Holds an object."""

    k: Any = field(default_factory=lambda: print)


@register_broken("is_picklable", "it cannot be pickled")
class Unpicklable(SingleCluster):
    """Is elsewhere than it says."""


Unpicklable.__qualname__ = "somewhere.<locals>.Hidden"


@register_broken(
    "rejects_misspelled_parameters",
    "the misspelling 'kk' is accepted; let @dataclass write __init__",
)
@dataclass(frozen=True, init=False)
class AnyKeyword(SingleCluster):
    """Takes anything."""

    k: int = 1

    def __init__(self, **settings):
        object.__setattr__(self, "k", settings.get("k", 1))


@register_broken(
    "is_deterministic_given_seed", "two calls with one seed differ; draw from np.random"
)
class GlobalGenerator(Clusterer):
    """Draws from the generator of the whole process."""

    def fit_predict(self, embedding, graph, seed):
        return relabel_by_size(np.array([random.randrange(3) for _ in embedding]))


@register_broken("does_not_modify_inputs", "it writes into its input; work on a copy")
class InputModifier(SingleCluster):
    """Writes where it should read."""

    def fit_predict(self, embedding, graph, seed):
        embedding[0] = 0
        return super().fit_predict(embedding, graph, seed)
