"""Components that break a rule of every kind, all of them clusterers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from broken_components.case import CASES, breaks
from scgnn.components.clusterers import Clusterer, canonical


class One(Clusterer):
    """Puts every cell into one cluster."""

    def __call__(self, embedding, graph, seed):
        return np.zeros(len(embedding), dtype=np.int64)


@breaks("registered", "Nameless has no name; decorate it with @Clusterer.register")
class Nameless(One):
    """Nobody finds it."""


@breaks("frozen", "Thawed is not frozen; decorate it with @dataclass(frozen=True)")
@dataclass
class Thawed(One):
    """Can be changed."""

    k: int = 1


@breaks("frozen", "it cannot be a key (unhashable type: 'list'); use tuples instead of lists")
@dataclass(frozen=True)
class Listed(One):
    """Holds a list."""

    k: Any = None

    def __post_init__(self):
        object.__setattr__(self, "k", [])


@breaks("frozen", "k: no field, for Undecorated itself is not decorated")
@dataclass(frozen=True)
class Decorated(One):
    """Is one."""


class Undecorated(Decorated):
    """Inherits a dataclass and is none."""

    k: int = 1


CASES[-1] = CASES[-1]._replace(component=Undecorated())


@breaks("documented", "not in the docstring's Parameters: k")
@dataclass(frozen=True)
class Silent(One):
    """Does not say what k is."""

    k: int = 1


@breaks("documented", "Bare has no docstring")
@dataclass(frozen=True)
class Bare(One):
    k: int = 1


@breaks("documented", "the first line of the docstring is no sentence: 'Lumps'")
class Lumps(One):
    """Lumps"""


@breaks("works_without_parameters", "without a default: k", k=1)
@dataclass(frozen=True)
class Demanding(One):
    """Wants to be told."""

    k: int


@breaks("requires_what_is_there", "requires colour: no field of State")
class Strange(One):
    """Reads what nobody has."""

    requires: ClassVar[frozenset[str]] = frozenset({"colour"})


@breaks("survives_a_recipe", 'must be a whole number, not "three"')
@dataclass(frozen=True)
class Mistyped(One):
    """Says number and means text."""

    k: int = "three"  # type: ignore[assignment]


@breaks("survives_a_recipe", "its fields are not plain data")
@dataclass(frozen=True)
class Opaque(One):
    """Holds an object."""

    k: Any = field(default_factory=lambda: print)


@breaks("survives_a_pickle", "it cannot be pickled")
class Hidden(One):
    """Is elsewhere than it says."""


Hidden.__qualname__ = "somewhere.<locals>.Hidden"


@breaks("refuses_a_misspelling", "the misspelling 'kk' is accepted; let @dataclass write __init__")
@dataclass(frozen=True, init=False)
class Tolerant(One):
    """Takes anything."""

    k: int = 1

    def __init__(self, **settings):
        object.__setattr__(self, "k", settings.get("k", 1))


@breaks("same_seed_same_answer", "two calls with one seed differ; draw from np.random")
class Moody(Clusterer):
    """Draws from the generator of the whole process."""

    def __call__(self, embedding, graph, seed):
        return canonical(np.array([random.randrange(3) for _ in embedding]))


@breaks("leaves_inputs_alone", "it writes into its input; work on a copy")
class Careless(One):
    """Writes where it should read."""

    def __call__(self, embedding, graph, seed):
        embedding[0] = 0
        return super().__call__(embedding, graph, seed)
