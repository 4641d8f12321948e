"""Pipelines: the components whose fields are other components."""

from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import EmbeddingPipeline
from scgnn.pipelines.iteration import IterationContext
from scgnn.pipelines.scgnn import ScGNN
from scgnn.pipelines.single_pass import SinglePass

__all__ = ["EmbeddingPipeline", "IterationContext", "Pipeline", "ScGNN", "SinglePass"]
