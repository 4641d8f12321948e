"""Components that break one rule each, by the kind and the name of the check that sees it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import nn

from scgnn.components.clusterers import Clusterer, canonical
from scgnn.components.decoders import Decoder
from scgnn.components.encoders import Encoder
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.pruners import Pruner
from scgnn.components.readers import Demo, Reader
from scgnn.components.regularizers import ALL_PHASES, Regularizer
from scgnn.components.stops import NeverStop, Stop
from scgnn.components.transforms import Transform
from scgnn.pipelines import Pipeline
from scgnn.registry import slot


class Case(NamedTuple):
    """A component that breaks a rule, and the words in which the check says so."""

    check: str
    component: Any
    said: str


CASES: list[Case] = []


def breaks(check: str, said: str, **settings: Any):
    """Put a class among the cases; it is made a frozen dataclass without parameters."""

    def add(cls):
        cls = cls if "__dataclass_fields__" in vars(cls) else dataclass(frozen=True)(cls)
        CASES.append(Case(check, cls(**settings), said))
        return cls

    return add


# --- all kinds ----------------------------------------------------------------------------------


class One(Clusterer):
    """Puts every cell into one cluster."""

    def __call__(self, embedding, graph, seed):
        return np.zeros(len(embedding), dtype=np.int64)


@breaks("registered", "Nameless has no name; decorate it with @Clusterer.register")
class Nameless(One):
    """Nobody finds it."""


@breaks("frozen", "Thawed is not frozen; decorate it with @dataclass(frozen=True)")
@dataclass
class Thawed(One):
    """Can be changed."""

    k: int = 1


@breaks("frozen", "it cannot be a key (unhashable type: 'list'); use tuples instead of lists")
@dataclass(frozen=True)
class Listed(One):
    """Holds a list."""

    k: Any = None

    def __post_init__(self):
        object.__setattr__(self, "k", [])


@breaks("frozen", "k: no field, for Undecorated itself is not decorated")
@dataclass(frozen=True)
class Decorated(One):
    """Is one."""


class Undecorated(Decorated):
    """Inherits a dataclass and is none."""

    k: int = 1


CASES[-1] = CASES[-1]._replace(component=Undecorated())


@breaks("documented", "not in the docstring's Parameters: k")
@dataclass(frozen=True)
class Silent(One):
    """Does not say what k is."""

    k: int = 1


@breaks("documented", "Bare has no docstring")
@dataclass(frozen=True)
class Bare(One):
    k: int = 1


@breaks("documented", "the first line of the docstring is no sentence: 'Lumps'")
class Lumps(One):
    """Lumps"""


@breaks("works_without_parameters", "without a default: k", k=1)
@dataclass(frozen=True)
class Demanding(One):
    """Wants to be told."""

    k: int


@breaks("requires_what_is_there", "requires colour: no field of State")
class Strange(One):
    """Reads what nobody has."""

    requires: ClassVar[frozenset[str]] = frozenset({"colour"})


@breaks("survives_a_recipe", 'must be a whole number, not "three"')
@dataclass(frozen=True)
class Mistyped(One):
    """Says number and means text."""

    k: int = "three"  # type: ignore[assignment]


@breaks("survives_a_recipe", "its fields are not plain data")
@dataclass(frozen=True)
class Opaque(One):
    """Holds an object."""

    k: Any = object()


@breaks("survives_a_pickle", "it cannot be pickled")
class Hidden(One):
    """Is elsewhere than it says."""


Hidden.__qualname__ = "somewhere.<locals>.Hidden"


@breaks("refuses_a_misspelling", "the misspelling 'kk' is accepted; let @dataclass write __init__")
@dataclass(frozen=True, init=False)
class Tolerant(One):
    """Takes anything."""

    k: int = 1

    def __init__(self, **settings):
        object.__setattr__(self, "k", settings.get("k", 1))


@breaks("same_seed_same_answer", "two calls with one seed differ; draw from np.random")
class Moody(Clusterer):
    """Draws from the generator of the whole process."""

    def __call__(self, embedding, graph, seed):
        return canonical(np.array([random.randrange(3) for _ in embedding]))


@breaks("leaves_inputs_alone", "it writes into its input; work on a copy")
class Careless(One):
    """Writes where it should read."""

    def __call__(self, embedding, graph, seed):
        embedding[0] = 0
        return super().__call__(embedding, graph, seed)


# --- encoders -----------------------------------------------------------------------------------


class Linear(nn.Module):
    """One linear layer."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, graph, x):
        return self.layer(x)


@dataclass(frozen=True)
class Layer(Encoder):
    """One linear layer."""

    hidden: tuple[int, ...] = (4,)
    module: ClassVar[type[nn.Module]] = Linear

    def build(self, n_features):
        return self.module(n_features, self.hidden[-1])


