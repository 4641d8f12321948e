"""Pipelines: the components whose fields are other components."""

from scgnn.pipelines.contract import Pipeline

# isort: split
from scgnn import recipe  # noqa: F401  # stages need it, and it needs Pipeline

# isort: split
from scgnn.pipelines.passes import Pass, Turn
from scgnn.pipelines.scgnn import ScGNN
from scgnn.pipelines.single_pass import SinglePass

__all__ = ["Pass", "Pipeline", "ScGNN", "SinglePass", "Turn"]
