"""One run on several processes, each with a part of the cells.

Every process reads its own cells and trains the autoencoders on them, its part of each batch; the
gradients are summed, so that the weights are those of a single process. The first process runs the
pipeline: the cell graph, the graph autoencoder, the clusters, the scores and the files need the
embedding of all cells only. The others wait for its training tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from torch import Tensor

from scgnn.components.readers.shard import ShardReader
from scgnn.components.regularizers import CellWeightedError, WeightedSquaredError
from scgnn.data.h5ad_compatibility import make_h5ad_compatible
from scgnn.data.layers import MAIN
from scgnn.errors import RecipeError, UserError
from scgnn.evaluation import ImputationTargets
from scgnn.execution import process_group
from scgnn.execution.cache import StageResult
from scgnn.execution.resources import PeakMemory
from scgnn.execution.stages import Stages
from scgnn.pipelines.autoencoders import (
    Autoencoder,
    AutoencoderFit,
    fit_cluster_autoencoders,
    fit_feature_autoencoder,
    fit_imputation_autoencoder,
    reconstruct,
)
from scgnn.pipelines.reconstruction import LazyReconstruction
from scgnn.recipe.recipe import Recipe
from scgnn.registry.component import Component
from scgnn.registry.kinds import kinds
from scgnn.runs.folder import make_paths_absolute
from scgnn.runs.prepared_data import PreparedData
from scgnn.runs.results import RunResult, annotate
from scgnn.runs.run import add_costs, compute, log_warnings, prepare
from scgnn.state import Expression, Matrix, State
from scgnn.training.collectives import DistributedCommunicator, use_communicator

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

SHARDED_TRAININGS = (fit_feature_autoencoder, fit_cluster_autoencoders, fit_imputation_autoencoder)
SHARDED_SLOTS = (  # of a pipeline: the components of these trainings
    "feature_encoder",
    "feature_decoder",
    "feature_regularizers",
    "cluster_regularizers",
    "imputation_regularizers",
)
UNSHARDED_DATA_FIELDS = (
    "holdout_fraction",
    "thinning_fraction",
    "truth_path",
    "labels_file",
    "permuted_gene_fraction",
    "batch_key",
)


@dataclass(frozen=True, eq=False)
class MatrixShard:
    """The rows of a matrix that this process has; ``shape`` is that of the full matrix."""

    rows: Matrix
    n_cells: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_cells, self.rows.shape[1]


@dataclass(frozen=True, eq=False)
class PrecomputedWeights(CellWeightedError):
    """Weighted squared errors with the weights that the first process computed for these cells."""

    cell_weights: Tensor = field(kw_only=True)

    def prepare(self, state: State) -> Tensor:
        return self.cell_weights


class TrainingTask(NamedTuple):
    """A training that all processes take part in."""

    function: Callable[..., AutoencoderFit]
    autoencoder: Autoencoder
    training: Any
    extra_args: tuple[Any, ...]
    on_reconstruction: bool  # of the previous training, rather than on the expression
    clusters: np.ndarray | None  # of the cells of the receiving process


class Worker:
    """A process with its cells.

    Parameters
    ----------
    x
        Expression of its cells, n_local x genes.
    genes
        Names of the genes.
    """

    def __init__(self, x: Matrix, genes: np.ndarray) -> None:
        self.x, self.genes = x, genes
        self.communicator = DistributedCommunicator()
        self.reconstruction: Any = None

    def __call__(self, task: TrainingTask) -> AutoencoderFit:
        """Take part in a training; return its fit with the embedding of these cells."""
        x = self.reconstruction if task.on_reconstruction else self.x
        state = State(x, self.genes, np.empty(0, dtype=str), clusters=task.clusters)
        with use_communicator(self.communicator):
            fit = task.function(task.autoencoder, task.training, state, *task.extra_args)
        clusters = task.clusters if task.function is fit_cluster_autoencoders else None
        self.reconstruction = reconstruct(task.autoencoder, fit, len(self.genes), clusters)
        return fit


class ShardedStages(Stages):
    """Stages of the first process, which trains feature autoencoders with all processes.

    Parameters
    ----------
    worker
        The first process with its cells.
    shard_sizes
        Number of cells of each process.
    """

    def __init__(self, worker: Worker, shard_sizes: list[int]) -> None:
        super().__init__()
        self.worker, self.shard_sizes = worker, shard_sizes
        self.last_decoder_weights: Any = None

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        if function not in SHARDED_TRAININGS:
            return super().get_or_compute(key, function, args)
        communicator = self.worker.communicator

        @wraps(function)
        def fit_sharded(*args: Any) -> AutoencoderFit:
            fit = self.worker(communicator.scatter(self.make_tasks(function, *args)))
            self.last_decoder_weights = fit.decoder_weights
            embedding = communicator.gather_rows(fit.embedding, self.shard_sizes)
            return fit._replace(embedding=cast(np.ndarray, embedding))

        return super().get_or_compute(key, fit_sharded, args)

    def make_tasks(
        self,
        function: Callable[..., Any],
        autoencoder: Autoencoder,
        training: Any,
        state: State,
        *extra_args: Any,
    ) -> list[TrainingTask]:
        """Return the task of each process."""
        on_reconstruction = isinstance(state.x, LazyReconstruction)
        if on_reconstruction and state.x.weights is not self.last_decoder_weights:  # type: ignore[union-attr]
            problem = "several processes can train on the reconstruction of the last training only"
            raise UserError(f"{problem}; run this pipeline in one process")
        weights = [  # of the cells in a squared error, which depend on all cells
            r.prepare(state) if isinstance(r, WeightedSquaredError) else None
            for r in autoencoder.regularizers
        ]
        bounds = np.cumsum([0, *self.shard_sizes])
        tasks = []
        for cells in map(slice, bounds[:-1], bounds[1:]):
            regularizers = tuple(
                r if w is None else PrecomputedWeights(r.weight, cell_weights=w[cells].clone())
                for r, w in zip(autoencoder.regularizers, weights, strict=True)
            )
            shard = replace(autoencoder, regularizers=regularizers)
            clusters = None if state.clusters is None else state.clusters[cells]
            task = TrainingTask(function, shard, training, extra_args, on_reconstruction, clusters)
            tasks.append(task)
        return tasks


def serve_worker(recipe: Recipe) -> None:
    """Take part in the trainings of the first process until it has finished."""
    log.addHandler(logging.NullHandler())  # the first process logs
    worker = _prepare_shard(recipe)[0]
    while (task := worker.communicator.scatter(None)) is not None:
        worker.communicator.gather_rows(worker(task).embedding, [])


def execute(recipe: Recipe) -> RunResult:
    """Run a recipe as the first of several processes; the others run :func:`serve_worker`."""
    with PeakMemory() as peak:
        reading = Stages()
        with reading.measure("reading"):
            worker, data, shard_sizes = _prepare_shard(recipe)
        assert data is not None
        sizes = ", ".join(f"{n:,}" for n in shard_sizes)
        log.info("%s processes with %s cells", len(shard_sizes), sizes)
        try:
            source = data.counts.uns["scgnn_input"]["source"]
            data = data._replace(counts=make_h5ad_compatible(data.counts, source))
        except UserError:
            worker.communicator.scatter([None] * len(shard_sizes))  # which ends the others
            raise
        state, metrics = compute(recipe, data, ShardedStages(worker, shard_sizes))
        worker.communicator.scatter([None] * len(shard_sizes))
        recipe = make_paths_absolute(recipe)
        adata = annotate(data.counts, data.counts, state, recipe, in_memory=False)
    metrics = add_costs(metrics, reading)
    metrics["peak_memory_mb"] = round(peak.megabytes, 1)
    return RunResult(adata, state, metrics, recipe, log_warnings(metrics, state, recipe))


def _prepare_shard(recipe: Recipe) -> tuple[Worker, PreparedData | None, list[int]]:
    """Return this process with its cells and, on the first one, the data and sizes of all."""
    from anndata import AnnData

    communicator, data = DistributedCommunicator(), recipe.data
    reader = ShardReader(data.reader, communicator.rank, communicator.world_size, data.layer)
    with use_communicator(communicator):
        shard = prepare(replace(recipe, data=replace(data, reader=reader, layer=MAIN)))
    state, counts = shard.state, shard.counts
    cells = counts.obs_names.get_indexer(state.cells)
    genes = counts.var_names.get_indexer(state.genes)
    obs, var = shard.original.obs.iloc[cells], shard.original.var.iloc[genes]
    annotation = AnnData(obs=obs.set_axis(state.cells), var=var.set_axis(state.genes))
    annotation.uns["scgnn_input"] = counts.uns["scgnn_input"]
    shards = communicator.gather((annotation, shard.labels))
    worker = Worker(cast(Matrix, state.x), state.genes)
    return (worker, None, []) if shards is None else (worker, *_merge_shards(worker, shards))


def _merge_shards(
    worker: Worker, shards: list[tuple[AnnData, np.ndarray | None]]
) -> tuple[PreparedData, list[int]]:
    """Return the names, annotation and true labels of all cells, and the number of each shard."""
    from anndata import concat

    annotations = [annotation for annotation, _ in shards]
    shard_sizes = [annotation.n_obs for annotation in annotations]
    counts = concat(annotations, merge="first")
    inputs = [annotation.uns["scgnn_input"] for annotation in annotations]
    counts.uns["scgnn_input"] = inputs[0] | {
        "source": inputs[0]["source"].rpartition(" (part")[0],
        **{key: sum(entry[key] for entry in inputs) for key in ("n_cells", "empty_cells")},
        "empty_genes": 0,
    }
    sized = zip(shard_sizes, (labels for _, labels in shards), strict=True)
    labels = np.concatenate([np.full(n, "") if part is None else part for n, part in sized])
    x = cast(Expression, MatrixShard(worker.x, sum(shard_sizes)))
    state = State(x, worker.genes, counts.obs_names.to_numpy(str))
    targets = ImputationTargets(None, None, None, None, "other")
    has_labels = bool((labels != "").any())
    return PreparedData(counts, counts, state, labels if has_labels else None, targets), shard_sizes


def check_distributed_support(recipe: Recipe, uses_cache: bool) -> None:
    """Check that a recipe can run on several processes.

    Raises
    ------
    RecipeError
        Lists every setting that cannot, with an alternative.
    """
    problems = list(_find_unsupported(recipe))
    if uses_cache:
        problems.append("--resume, --cache-dir: runs by several processes have no cache")
    if problems:
        n = process_group.world_size()
        raise RecipeError([f"{problem} (run by {n} processes)" for problem in problems])


def _find_unsupported(recipe: Recipe) -> Iterator[str]:
    """Yield the settings that need all cells in one process."""
    for name in UNSHARDED_DATA_FIELDS:
        if getattr(recipe.data, name):
            yield f"data.{name}: needs all cells in one process; leave it out"
    if getattr(recipe.data.reader, "n_top_genes", 0):
        yield "data.reader.n_top_genes: needs all cells in one process; use the transform top_genes"
    for transform in recipe.data.transforms:
        yield from _check_component("data.transforms", transform)
    if problems := list(_check_component("pipeline", recipe.pipeline)):
        yield from problems
        return
    for name in SHARDED_SLOTS:
        parts = getattr(recipe.pipeline, name, ())
        for part in parts if isinstance(parts, tuple) else (parts,):
            if part is None:
                yield f"pipeline.{name}: null {kinds()['decoder'].needs_all_cells}"
            elif getattr(part, "weight", 1):
                yield from _check_component(f"pipeline.{name}", part)


def _check_component(path: str, component: Component) -> Iterator[str]:
    # a subclass that does not declare it may compute anything
    is_declared = "needs_all_cells" in vars(type(component))
    reason = (component if is_declared else kinds()[component.kind]).needs_all_cells
    if reason:
        yield f"{path}: {component.name} {reason}"
    elif getattr(component, "normalization", None) == "batch":
        yield f"{path}.normalization: batch needs all cells of a batch; use layer"
