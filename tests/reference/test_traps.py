"""What the published code gets wrong (METHOD, section 2), by row: it stays right here."""

from __future__ import annotations

import ast
import dataclasses
import random
import subprocess
import sys
from pathlib import Path

import igraph
import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import scgnn
from scgnn.components.clusterers import Clusterer, Leiden, Louvain, canonical, merge_small
from scgnn.components.encoders import GCN, MLP
from scgnn.components.graph_builders import KNN
from scgnn.components.pruners import KeepAll
from scgnn.components.stops import BothStop, EitherStop, GraphStop, LabelsStop, graph_change
from scgnn.pipelines import autoencoders, steps
from scgnn.pipelines.scgnn import ScGNN
from scgnn.stages import Stages
from scgnn.state import Round, State
from scgnn.training import Training

N_CELLS, N_GENES = 60, 20


@pytest.fixture
def cells() -> State:
    """Three groups of cells, mixed."""
    draw = np.random.default_rng(0)
    means = draw.gamma(1.0, 2.0, (3, N_GENES))
    x = np.log1p(draw.poisson(means[draw.integers(3, size=N_CELLS)])).astype(np.float32)
    return State(x, np.arange(N_GENES).astype(str), np.arange(N_CELLS).astype(str))


def pipeline(**settings) -> ScGNN:
    """The iterative method with small networks and few epochs."""
    small = {
        "feature_encoder": MLP(hidden=(16, 8)),
        "fidelity": 1.0,
        "feature_regularizers": (),
        "graph_builder": KNN(k=6),
        "graph_encoder": GCN(hidden=(8, 4)),
        "max_iterations": 2,
        "stop": LabelsStop(ari=1.0),
        "feature_training": Training(epochs=20),
        "graph_training": Training(epochs=5, learning_rate=1e-2),
        "cluster_training": Training(epochs=5),
        "iteration_training": Training(epochs=5),
        "imputation_training": Training(epochs=5),
    }
    return ScGNN(**{**small, **settings})


