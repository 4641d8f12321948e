"""The recipe: seed, data and pipeline of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from scgnn.field_types import Seed
from scgnn.pipelines import Pipeline
from scgnn.recipe.data import Data
from scgnn.recipe.yaml_tree import dump_yaml
from scgnn.registry.introspection import to_dict


@dataclass(frozen=True)
class Recipe:
    """Seed, data and pipeline of a run.

    Parameters
    ----------
    seed
        Seed from which the seed of every random draw is derived.
    data
        Data and what is done to them before the pipeline.
    pipeline
        Pipeline that analyzes the data.
    """

    seed: Seed = 1
    data: Data = field(default_factory=Data)
    pipeline: Pipeline = field(default_factory=lambda: Pipeline.get("scgnn")())

    def __post_init__(self) -> None:
        if self.data.batch_key is not None and self.data.batch_key == self.data.labels_key:
            raise ValueError("data.batch_key: the true labels are for scores only")
        self.pipeline.validate(self.data.transforms, self.data.batch_key)


def to_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML, all settings written out."""
    return dump_yaml(to_dict(recipe))
