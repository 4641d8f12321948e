"""recipe"""

from __future__ import annotations

from dataclasses import dataclass, field

from scgnn.components.decoders import Decoder
from scgnn.components.regularizers import LTMGWeightedError
from scgnn.field_types import Seed
from scgnn.pipelines import Pipeline
from scgnn.pipelines.scgnn import ScGNN
from scgnn.recipe.data import Data
from scgnn.recipe.yaml_tree import dump_yaml
from scgnn.registry.introspection import collect_requirements, iter_components, to_dict


@dataclass(frozen=True)
class Recipe:
    """A whole run: seed, data and pipeline.

    Parameters
    ----------
    seed
        Every random draw derives its own seed from this one.
    data
        What is read, and what is done to it first.
    pipeline
        The method.
    """

    seed: Seed = 1
    data: Data = field(default_factory=Data)
    pipeline: Pipeline = field(default_factory=ScGNN)

    def __post_init__(self) -> None:
        if "batch" in collect_requirements(self.pipeline) and self.data.batch_key is None:
            raise ValueError(
                f"pipeline: {_find_component_requiring('batch', self.pipeline)} needs the batch of each cell; "
                "set data.batch_key to the column of obs that names it"
            )
        if self.data.batch_key is not None and self.data.batch_key == self.data.labels_key:
            raise ValueError("data.batch_key: the true labels are for scores only")
        self._check_scale()

    def _check_scale(self) -> None:
        """Refuse parts that want counts where transforms leave something else."""
        decoder = getattr(self.pipeline, "feature_decoder", None)
        if not isinstance(decoder, Decoder) or not decoder.requires_counts:
            return
        changing = [t.name for t in self.data.transforms if not t.drops_cells_or_genes]
        if changing:
            raise ValueError(
                f"pipeline.feature_decoder: {decoder.name} rebuilds counts, but after "
                f"{' and '.join(changing)} there are none; leave "
                f"{'them' if len(changing) > 1 else 'it'} out of data.transforms"
            )
        for part in iter_components(self.pipeline):
            if isinstance(part, LTMGWeightedError) and part.input == "log":
                raise ValueError(
                    f"pipeline: {part.name} reads logarithms, but {decoder.name} wants counts; "
                    f"set its input to counts"
                )


def _find_component_requiring(requirement: str, pipeline: Pipeline) -> str:
    return next(part.name for part in iter_components(pipeline) if requirement in part.requires)


def to_yaml(recipe: Recipe) -> str:
    """A recipe as YAML, complete, which loads to an equal recipe."""
    return dump_yaml(to_dict(recipe))