def layer(check: str, said: str):
    """Put an encoder among the cases whose network is the given class."""

    def add(module):
        breaks(check, said)(type("Broken" + module.__name__, (Layer,), {"module": module}))
        return module

    return add


@breaks("gives_its_width", "the embedding is 30 x 4, not 30 cells x 5 (its width)")
class Boastful(Layer):
    """Says that it is wider."""

    def width(self, n_features):
        return self.hidden[-1] + 1


@layer("gives_its_width", "the embedding is torch.float64, not torch.float32")
class Double(Linear):
    """Works in float64."""

    def forward(self, graph, x):
        return super().forward(graph, x).double()


@layer("a_gradient_reaches_every_weight", "no gradient reaches unused.weight, unused.bias")
class Unused(Linear):
    """Has a layer for nothing."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.unused = nn.Linear(n_in, n_out)


@layer("draws_nothing_in_eval", "in eval mode two passes differ")
class Noisy(Linear):
    """Always adds noise."""

    def forward(self, graph, x):
        return super().forward(graph, x) + torch.rand(len(x), 1)


@layer("relabelled_cells_relabel_the_embedding", "cells in another order get other embeddings")
class Counting(Linear):
    """Looks at the place of a cell."""

    def forward(self, graph, x):
        return super().forward(graph, x) + torch.arange(len(x))[:, None]


@layer("takes_lone_cells", "a graph without edges: the embedding is not finite")
class Dividing(Linear):
    """Divides by the degree."""

    def forward(self, graph, x):
        degree = torch.from_numpy(np.asarray(graph.sum(axis=1), dtype=np.float32))
        return super().forward(graph, x) / degree


@layer("weights_are_its_whole_state", "state_dict does not hold all; use parameters and buffers")
class Forgetful(Linear):
    """Keeps a number where nobody looks."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.shift = torch.rand(())

    def forward(self, graph, x):
        return super().forward(graph, x) + self.shift


@breaks("takes_another_width", "widened to 8 it has 4")
class Stubborn(Layer):
    """Stays as it is."""

    def widened(self, width):
        return self


# --- decoders -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Squared(Decoder):
    """One linear layer with squared error."""

    def build(self, n_latent, n_features):
        return nn.Linear(n_latent, n_features)

    def loss(self, output, target, weights=None):
        return (output - target).square().sum()


@breaks("says_what_it_rebuilds", "target is 'graph', but the class is no GraphDecoder")
class Confused(Squared):
    """Says graph and rebuilds expression."""

    target: ClassVar[Any] = "graph"


@breaks("rebuilds_the_shape", "what comes back is 30 x 13, not 30 x 12")
class Generous(Squared):
    """Gives a gene more."""

    def build(self, n_latent, n_features):
        return nn.Linear(n_latent, n_features + 1)

    def loss(self, output, target, weights=None):
        return super().loss(output[:, 1:], target)


@breaks("loss_is_a_number_from_zero_up", "below 0")
class Proud(Squared):
    """Takes more off than there is."""

    def loss(self, output, target, weights=None):
        return super().loss(output, target) - 1e6


@breaks("loss_is_a_number_from_zero_up", "the loss has shape (30,); it must be one number")
class ByCell(Squared):
    """Gives a loss for each cell."""

    def loss(self, output, target, weights=None):
        return (output - target).square().sum(1)


@breaks("loss_can_be_followed", "the loss has no gradient; stay within torch")
class Detached(Squared):
    """Leaves torch on the way."""

    def loss(self, output, target, weights=None):
        return super().loss(output.detach(), target)


@breaks("a_gradient_reaches_every_weight", "no gradient reaches bias")
class Unbiased(Squared):
    """Subtracts its bias again."""

    def build(self, n_latent, n_features):
        return Centred(n_latent, n_features)


class Centred(nn.Linear):
    """A bias that has no part."""

    def forward(self, z):
        return nn.functional.linear(z, self.weight)


# --- graph builders and pruners -----------------------------------------------------------------


class Builder(GraphBuilder):
    """Weights between all cells, by a rule."""

    def weights(self, embedding):
        """Cells x cells, the diagonal left out afterwards."""
        return np.ones((len(embedding),) * 2)

    def __call__(self, embedding, seed):
        weights = self.weights(embedding)
        return sparse.csr_matrix(weights * (1 - np.eye(len(weights))))


@breaks("builds_a_cell_graph", "30 cells: the graph is not symmetric")
class OneWay(Builder):
    """Links in one direction."""

    def weights(self, embedding):
        return np.triu(super().weights(embedding))


@breaks("builds_a_cell_graph", "30 cells: a cell is linked to itself")
class Selfish(Builder):
    """Links a cell to itself."""

    def __call__(self, embedding, seed):
        return sparse.csr_matrix(self.weights(embedding))


