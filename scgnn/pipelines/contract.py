"""The contract of pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from scgnn.components.transforms import Transform
from scgnn.execution.stages import Stages
from scgnn.field_types import Cost, DatasetSize
from scgnn.registry.component import Component
from scgnn.registry.introspection import iter_components
from scgnn.state import State


class Pipeline(Component, kind="pipeline"):
    """The order in which components are called, from expression to clusters."""

    needs_all_cells: ClassVar[str] = "may need all cells; use scgnn or single_pass"

    def validate(self, transforms: Sequence[Transform], batch_key: str | None) -> None:
        """Check that prepared data have what the pipeline requires.

        Parameters
        ----------
        transforms
            The transforms of the data, in order.
        batch_key
            The column of ``obs`` with the batch of each cell.

        Raises
        ------
        ValueError
            A component requires something else; the message has its place in the recipe.
        """
        for part in iter_components(self):
            if "batch" in part.requires and batch_key is None:
                raise ValueError(
                    f"pipeline: {part.name} requires the batch of each cell; set data.batch_key to "
                    "a column of obs"
                )

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        """Run the pipeline.

        Parameters
        ----------
        state
            Expression, names and batches of the cells.
        stages
            Runner of the steps; every step that takes time is called through it.
        seed
            Seed from which every step derives its own, with the name of its slot.

        Returns
        -------
        State
            With clusters, the reason to stop, and what else was computed.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")

    def estimate_stages(self, size: DatasetSize) -> Iterable[tuple[str, int, Cost]]:
        """Return label, number of repeats and cost of each stage on data after the transforms.

        By default nothing is known, and runs have no estimate.
        """
        return ()
