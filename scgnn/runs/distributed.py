"""One run on more cells than a machine holds: several processes, each with a share of the cells.

Every process reads its own cells and trains the autoencoders on them, its part of each batch; what
a batch's gradients add up to is what one process would have found. The first process does the rest
with the embedding of all cells: the cell graph, the graph autoencoder, the clusters, the scores and
the files. It is the one that runs the pipeline; the others wait for its orders.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from torch import Tensor

from scgnn.components.decoders import MLPDecoder as MLPDecoder
from scgnn.components.encoders import VAE, MLPEncoder
from scgnn.components.readers.shard import ShardReader
from scgnn.components.regularizers import (
    CellWeightedError,
    ClusterSizeWeightedError,
    DegreeWeightedError,
    KLDivergence,
    Regularizer,
    Sparsity,
    WeightedSquaredError,
)
from scgnn.components.transforms import NormalizeTotal, TopGenes
from scgnn.errors import RecipeError
from scgnn.evaluation import ImputationTargets
from scgnn.execution import process_group
from scgnn.execution.resources import PeakMemory
from scgnn.execution.stages import StageResult, Stages
from scgnn.pipelines import ScGNN, SinglePass, autoencoders
from scgnn.pipelines.reconstruction import LazyReconstruction
from scgnn.recipe.recipe import Recipe
from scgnn.registry.introspection import is_builtin
from scgnn.runs.folder import make_paths_absolute
from scgnn.runs.results import RunResult, annotate
from scgnn.runs.run import PreparedData, compute, prepare
from scgnn.state import Expression, Matrix, State
from scgnn.training import collectives

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

SHARDED_TRAININGS = (
    autoencoders.fit_feature_autoencoder,
    autoencoders.fit_cluster_autoencoders,
    autoencoders.fit_imputation_autoencoder,
)
ADDITIVE_REGULARIZERS = (
    DegreeWeightedError,
    ClusterSizeWeightedError,
    Sparsity,
    KLDivergence,
)  # their loss is a sum over cells


@dataclass(frozen=True, eq=False)
class MatrixShard:
    """The rows of a matrix that this process has; its shape is that of the whole."""

    rows: Matrix
    n_cells: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_cells, self.rows.shape[1]


@dataclass(frozen=True, eq=False)
class PrecomputedWeights(CellWeightedError):
    """Squared errors whose weights the first process has worked out, one for each cell here."""

    cell_weights: Tensor = field(kw_only=True)

    def prepare(self, state: State) -> Tensor:
        return self.cell_weights


class TrainingTask(NamedTuple):
    """A training that a process is to take part in."""

    function: Callable[..., autoencoders.AutoencoderFit]
    autoencoder: autoencoders.Autoencoder
    extra_args: tuple[Any, ...]  # the arguments but parts and state
    on_reconstruction: (
        bool  # whether it is trained on what the last training rebuilt, or on the input
    )
    clusters: np.ndarray | None  # of the cells here


class Worker:
    """A process at work on its share of the cells.

    Parameters
    ----------
    x
        Expression of the cells that it has.
    genes
        Their names.
    """

    def __init__(self, x: Matrix, genes: np.ndarray) -> None:
        self.x, self.genes = x, genes
        self.reconstruction: Any = None

    def __call__(self, task: TrainingTask) -> autoencoders.AutoencoderFit:
        """Take part in a training; the embedding returned is that of the cells here."""
        target = self.reconstruction if task.on_reconstruction else self.x
        state = State(target, self.genes, np.empty(0, dtype=str), clusters=task.clusters)
        training, *more = task.extra_args
        with collectives.synchronized():
            fitted = task.function(task.autoencoder, training, state, *more)
        labels = task.clusters if task.function is autoencoders.fit_cluster_autoencoders else None
        self.reconstruction = autoencoders.reconstruct(
            task.autoencoder, fitted, len(self.genes), labels
        )
        return fitted


class ShardedStages(Stages):
    """Stages of which the trainings of feature autoencoders are done by all processes together.

    Parameters
    ----------
    worker
        The first process's share.
    counts
        How many cells each process has.
    """

    def __init__(self, worker: Worker, shard_sizes: list[int]) -> None:
        super().__init__()
        self.worker, self.shard_sizes = worker, shard_sizes
        self.last_decoders: Any = None  # the decoders of the last training

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        if function not in SHARDED_TRAININGS:
            return super().get_or_compute(key, function, args)

        @wraps(function)
        def by_all(
            parts: autoencoders.Autoencoder, training: Any, state: State, *more: Any
        ) -> autoencoders.AutoencoderFit:
            orders = self.make_tasks(function, parts, state, (training, *more))
            fitted = self.worker(collectives.scatter(orders))
            self.last_decoders = fitted.decoder_weights
            embedding = collectives.gather_rows(fitted.embedding, self.shard_sizes)
            return fitted._replace(embedding=cast(np.ndarray, embedding))

        return super().get_or_compute(key, by_all, args)

    def make_tasks(
        self,
        function: Callable[..., Any],
        autoencoder: autoencoders.Autoencoder,
        state: State,
        extra_args: tuple[Any, ...],
    ) -> list[TrainingTask]:
        """One for each process."""
        rebuilt = isinstance(state.x, LazyReconstruction)
        assert not rebuilt or state.x.weights is self.last_decoders  # type: ignore[union-attr]
        edges = np.cumsum([0, *self.shard_sizes])
        known = [self._precompute_weights(each, state) for each in autoencoder.regularizers]
        found = []
        for here in map(slice, edges[:-1], edges[1:]):
            own = tuple(
                PrecomputedWeights(each.weight, cell_weights=of_cells[here].clone())
                if of_cells is not None
                else each
                for each, of_cells in zip(autoencoder.regularizers, known, strict=True)
            )
            labels = None if state.clusters is None else state.clusters[here]
            found.append(
                TrainingTask(
                    function, replace(autoencoder, regularizers=own), extra_args, rebuilt, labels
                )
            )
        return found

    @staticmethod
    def _precompute_weights(regularizer: Regularizer, state: State) -> Tensor | None:
        """What a squared error counts for in each cell, which takes the cells of all processes."""
        return regularizer.prepare(state) if isinstance(regularizer, WeightedSquaredError) else None


def serve_worker(recipe: Recipe) -> None:
    """Do what the first process orders, until it is done."""
    log.addHandler(logging.NullHandler())  # the first one speaks
    worker = _prepare_shard(recipe)[0]
    while (order := collectives.scatter(None)) is not None:
        collectives.gather_rows(worker(order).embedding, [])


def execute(recipe: Recipe) -> RunResult:
    """Run a recipe as the first of several processes; the others :func:`lend`."""
    with PeakMemory() as peak:
        worker, prepared, counts = _prepare_shard(recipe)
        assert prepared is not None
        log.info(
            "%s processes with %s cells",
            process_group.world_size(),
            ", ".join(f"{n:,}" for n in counts),
        )
        state, scores = compute(recipe, prepared, ShardedStages(worker, counts))
        collectives.scatter([None] * process_group.world_size())
        saved = make_paths_absolute(recipe)
        result = annotate(prepared.counts, state, saved, in_memory=False)
    scores["peak_memory_mb"] = round(peak.megabytes, 1)
    return RunResult(result, state, scores, saved)


def _prepare_shard(recipe: Recipe) -> tuple[Worker, PreparedData | None, list[int]]:
    """The data of this process; on the first one what it needs of all cells, and their numbers."""
    from anndata import AnnData

    data = recipe.data
    part = ShardReader(data.reader, process_group.rank(), process_group.world_size(), data.layer)
    with collectives.synchronized():
        here = prepare(replace(recipe, data=replace(data, reader=part, layer=None)))
    x, state, counts = cast(Matrix, here.state.x), here.state, here.counts
    notes = AnnData(obs=counts.obs.loc[state.cells], var=counts.var.loc[state.genes])
    notes.uns["scgnn_input"] = counts.uns["scgnn_input"]
    everywhere = collectives.gather((notes, here.labels))
    worker = Worker(x, state.genes)
    return (
        (worker, None, []) if everywhere is None else (worker, *_merge_shards(worker, everywhere))
    )


def _merge_shards(
    worker: Worker, shards: list[tuple[AnnData, np.ndarray | None]]
) -> tuple[PreparedData, list[int]]:
    """What the first process needs of all cells: their names, annotation and true labels."""
    from anndata import concat

    n_cells = [notes.n_obs for notes, _ in shards]
    counts = concat([notes for notes, _ in shards], merge="first")
    read = [notes.uns["scgnn_input"] for notes, _ in shards]
    counts.uns["scgnn_input"] = read[0] | {
        "source": read[0]["source"].rpartition(" (part")[0],
        **{word: sum(each[word] for each in read) for word in ("n_cells", "empty_cells")},
        "empty_genes": 0,
    }
    labels = [np.full(notes.n_obs, "") if t is None else t for notes, t in shards]
    truth = np.concatenate(labels)
    whole = cast(Expression, MatrixShard(worker.x, sum(n_cells)))
    state = State(whole, worker.genes, counts.obs_names.to_numpy(str))
    answers = ImputationTargets(None, None, None, None, "other")
    return PreparedData(counts, state, truth if (truth != "").any() else None, answers), n_cells


def check_distributed_support(recipe: Recipe, uses_cache: bool) -> None:
    """Refuse what several processes cannot do together.

    Raises
    ------
    RecipeError
        Every setting in the way, with what to do.
    """
    problems = [*_find_data_problems(recipe.data), *_find_pipeline_problems(recipe.pipeline)]
    if uses_cache:
        problems.append("--resume, --cache-dir: stages of a run by several processes are not kept")
    if problems:
        raise RecipeError(
            [f"{each} (run by {process_group.world_size()} processes)" for each in problems]
        )


def _find_data_problems(data: Any) -> Iterator[str]:
    """The settings of the data in the way."""
    for name in (
        "holdout_fraction",
        "thinning_fraction",
        "truth_path",
        "permuted_gene_fraction",
        "batch_key",
    ):
        if getattr(data, name):
            yield f"data.{name}: takes all cells in one process; leave it out"
    if getattr(data.reader, "n_top_genes", 0):
        yield "data.reader.n_top_genes: takes all cells in one process; choose by top_genes"
    for transform in data.transforms:
        where = f"data.transforms: {transform.name}"
        if not is_builtin(type(transform)):
            yield f"{where} is a plug-in, of which nobody knows what it takes; leave it out"
        if isinstance(transform, NormalizeTotal) and transform.target_sum is None:
            yield f"{where} takes the median of all cells; give a target_sum, such as 1e4"
        if isinstance(transform, TopGenes) and transform.flavor == "log_nonzero":
            yield f"{where} by log_nonzero takes all values of a gene; choose flavor: variance"


def _find_pipeline_problems(pipeline: Any) -> Iterator[str]:
    """The settings of the pipeline in the way."""
    if type(pipeline) not in (ScGNN, SinglePass):
        yield f"pipeline: {pipeline.name} is not known to be divisible; use scgnn or single_pass"
        return
    for name, kinds in (("feature_encoder", (MLPEncoder, VAE)), ("feature_decoder", (MLPDecoder,))):
        part, known = getattr(pipeline, name), " or ".join(kind.name for kind in kinds)
        if type(part) not in kinds:
            yield f"pipeline.{name}: {getattr(part, 'name', 'null')} takes all cells; use {known}"
        elif part.normalization == "batch":
            yield f"pipeline.{name}.normalization: batch takes all cells of a batch; use layer"
    for name in ("feature_regularizers", "cluster_regularizers", "imputation_regularizers"):
        for regularizer in getattr(pipeline, name, ()):
            if regularizer.weight and type(regularizer) not in ADDITIVE_REGULARIZERS:
                yield f"pipeline.{name}: {regularizer.name} is no sum over cells; leave it out"