@breaks("builds_a_cell_graph", "30 cells: a stored weight is not above 0")
class Negative(Builder):
    """Has weights below 0."""

    def weights(self, embedding):
        return -super().weights(embedding)


@breaks("links_cells", "30 cells get a graph without edges")
class Lonely(Builder):
    """Links nothing."""

    def weights(self, embedding):
        return 0 * super().weights(embedding)


@breaks("takes_equal_cells", "30 equal cells: a weight is not finite")
class Inverse(Builder):
    """One by the distance."""

    def __call__(self, embedding, seed):
        distances = np.linalg.norm(embedding[:, None] - embedding, axis=2)
        with np.errstate(divide="ignore"):
            weights = 1 / distances
        np.fill_diagonal(weights, 0)
        return sparse.csr_matrix(weights)


@breaks("takes_few_cells", "2 cells: the graph is (5, 5), not (2, 2)")
class Many(Builder):
    """Wants five cells."""

    def weights(self, embedding):
        return np.ones((max(5, len(embedding)),) * 2)


@breaks("takes_one_cell", "one cell: the graph is (2, 2), not (1, 1)")
class Two(Builder):
    """Wants two cells."""

    def weights(self, embedding):
        return np.ones((max(2, len(embedding)),) * 2)


@breaks("relabelled_cells_relabel_the_graph", "cells in another order get other edges or weights")
class Chain(Builder):
    """Links each cell to the next one."""

    def weights(self, embedding):
        return np.eye(len(embedding), k=1) + np.eye(len(embedding), k=-1)


@breaks("gives_a_mask", "the mask is (5, 1), not (5, 4)")
class Narrow(Pruner):
    """Looks at the nearest alone."""

    def __call__(self, neighbours, distances, seed=0):
        return np.ones((len(distances), 1), dtype=bool)


@breaks("gives_a_mask", "the mask is float64, not bool")
class Soft(Pruner):
    """Keeps edges by half."""

    def __call__(self, neighbours, distances, seed=0):
        return np.full(distances.shape, 0.5)


@breaks("keeps_the_nearest", "5 cells, k = 1: 5 lose their nearest")
class Harsh(Pruner):
    """Keeps nothing."""

    def __call__(self, neighbours, distances, seed=0):
        return np.zeros(distances.shape, dtype=bool)


# --- clusterers ---------------------------------------------------------------------------------