class Recorder(Stages):
    """Stages that keep what each step was given and what it gave."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __call__(self, function, *args, iteration=0):
        value = super().__call__(function, *args, iteration=iteration)
        self.calls.append((function, iteration, args, value))
        return value

    def of(self, function):
        return [call[1:] for call in self.calls if call[0] is function]


class Poisoned(Stages):
    """Stages after which every reconstruction but the imputed one is noise."""

    def __call__(self, function, *args, iteration=0):
        value = super().__call__(function, *args, iteration=iteration)
        if function not in (autoencoders.fit_features, autoencoders.fit_clusters):
            return value
        noise = np.random.default_rng(iteration).random(value.reconstruction.shape)
        return value._replace(reconstruction=noise.astype(np.float32))


def given(args, kind):
    """The argument of a step that is of a kind."""
    return next(arg for arg in args if isinstance(arg, kind))


# Row 1: every phase trains on what it says


def test_row_1_iterations_train_on_the_latest_reconstruction(cells):
    record = Recorder()
    pipeline()(cells, record, seed=1)
    latest = None
    for function, iteration, args, value in record.calls:
        if function in (autoencoders.fit_features, autoencoders.fit_clusters):
            x = given(args, State).x
            np.testing.assert_array_equal(x, latest if iteration else cells.x)
            latest = value.reconstruction
    assert len(record.of(autoencoders.fit_features)) == 3
    assert len(record.of(autoencoders.fit_clusters)) == 2


def test_row_1_the_imputation_trains_on_the_original(cells):
    record = Recorder()
    pipeline()(cells, record, seed=1)
    ((_, args, _),) = record.of(autoencoders.impute)
    np.testing.assert_array_equal(given(args, State).x, cells.x)


def rebuilt(cells, labels, x, on, rule="copy"):
    """What the cluster autoencoders make of ``x``, all from the same weights."""
    parts, training = pipeline().autoencoder(1.0, (), "iteration"), Training(epochs=5)
    first = autoencoders.fit_features(parts, training, cells, 1, None)
    state = dataclasses.replace(cells, x=x, labels=labels)
    start = autoencoders.Start(first.weights, {})
    return autoencoders.fit_clusters(parts, training, state, start, rule, on, 1).reconstruction


@pytest.mark.parametrize(("on", "reaches"), [("own", False), ("all", True)])
def test_row_1_a_cluster_autoencoder_sees_its_own_cells_alone(cells, on, reaches):
    labels = np.arange(N_CELLS) % 3
    other = cells.x.copy()
    other[labels == 1] = np.random.default_rng(1).random((20, N_GENES))
    before, after = (rebuilt(cells, labels, x, on) for x in (cells.x, other))
    assert not np.array_equal(before[labels == 1], after[labels == 1])
    for cluster in (0, 2):
        same = np.array_equal(before[labels == cluster], after[labels == cluster])
        assert same is not reaches


def found(cells, stages, **settings):
    state = pipeline(**settings)(cells, stages, seed=1)
    return {name: getattr(state, name) for name in ("embedding", "labels", "imputed")}


@pytest.mark.parametrize("start", ["copy", "continue"])
def test_row_1_iterating_on_the_input_never_looks_at_the_reconstruction(cells, start):
    settings = {"iterate_on": "input", "cluster_start": start}
    as_it_is, poisoned = (found(cells, kind(), **settings) for kind in (Stages, Poisoned))
    for name, value in as_it_is.items():
        np.testing.assert_array_equal(value, poisoned[name], err_msg=name)


def test_row_1_iterating_on_the_reconstruction_does_look_at_it(cells):
    as_it_is, poisoned = (found(cells, kind()) for kind in (Stages, Poisoned))
    assert not np.array_equal(as_it_is["embedding"], poisoned["embedding"])


# Row 3: a pruned edge is gone for all, unless asked otherwise


def entries(graph):
    return set(zip(*graph.nonzero(), strict=True))


@pytest.mark.parametrize("reach", ["all", "louvain"])
def test_row_3_pruned_edges_reach_nobody_or_all_but_the_clusterer(cells, reach):
    record = Recorder()
    pipeline(prune_applies_to=reach, max_iterations=1)(cells, record, seed=1)
    for (*_, graph_args, _), (*_, cluster_args, _) in zip(
        record.of(steps.fit_graph), record.of(steps.cluster), strict=True
    ):
        embedding = given(graph_args, np.ndarray)
        whole, pruned = (KNN(k=6, prune=rule)(embedding, 0) for rule in (KeepAll(), KNN().prune))
        assert entries(pruned) < entries(whole)
        expected = pruned if reach == "all" else whole
        assert entries(given(graph_args, sparse.csr_matrix)) == entries(expected)
        assert entries(given(cluster_args, sparse.csr_matrix)) == entries(pruned)
    ((_, imputation_args, _),) = record.of(autoencoders.impute)
    assert entries(given(imputation_args, State).graph) == entries(expected)


# Row 4: labels belong to cells


@pytest.mark.parametrize("clusterer", [Louvain(), Leiden()])
def test_row_4_labels_belong_to_the_cells_whose_graph_it_is(clusterer):
    draw = np.random.default_rng(0)
    groups = draw.permutation(np.repeat(np.arange(4), 10))
    graph = sparse.csr_matrix(groups[:, None] == groups, dtype=np.float32)
    graph.setdiag(0)
    graph.eliminate_zeros()
    labels = clusterer(np.zeros((40, 1)), graph, seed=1)
    np.testing.assert_array_equal(labels, canonical(groups))


# Row 11: true labels are out of reach

PACKAGE = Path(scgnn.__file__).parent
MAY_READ_LABELS = {"metrics.py", "runs.py"}


def sources():
    """Every file of the package that has no business with true labels, and its syntax tree."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if name not in MAY_READ_LABELS and not name.startswith("components/readers"):
            yield name, list(ast.walk(ast.parse(file.read_text())))


def is_attribute(node, name):
    return isinstance(node, ast.Attribute) and node.attr == name


