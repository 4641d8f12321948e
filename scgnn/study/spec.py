"""A study: base recipe, changes, axes that these are crossed with, and the runs of all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, NamedTuple

from scgnn.execution.files import truncate_name
from scgnn.execution.fingerprint import digest
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, to_plain

Role = Literal["base", "change", "control"]


class Level(NamedTuple):
    """Level of an axis, or a change of the base.

    Attributes
    ----------
    name
        Name in tables.
    changes
        Values by dotted path; for a whole recipe, its name at the path ``base``.
    recipe
        The whole recipe, which takes data and seed from the base.
    """

    name: str
    changes: tuple[tuple[str, Node], ...]
    recipe: Recipe | None = None

    @property
    def value(self) -> Any:
        """Value in tables: the number of a seed, else the name."""
        is_seed = [path for path, _ in self.changes] == ["seed"]
        return to_plain(self.changes[0][1]) if is_seed else self.name


class Axis(NamedTuple):
    """Axis that everything is crossed with: a block that pairs runs, or a factor of the study."""

    name: str
    levels: tuple[Level, ...]
    is_block: bool


@dataclass(frozen=True)
class Run:
    """One recipe of a study.

    Attributes
    ----------
    variant
        ``base``, the name of a change, or of a control.
    role
        Role of the variant.
    levels
        Value of every axis by name; a control has no factors.
    recipe
        Complete recipe.
    """

    variant: str
    role: Role
    levels: Mapping[str, Any]
    recipe: Recipe

    @property
    def label(self) -> str:
        """Folder of the run, relative to ``runs``."""
        levels = ",".join(f"{axis}={level}" for axis, level in self.levels.items())
        return f"{slugify(self.variant)}/{slugify(levels)}"


@dataclass(frozen=True)
class Study:
    """A validated study.

    Attributes
    ----------
    name
        Stem of its file.
    base_name
        Name of the base in the file.
    source
        The study as plain data with a complete base, from which it can be repeated.
    axes
        Blocks first.
    runs
        Base, changes and controls at every combination of levels.
    scores
        Scores that the file asks for, the main one first; empty for all.
    """

    name: str
    base_name: str
    source: Mapping[str, Any] = field(repr=False)
    axes: tuple[Axis, ...]
    runs: tuple[Run, ...] = field(repr=False)
    scores: tuple[str, ...] = ()

    @property
    def variants(self) -> list[str]:
        """Names of base, changes and controls, in this order."""
        return list(dict.fromkeys(run.variant for run in self.runs))

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the axes that pair runs."""
        return tuple(axis.name for axis in self.axes if axis.is_block)

    @property
    def factors(self) -> dict[str, list[str]]:
        """Levels of the other axes by name."""
        return {a.name: [level.name for level in a.levels] for a in self.axes if not a.is_block}

    @property
    def comparisons(self) -> dict[str, int]:
        """Number of tests of one score by kind; p-values are corrected within each kind."""
        roles = {run.variant: run.role for run in self.runs}
        n_others = [len(levels) - 1 for levels in self.factors.values()]  # than the first
        numbers = {
            "change": sum(role == "change" for role in roles.values()),
            "control": sum(role == "control" for role in roles.values()),
            "main effect": sum(n_others),
            "interaction": sum(a * b for a, b in combinations(n_others, 2)),
        }
        return {kind: n for kind, n in numbers.items() if n}

    @property
    def has_comparable_scores(self) -> bool:
        """Whether labels are given, or imputed values are scored."""
        return self.has_labels or any(_scores_imputation(run.recipe) for run in self.runs)

    @property
    def has_labels(self) -> bool:
        """Whether some data have true labels."""
        data = [run.recipe.data for run in self.runs]
        return any(part.labels_key or part.labels_file for part in data)


def _scores_imputation(recipe: Recipe) -> bool:
    has_targets = recipe.data.truth_path is not None or recipe.data.is_stochastic
    return has_targets and getattr(recipe.pipeline, "imputation", None) is not None


def slugify(text: str) -> str:
    """Return text as a file name; if characters are replaced, a hash keeps it unique."""
    slug = truncate_name(re.sub(r"[^\w.,=+-]+", "_", text).strip("_."), 100)
    return slug if slug == text else f"{slug}-{digest(text)[:6]}"
