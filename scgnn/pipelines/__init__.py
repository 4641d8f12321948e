"""Pipelines: the components whose fields are other components."""

from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import Pass
from scgnn.pipelines.iteration import Turn
from scgnn.pipelines.scgnn import ScGNN
from scgnn.pipelines.single_pass import SinglePass

__all__ = ["Pass", "Pipeline", "ScGNN", "SinglePass", "Turn"]
