"""What a pipeline is."""

from __future__ import annotations

from scgnn.execution.stages import Stages
from scgnn.registry.component import Component
from scgnn.state import State


class Pipeline(Component, kind="pipeline"):
    """The order in which components work: written in Python that reads like the paper."""

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        """From expression to labels, embeddings, graph and imputed expression.

        Every random draw takes its seed from ``seed`` and the name of its slot; every step that
        takes time goes through ``stages``.
        """
        raise NotImplementedError