def halves(n: int) -> np.ndarray:
    """Two clusters, the larger first."""
    return (np.arange(n) >= (n + 1) // 2).astype(np.int64)


@breaks("labels_are_numbered", "30 cells: labels are 1, 2, not 0 … 1; see clusterers.canonical")
class FromOne(Clusterer):
    """Counts from one."""

    def __call__(self, embedding, graph, seed):
        return halves(len(embedding)) + 1


@breaks("labels_are_numbered", "30 cells: labels are float64, not whole numbers")
class Fractions(Clusterer):
    """Counts in fractions."""

    def __call__(self, embedding, graph, seed):
        return halves(len(embedding)) / 1


@breaks("larger_clusters_come_first", "30 cells: clusters have 1, 29 cells, in this order")
class Rising(Clusterer):
    """Numbers the smallest first."""

    def __call__(self, embedding, graph, seed):
        return np.minimum(np.arange(len(embedding)), 1)


@breaks("two_far_blobs_are_two", "most cells of two far groups are in one cluster, 0")
class Lump(One):
    """Sees no difference."""


@breaks("takes_equal_cells", "10 equal cells: labels are 1, not 0 … 0")
class ByDistance(Clusterer):
    """Numbers cells by whether they differ from the mean."""

    def __call__(self, embedding, graph, seed):
        return (embedding == embedding[0]).all(1).astype(np.int64)


@breaks("takes_few_cells", "1 cell: labels have the shape (3,), not (1,)")
class AtLeastThree(Clusterer):
    """Wants three cells."""

    def __call__(self, embedding, graph, seed):
        return halves(max(3, len(embedding)))


@breaks("takes_a_graph_without_edges", "no edges: labels are 1, not 0 … 0")
class Linked(Clusterer):
    """Numbers cells by whether any has a link."""

    def __call__(self, embedding, graph, seed):
        return np.full(len(embedding), int(graph.nnz == 0))


@breaks("says_when_it_needs_the_graph", "without a graph: AttributeError: 'NoneType' object has")
class Greedy(Clusterer):
    """Reads the graph and does not say so."""

    def __call__(self, embedding, graph, seed):
        return np.zeros(graph.shape[0], dtype=np.int64)


# --- regularizers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Term(Regularizer):
    """Squared error.

    Parameters
    ----------
    weight
        Of the term.
    phases
        In which it takes part.
    """

    weight: float = 1.0
    phases: tuple = ALL_PHASES

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * (x_hat - x).square().sum()


@breaks("adds_a_number_from_zero_up", "below 0")
class Reward(Term):
    """Rewards errors."""

    def loss(self, x_hat, x, prepared, cells):
        return -super().loss(x_hat, x, prepared, cells)


@breaks("is_linear_in_weight", "with weight 1 the term is")
class Quadratic(Term):
    """Takes the weight twice."""

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * super().loss(x_hat, x, prepared, cells)


@breaks("can_be_followed", "all cells: the term has no gradient; stay within torch")
class Stiff(Term):
    """Leaves torch on the way."""

    def loss(self, x_hat, x, prepared, cells):
        return super().loss(x_hat.detach(), x, prepared, cells)


@breaks("wants_nothing_of_the_truth", "the term of a perfect reconstruction is")
class Shrinking(Term):
    """Wants small values."""

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * x_hat.square().sum()


@breaks("wants_nothing_of_the_truth", "at a perfect reconstruction the gradient is not finite")
class Rooted(Term):
    """Takes a root that has no slope at 0."""

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * (x_hat - x).square().sum().sqrt()


# --- readers and transforms ---------------------------------------------------------------------


@breaks("gives_counts", "X is not CSR")
class Dense(Reader):
    """Gives a dense matrix."""

    def __call__(self):
        adata = Demo(cells=20, genes=10)()
        adata.X = adata.X.toarray()
        return adata


@breaks("reads_anew", "two calls give the same AnnData")
class Cached(Reader):
    """Reads once."""

    def __call__(self):
        return once()


@cache
def once():
    """The demo, always the same object."""
    return Demo(cells=20, genes=10)()


@breaks("keeps_names", "cells are in another order, or twice")
class Backwards(Transform):
    """Turns the cells around."""

    def __call__(self, adata):
        return adata[::-1].copy()


@breaks("keeps_names", "it drops 1 cells or genes, but selects is False")
class Dropping(Transform):
    """Drops a cell without saying so."""

    def __call__(self, adata):
        return adata[1:].copy()


@breaks("changes_x_alone", "a layer is lost")
class Losing(Transform):
    """Drops the layers."""

    def __call__(self, adata):
        new = adata.copy()
        new.layers.clear()
        return new


@breaks("gives_finite_values", "X has values that are not finite")
class Shares(Transform):
    """Divides each cell by its total."""

    def __call__(self, adata):
        new = adata.copy()
        x = new.X.toarray() if sparse.issparse(new.X) else new.X
        with np.errstate(invalid="ignore"):
            new.X = x / x.sum(axis=1, keepdims=True)
        return new


@breaks("sparse_and_dense_are_one", "a dense X gives other values than a sparse one")
class Partial(Transform):
    """Doubles what is sparse."""

    def __call__(self, adata):
        new = adata.copy()
        new.X = new.X * 2 if sparse.issparse(new.X) else new.X
        return new


# --- stops and pipelines ------------------------------------------------------------------------


@breaks("goes_on_while_cells_move", "it stops though everything moves: enough")
class Impatient(Stop):
    """Stops at once."""

    def __call__(self, rounds):
        return "enough"


@breaks("says_why_it_stops", "all stands still, and it says ''")
class Endless(Stop):
    """Goes on."""

    def __call__(self, rounds):
        return ""


class Plain(Pipeline):
    """Puts every cell into one cluster, by a stage."""

    def __call__(self, state, stages, seed):
        labels = stages(one_label, state.n_cells)
        return replace(state, labels=labels, stopped="at once")


def one_label(n: int) -> np.ndarray:
    """Zeros."""
    return np.zeros(n, dtype=np.int64)


@breaks("runs_a_demo", "not every cell has a label")
class Idle(Plain):
    """Does nothing."""

    def __call__(self, state, stages, seed):
        return state


@breaks("runs_a_demo", "stopped is empty: say why the pipeline ended")
class Mute(Plain):
    """Does not say why it ended."""

    def __call__(self, state, stages, seed):
        return replace(super().__call__(state, stages, seed), stopped="")


@breaks("reports_its_stages", "no step went through stages")
class Private(Plain):
    """Works on its own."""

    def __call__(self, state, stages, seed):
        return replace(state, labels=one_label(state.n_cells), stopped="at once")


@breaks("every_slot_takes_every_component", "stop both: TypeError: BothStop; stop either: TypeErr")
@dataclass(frozen=True)
class Choosy(Plain):
    """Takes one stop alone.

    Parameters
    ----------
    stop
        When to stop.
    """

    stop: Stop = slot(NeverStop())

    def __call__(self, state, stages, seed):
        if not isinstance(self.stop, NeverStop):
            raise TypeError(type(self.stop).__name__)
        return super().__call__(state, stages, seed)
