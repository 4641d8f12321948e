"""A study: a base recipe, what is changed in it one at a time, what all of it is crossed with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from scgnn.execution.fingerprint import digest
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node

Role = Literal["base", "change", "control"]


class Level(NamedTuple):
    """One value of an axis, or one change: its name, and the settings that it makes."""

    name: str
    changes: tuple[tuple[str, Node], ...]  # dotted path and value


class Axis(NamedTuple):
    """What everything is crossed with. Blocks pair runs; factors are studied themselves."""

    name: str
    levels: tuple[Level, ...]
    is_block: bool


@dataclass(frozen=True)
class Run:
    """One recipe of a study, and its place in the design.

    Attributes
    ----------
    variant
        ``base``, the name of a change, or of a control.
    place
        Level of every axis by its name; a control has none of the factors.
    """

    variant: str
    role: Role
    levels: Mapping[str, Any]
    recipe: Recipe

    @property
    def label(self) -> str:
        """A name for this run's folder."""
        words = (f"{axis}={level}" for axis, level in self.levels.items())
        return f"{slugify(self.variant)}/{slugify(','.join(words))}"


@dataclass(frozen=True)
class Study:
    """A checked study.

    Attributes
    ----------
    name
        The stem of its file.
    base
        What the file calls its base.
    source
        The study as plain data, its base complete: it runs again to the same answer.
    axes
        Blocks first.
    runs
        Base, changes and controls at every combination of levels.
    """

    name: str
    base_name: str
    source: Mapping[str, Any] = field(repr=False)
    axes: tuple[Axis, ...]
    runs: tuple[Run, ...] = field(repr=False)

    @property
    def variants(self) -> list[str]:
        """Names of base, changes and controls, in this order."""
        return list(dict.fromkeys(run.variant for run in self.runs))

    @property
    def blocks(self) -> tuple[str, ...]:
        """The axes that pair runs."""
        return tuple(axis.name for axis in self.axes if axis.is_block)

    @property
    def factors(self) -> dict[str, list[str]]:
        """The other axes and their levels."""
        return {a.name: [level.name for level in a.levels] for a in self.axes if not a.is_block}


def slugify(text: str) -> str:
    """Text as a file name of its own: other characters become _, and a hash tells it apart."""
    kept = re.sub(r"[^\w.,=+-]+", "_", text).strip("_.")[:100]
    return kept if kept == text else f"{kept}-{digest(text)[:6]}"