def test_row_11_what_pipelines_and_stops_are_given_has_no_true_labels():
    assert Round._fields == ("graph", "labels")
    names = {field.name for field in dataclasses.fields(State)}
    assert not {"obs", "adata", "truth", "true_labels", "annotation"} & names


def test_row_11_nothing_else_reads_a_column_of_the_annotation():
    for name, nodes in sources():
        read = [
            node.lineno
            for node in nodes
            if isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and is_attribute(node.value, "obs")
        ]
        assert not read, f"{name}: lines {read}"


def test_row_11_nothing_else_asks_which_column_has_the_labels():
    for name, nodes in sources():
        if name.startswith("recipe/"):
            continue  # where the setting lives and is printed
        asking = [
            n.lineno for n in nodes if is_attribute(n, "labels") and is_attribute(n.value, "data")
        ]
        assert not asking, f"{name}: lines {asking}"


def test_row_11_components_and_pipelines_know_neither_scores_nor_annotation():
    for name, nodes in sources():
        if not name.startswith(("components/", "pipelines/")) or name.endswith("transforms.py"):
            continue
        modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not modules & {"scgnn.metrics", "scgnn.runs", "scgnn.data", "anndata"}, name
        assert not [node for node in nodes if is_attribute(node, "obs")], name


def test_row_11_other_true_labels_change_nothing(cells):
    anndata = pytest.importorskip("anndata")
    counts = np.expm1(cells.x).round()
    tiny = {
        "base": "scgnn_quick",
        "pipeline": {"feature_regularizers": [], "fidelity": 1.0, "max_iterations": 2},
    }
    clusters = []
    for labels in (["a"] * 30 + ["b"] * 30, ["a", "b"] * 30):
        adata = anndata.AnnData(counts)
        adata.obs_names = [f"cell{i}" for i in range(N_CELLS)]
        adata.var_names = [f"gene{i}" for i in range(N_GENES)]
        adata.obs["truth"] = labels
        done = scgnn.run(tiny, adata, labels="truth")
        clusters.append(done.obs["scgnn"].astype(str).tolist())
    assert clusters[0] == clusters[1]


# Row 13: graphs are compared cell by cell


def random_graph(seed, n=N_CELLS, degree=8):
    draw = np.random.default_rng(seed)
    upper = np.triu(draw.random((n, n)) < degree / n, 1)
    return sparse.csr_matrix(upper + upper.T, dtype=np.float32)


def in_order(graph, order):
    return graph[order][:, order]


def change_of(graphs):
    return graph_change([Round(graph, np.zeros(N_CELLS, int)) for graph in graphs])


@pytest.mark.parametrize("n_rounds", [2, 3])
def test_row_13_the_order_of_cells_does_not_move_the_change_of_the_graph(n_rounds):
    graphs = [random_graph(seed) for seed in range(n_rounds)]
    order = np.random.default_rng(9).permutation(N_CELLS)
    change = change_of(graphs)
    reordered = [in_order(graph, order) for graph in graphs]
    np.testing.assert_allclose(change_of(reordered), change, rtol=1e-12)
    only_last = [*graphs[:-1], reordered[-1]]
    assert abs(change_of(only_last) - change) > 1e-6


def test_row_13_a_graph_that_stands_still_changes_only_by_another_order():
    first, now = random_graph(0), random_graph(1)
    assert change_of([first, now, now]) == 0
    order = np.random.default_rng(9).permutation(N_CELLS)
    assert change_of([first, now, in_order(now, order)]) > 0.1
    labels = np.arange(N_CELLS) % 4
    rounds = [Round(first, labels[::-1]), Round(now, labels), Round(now, labels)]
    for stop in (GraphStop(), LabelsStop(), BothStop(), EitherStop()):
        assert "stand" in stop(rounds)


# Row 18: the same seed gives the same clusters; a fresh process begins with pipelines, which once
# could not be imported before recipes

