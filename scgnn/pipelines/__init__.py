"""Pipelines: the components whose fields are other components."""

from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.passes import Pass, Turn
from scgnn.pipelines.scgnn import ScGNN
from scgnn.pipelines.single_pass import SinglePass

__all__ = ["Pass", "Pipeline", "ScGNN", "SinglePass", "Turn"]
