"""One run on more cells than a machine holds: several processes, each with a share of the cells.

Every process reads its own cells and trains the autoencoders on them, its part of each batch; what
a batch's gradients add up to is what one process would have found. The first process does the rest
with the embedding of all cells: the cell graph, the graph autoencoder, the clusters, the scores and
the files. It is the one that runs the pipeline; the others wait for its orders.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from torch import Tensor

from scgnn.components.decoders import MLP as MLPDecoder
from scgnn.components.encoders import MLP, VAE
from scgnn.components.readers.shard import Part
from scgnn.components.regularizers import (
    ClusterSize,
    Degree,
    Divergence,
    Regularizer,
    Sparsity,
    SquaredErrors,
)
from scgnn.components.transforms import NormalizeTotal, TopGenes
from scgnn.errors import RecipeError
from scgnn.evaluation import Answers
from scgnn.execution import process_group
from scgnn.execution.resources import PeakMemory
from scgnn.execution.stages import Obtained, Stages
from scgnn.pipelines import ScGNN, SinglePass, autoencoders
from scgnn.pipelines.reconstruction import Rebuilt
from scgnn.recipe.recipe import Recipe
from scgnn.registry.introspection import is_own
from scgnn.runs.folder import absolute_paths
from scgnn.runs.results import Result, annotate
from scgnn.runs.run import Prepared, compute, prepare
from scgnn.state import Expression, Matrix, State
from scgnn.training import collectives

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

TRAININGS = (autoencoders.fit_features, autoencoders.fit_clusters, autoencoders.impute)
ADDED_UP = (Degree, ClusterSize, Sparsity, Divergence)  # their loss is a sum over cells


@dataclass(frozen=True, eq=False)
class Share:
    """The rows of a matrix that this process has; its shape is that of the whole."""

    own: Matrix
    n_cells: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_cells, self.own.shape[1]


@dataclass(frozen=True, eq=False)
class Known(SquaredErrors):
    """Squared errors whose weights the first process has worked out, one for each cell here."""

    of_cells: Tensor
    weight: float

    def prepare(self, state: State) -> Tensor:
        return self.of_cells

    def weights(self, prepared: Tensor, cells: Tensor | None) -> Tensor:
        return (prepared if cells is None else prepared[cells])[:, None]


class Order(NamedTuple):
    """A training that a process is to take part in."""

    function: Callable[..., autoencoders.Fitted]
    parts: autoencoders.Autoencoder
    others: tuple[Any, ...]  # the arguments but parts and state
    rebuilt: bool  # whether it is trained on what the last training rebuilt, or on the input
    labels: np.ndarray | None  # of the cells here


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
        self.rebuilt: Any = None

    def __call__(self, order: Order) -> autoencoders.Fitted:
        """Take part in a training; the embedding returned is that of the cells here."""
        target = self.rebuilt if order.rebuilt else self.x
        state = State(target, self.genes, np.empty(0, dtype=str), labels=order.labels)
        training, *more = order.others
        with collectives.in_step():
            fitted = order.function(order.parts, training, state, *more)
        labels = order.labels if order.function is autoencoders.fit_clusters else None
        self.rebuilt = autoencoders.expression(order.parts, fitted, len(self.genes), labels)
        return fitted


class Divided(Stages):
    """Stages of which the trainings of feature autoencoders are done by all processes together.

    Parameters
    ----------
    worker
        The first process's share.
    counts
        How many cells each process has.
    """

    def __init__(self, worker: Worker, counts: list[int]) -> None:
        super().__init__()
        self.worker, self.counts = worker, counts
        self.last: Any = None  # the decoders of the last training

    def obtain(self, key: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Obtained:
        if function not in TRAININGS:
            return super().obtain(key, function, args)

        @wraps(function)
        def by_all(
            parts: autoencoders.Autoencoder, training: Any, state: State, *more: Any
        ) -> autoencoders.Fitted:
            orders = self.orders(function, parts, state, (training, *more))
            fitted = self.worker(collectives.scattered(orders))
            self.last = fitted.decoders
            embedding = collectives.stacked(fitted.embedding, self.counts)
            return fitted._replace(embedding=cast(np.ndarray, embedding))

        return super().obtain(key, by_all, args)

    def orders(
        self,
        function: Callable[..., Any],
        parts: autoencoders.Autoencoder,
        state: State,
        others: tuple[Any, ...],
    ) -> list[Order]:
        """One for each process."""
        rebuilt = isinstance(state.x, Rebuilt)
        assert not rebuilt or state.x.weights is self.last  # type: ignore[union-attr]
        edges = np.cumsum([0, *self.counts])
        known = [self._known(each, state) for each in parts.regularizers]
        found = []
        for here in map(slice, edges[:-1], edges[1:]):
            own = tuple(
                Known(of_cells[here].clone(), each.weight) if of_cells is not None else each
                for each, of_cells in zip(parts.regularizers, known, strict=True)
            )
            labels = None if state.labels is None else state.labels[here]
            found.append(Order(function, replace(parts, regularizers=own), others, rebuilt, labels))
        return found

    @staticmethod
    def _known(regularizer: Regularizer, state: State) -> Tensor | None:
        """What a squared error counts for in each cell, which takes the cells of all processes."""
        return regularizer.prepare(state) if isinstance(regularizer, SquaredErrors) else None


def lend(recipe: Recipe) -> None:
    """Do what the first process orders, until it is done."""
    log.addHandler(logging.NullHandler())  # the first one speaks
    worker = _shared(recipe)[0]
    while (order := collectives.scattered(None)) is not None:
        collectives.stacked(worker(order).embedding, [])


def execute(recipe: Recipe) -> Result:
    """Run a recipe as the first of several processes; the others :func:`lend`."""
    with PeakMemory() as peak:
        worker, prepared, counts = _shared(recipe)
        assert prepared is not None
        log.info(
            "%s processes with %s cells", process_group.size(), ", ".join(f"{n:,}" for n in counts)
        )
        state, scores = compute(recipe, prepared, Divided(worker, counts))
        collectives.scattered([None] * process_group.size())
        saved = absolute_paths(recipe)
        result = annotate(prepared.counts, state, saved, given=False)
    scores["peak_memory_mb"] = round(peak.megabytes, 1)
    return Result(result, state, scores, saved)


def _shared(recipe: Recipe) -> tuple[Worker, Prepared | None, list[int]]:
    """The data of this process; on the first one what it needs of all cells, and their numbers."""
    from anndata import AnnData

    data = recipe.data
    part = Part(data.reader, process_group.rank(), process_group.size(), data.layer)
    with collectives.in_step():
        here = prepare(replace(recipe, data=replace(data, reader=part, layer=None)))
    x, state, counts = cast(Matrix, here.state.x), here.state, here.counts
    notes = AnnData(obs=counts.obs.loc[state.cells], var=counts.var.loc[state.genes])
    notes.uns["scgnn_input"] = counts.uns["scgnn_input"]
    everywhere = collectives.gathered((notes, here.truth))
    worker = Worker(x, state.genes)
    return (worker, None, []) if everywhere is None else (worker, *_of_all(worker, everywhere))


def _of_all(
    worker: Worker, everywhere: list[tuple[AnnData, np.ndarray | None]]
) -> tuple[Prepared, list[int]]:
    """What the first process needs of all cells: their names, annotation and true labels."""
    from anndata import concat

    n_cells = [notes.n_obs for notes, _ in everywhere]
    counts = concat([notes for notes, _ in everywhere], merge="first")
    read = [notes.uns["scgnn_input"] for notes, _ in everywhere]
    counts.uns["scgnn_input"] = read[0] | {
        "source": read[0]["source"].rpartition(" (part")[0],
        **{word: sum(each[word] for each in read) for word in ("n_cells", "empty_cells")},
        "empty_genes": 0,
    }
    labels = [np.full(notes.n_obs, "") if t is None else t for notes, t in everywhere]
    truth = np.concatenate(labels)
    whole = cast(Expression, Share(worker.x, sum(n_cells)))
    state = State(whole, worker.genes, counts.obs_names.to_numpy(str))
    answers = Answers(None, None, None, None, "other")
    return Prepared(counts, state, truth if (truth != "").any() else None, answers), n_cells


def refuse(recipe: Recipe, resumes: bool) -> None:
    """Refuse what several processes cannot do together.

    Raises
    ------
    RecipeError
        Every setting in the way, with what to do.
    """
    problems = [*_of_data(recipe.data), *_of_pipeline(recipe.pipeline)]
    if resumes:
        problems.append("--resume, --store: stages of a run by several processes are not kept")
    if problems:
        raise RecipeError(
            [f"{each} (run by {process_group.size()} processes)" for each in problems]
        )


def _of_data(data: Any) -> Iterator[str]:
    """The settings of the data in the way."""
    for name in ("holdout", "thinning", "truth", "permuted", "batch"):
        if getattr(data, name):
            yield f"data.{name}: takes all cells in one process; leave it out"
    if getattr(data.reader, "keep_genes", 0):
        yield "data.reader.keep_genes: takes all cells in one process; choose by top_genes"
    for transform in data.transforms:
        where = f"data.transforms: {transform.name}"
        if not is_own(type(transform)):
            yield f"{where} is a plug-in, of which nobody knows what it takes; leave it out"
        if isinstance(transform, NormalizeTotal) and transform.target_sum is None:
            yield f"{where} takes the median of all cells; give a target_sum, such as 1e4"
        if isinstance(transform, TopGenes) and transform.by == "log_nonzero":
            yield f"{where} by log_nonzero takes all values of a gene; choose by: variance"


def _of_pipeline(pipeline: Any) -> Iterator[str]:
    """The settings of the pipeline in the way."""
    if type(pipeline) not in (ScGNN, SinglePass):
        yield f"pipeline: {pipeline.name} is not known to be divisible; use scgnn or single_pass"
        return
    for name, kinds in (("feature_encoder", (MLP, VAE)), ("feature_decoder", (MLPDecoder,))):
        part, known = getattr(pipeline, name), " or ".join(kind.name for kind in kinds)
        if type(part) not in kinds:
            yield f"pipeline.{name}: {getattr(part, 'name', 'null')} takes all cells; use {known}"
        elif part.normalization == "batch":
            yield f"pipeline.{name}.normalization: batch takes all cells of a batch; use layer"
    for name in ("feature_regularizers", "cluster_regularizers", "imputation_regularizers"):
        for regularizer in getattr(pipeline, name, ()):
            if regularizer.weight and type(regularizer) not in ADDED_UP:
                yield f"pipeline.{name}: {regularizer.name} is no sum over cells; leave it out"