FRESH = """
import sys
from scgnn import Pipeline
from scipy import sparse
from scgnn.components.clusterers import Leiden, Louvain
graph = sparse.load_npz(sys.argv[1])
for clusterer in (Louvain(), Leiden()):
    print(*clusterer(None, graph, 7))
"""


def test_row_18_a_seed_gives_the_same_labels_in_another_process(tmp_path):
    graph = random_graph(0, n=150)
    sparse.save_npz(tmp_path / "graph.npz", graph)
    command = [sys.executable, "-c", FRESH, str(tmp_path / "graph.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line, clusterer in zip(done.stdout.splitlines(), (Louvain(), Leiden()), strict=True):
        assert line == " ".join(map(str, clusterer(None, graph, 7)))


@pytest.mark.parametrize("clusterer", [Louvain(), Leiden(), Leiden(quality="rber")])
def test_row_18_other_draws_do_not_move_the_labels(clusterer):
    graph = random_graph(0, n=150)
    before = clusterer(None, graph, 7)
    random.seed(5)
    np.random.default_rng().random(10)
    igraph.Graph.Erdos_Renyi(n=50, p=0.1).community_multilevel()
    np.testing.assert_array_equal(clusterer(None, graph, 7), before)
    others = [clusterer(None, graph, seed) for seed in range(10)]
    assert any(not np.array_equal(labels, before) for labels in others)


def test_row_18_clustering_leaves_the_draws_of_others_alone():
    graph = random_graph(0)
    random.seed(3)
    undisturbed = random.random()
    random.seed(3)
    Louvain()(None, graph, 7)
    assert random.random() == undisturbed


def test_row_18_a_whole_run_depends_on_its_seed_alone(cells):
    first = found(cells, Stages())
    random.random()
    np.random.default_rng().random()
    for name, value in found(cells, Stages()).items():
        np.testing.assert_array_equal(value, first[name], err_msg=name)


# Row 20: merging small clusters gives 0 … K−1 and never an IndexError


def sizes_of(labels):
    return np.unique(labels, return_counts=True)[1]


@pytest.mark.parametrize("n_clusters", [1, 2, 5, 29, 30, 31, 32, 60])
@pytest.mark.parametrize("seed", range(5))
def test_row_20_merged_labels_are_without_gaps(n_clusters, seed):
    draw = np.random.default_rng(seed)
    drawn = draw.integers(n_clusters, size=draw.integers(1, 200))
    labels = canonical(drawn)
    merged = canonical(merge_small(labels, 5, 30))
    assert set(merged) == set(range(merged.max() + 1))
    assert merged.max() + 1 <= 31
    assert (sizes_of(merged) < 5).sum() <= 1
    large = np.flatnonzero((np.bincount(labels) >= 5)[labels] & (labels < 30))
    assert adjusted_rand_score(labels[large], merged[large]) == 1


@pytest.mark.parametrize("size", [1, 4, 5, 6])
def test_row_20_a_cluster_of_five_cells_is_large_enough(size):
    labels = np.repeat([0, 1, 2], [20, 10, size])
    expected = [20, 10, size]
    assert sizes_of(merge_small(labels, 5, 30)).tolist() == expected
    with_single = np.append(labels, 3)
    joined = [20, 10, size + 1] if size < 5 else [20, 10, size, 1]
    assert sizes_of(merge_small(with_single, 5, 30)).tolist() == joined


@dataclasses.dataclass(frozen=True)
class Given(Clusterer):
    """Finds the labels it was made with."""

    labels: tuple[int, ...]

    def __call__(self, embedding, graph, seed):
        return np.array(self.labels)


@pytest.mark.parametrize(
    "labels",
    [
        tuple(range(60)),
        (0,) * 60,
        tuple(np.arange(60) // 2),
        tuple(np.arange(60) // 30),
        (0,) * 59 + (1,),
    ],
    ids=["singletons", "one", "pairs", "halves", "one apart"],
)
def test_row_20_the_clustering_step_survives_every_partition(labels):
    found = steps.cluster(Given(labels), np.zeros((60, 2)), None, 5, 30, "merge", 0)
    assert set(found) == set(range(found.max() + 1))
