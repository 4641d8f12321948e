"""Whole pipelines, with short trainings on small data."""

import inspect
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from paths import ROOT
from scgnn import load_recipe
from scgnn.components.clusterers import KMeans, Leiden
from scgnn.components.decoders import MLPDecoder
from scgnn.components.encoders import GAT
from scgnn.components.readers import Demo
from scgnn.components.regularizers import (
    BinaryLTMGWeightedError,
    DegreeWeightedError,
    ForwardPass,
    GraphSmoothness,
    WeightedSquaredError,
)
from scgnn.components.transforms import Log1p
from scgnn.data.anndata_views import to_state
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.execution.cache import StageCache
from scgnn.execution.stages import Stages
from scgnn.pipelines import ScGNN
from scgnn.pipelines.loss import Loss
from scgnn.state import State
from scgnn.training.settings import Training

DATA = Demo(n_cells=120, n_genes=60, n_groups=3, marker_fraction=0.2, marker_strength=2.0)


@pytest.fixture(scope="module")
def state() -> State:
    return to_state(Log1p()(validate(DATA(), "demo")))


def small(**changes) -> ScGNN:
    short = Training(epochs=15)
    pipeline = load_recipe("scgnn").pipeline
    settings = {
        "feature_encoder": replace(pipeline.feature_encoder, hidden=(32, 8)),
        "feature_training": Training(epochs=150, learning_rate=5e-3),
        "graph_training": Training(epochs=20, learning_rate=1e-2),
        "cluster_training": short,
        "iteration_training": short,
        "imputation_training": short,
        "max_iterations": 2,
    }
    return replace(pipeline, **{**settings, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs a pipeline; equal stages of the runs are shared."""
    cache = StageCache(tmp_path_factory.mktemp("stages"))
    return lambda pipeline, state, seed=1: pipeline(state, Stages(cache), seed)


def values(state: State, quantity: str, stage: str | None = None) -> list[float]:
    return [
        record.value
        for record in state.history
        if record.quantity == quantity and stage in (None, record.stage)
    ]


def test_nine_steps_have_the_numbers_and_titles_of_the_docs():
    page = ROOT / "docs" / "from_paper_to_recipe.md"
    documented = re.findall(r"^### (\d)\. (.+)$", page.read_text(encoding="utf-8"), re.M)
    steps = re.findall(r"# (\d)\. ([\w ]+)", inspect.getsource(ScGNN.__call__))
    assert [number for number, _ in steps] == list("123456789")
    assert steps == documented


def test_loop_builds_and_embeds_the_graph_and_clusters_itself():
    source = inspect.getsource(ScGNN.__call__)
    calls = [source.index(f"self.{name}(") for name in ("build_graph", "embed_graph", "cluster")]
    assert calls == sorted(calls)
    assert len(source.splitlines()) <= 40


def test_every_step_sets_its_results(run, state):
    end = run(small(), state)
    assert end.ltmg_states.shape == end.imputed.shape == end.reconstruction.shape == (120, 60)
    assert end.embedding.shape == (120, 8)
    assert end.graph_embedding.shape == (120, 16)
    assert sorted(set(end.clusters)) == list(range(end.clusters.max() + 1))
    assert end.graph.shape == (120, 120)
    assert abs(end.graph - end.graph.T).nnz == 0
    assert end.graph.diagonal().sum() == 0
    assert np.isfinite(end.imputed).all()


def test_permuting_cells_permutes_all_results(run, state):
    order = np.random.default_rng(0).permutation(state.n_cells)
    moved = replace(state, x=state.x[order], cells=state.cells[order])
    pipeline = small(max_iterations=1, clusterer=KMeans(n_clusters=3))
    before, after = run(pipeline, state), run(pipeline, moved)
    assert list(after.cells) == list(before.cells[order])
    assert (before.ltmg_states[order] != after.ltmg_states).nnz == 0
    difference = np.abs(before.embedding[order] - after.embedding)
    assert np.median(difference) < 0.01 * before.embedding.max()
    assert adjusted_rand_score(before.clusters[order], after.clusters) > 0.9
    difference = np.abs(before.imputed[order] - after.imputed)
    assert np.median(difference) < 0.02 * before.imputed.max()


def test_clusterer_does_not_affect_the_first_embeddings(run, state):
    first = run(small(max_iterations=0, imputation=None), state)
    second = run(small(max_iterations=0, imputation=None, clusterer=Leiden()), state)
    assert np.array_equal(first.embedding, second.embedding)
    assert np.array_equal(first.graph_embedding, second.graph_embedding)


def test_graph_encoder_does_not_affect_the_first_feature_embedding(run, state):
    first = run(small(max_iterations=0, imputation=None), state)
    second = run(small(max_iterations=0, imputation=None, graph_encoder=GAT()), state)
    assert np.array_equal(first.embedding, second.embedding)
    assert not np.array_equal(first.graph_embedding, second.graph_embedding)


def test_seed_determines_the_weights(run, state):
    first = run(small(max_iterations=0, imputation=None), state, seed=1)
    second = run(small(max_iterations=0, imputation=None), state, seed=2)
    assert not np.array_equal(first.embedding, second.embedding)


def test_without_a_graph_encoder_the_feature_embedding_is_clustered(run, state):
    end = run(small(graph_encoder=None), state)
    assert end.graph_embedding is end.embedding


@pytest.mark.parametrize(
    "change",
    [
        {"iteration_target": "input"},
        {"cluster_initialization": "continue"},
        {"cluster_autoencoders": False},
        {"prune_applies_to": "clusterer"},
        {"graph_features": "binary"},
        {"edge_holdout_fraction": 0.15},
        {"feature_regularizers": ()},
        {"feature_regularizers": (BinaryLTMGWeightedError(),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_published_option_changes_the_graph_embedding(run, state, change):
    default = run(small(max_iterations=1, imputation=None), state)
    changed = run(small(max_iterations=1, imputation=None, **change), state)
    assert not np.array_equal(default.graph_embedding, changed.graph_embedding)


def test_previous_iteration_gives_the_clusters_of_one_iteration_less(run, state):
    shorter = run(small(max_iterations=1, imputation=None), state)
    published = run(
        small(max_iterations=2, imputation=None, final_clusters="previous_iteration"), state
    )
    assert np.array_equal(published.clusters, shorter.clusters)


def test_imputation_threshold_sets_small_values_to_zero(run, state):
    imputed = run(small(max_iterations=0, imputation_threshold=None), state).imputed
    sparser = run(small(max_iterations=0, imputation_threshold=0.5), state).imputed
    assert ((imputed > 0) & (imputed < 0.5)).any()
    assert np.array_equal(sparser, np.where(imputed < 0.5, 0, imputed))


def test_graph_smooth_is_active_in_the_imputation(run, state):
    default = run(small(max_iterations=0), state)
    smooth = run(small(max_iterations=0, imputation_regularizers=(GraphSmoothness(),)), state)
    assert not np.array_equal(default.imputed, smooth.imputed)


def test_converged_clusters_stop_the_iterations(run, state):
    end = run(small(max_iterations=10, imputation=None), state)
    assert end.n_iterations == len(values(end, "agreement"))
    if end.n_iterations < 10:
        assert end.stop_reason.startswith("clusters converged")
        assert values(end, "agreement")[-1] > 0.99


def test_history_has_dead_units_and_genes_and_every_epoch(run, state):
    end = run(small(), state)
    assert len(values(end, "dead_units")) == end.n_iterations + 1
    assert len(values(end, "dead_genes", "imputation")) == 1
    assert len(values(end, "loss", "feature autoencoder")) == 150 + 15 * end.n_iterations
    dead = (end.embedding == 0).all(0).sum()
    assert values(end, "dead_units")[-1] == dead


def test_mini_batches_reduce_the_loss(run, state):
    batched = Training(epochs=60, learning_rate=5e-3, batch_size=32)
    end = run(small(feature_training=batched, max_iterations=0, imputation=None), state)
    losses = values(end, "loss", "feature autoencoder")
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"max_iterations": 0, "cluster_regularizers": ["ltmg"]},
        {"cluster_autoencoders": False, "cluster_regularizers": ["ltmg"]},
        {"imputation": None, "imputation_regularizers": ["ltmg"]},
    ],
)
def test_ltmg_is_not_fitted_without_a_training_that_uses_it(changes):
    paths = {f"pipeline.{name}": value for name, value in changes.items()}
    without = {"pipeline.feature_regularizers": [], "pipeline.cluster_regularizers": []}
    assert load_recipe("scgnn", without | paths).pipeline.ltmg_model() is None
    assert load_recipe("scgnn", paths).pipeline.ltmg_model() is not None


def test_decoder_of_counts_rejects_fractions(run, state):
    pipeline = load_recipe("scgnn_zinb").pipeline
    with pytest.raises(InputError, match=r"requires integer counts, but the data contain .*\."):
        run(pipeline, state)


def test_weight_of_cluster_autoencoders_may_be_positive_or_zero_alone():
    only_ltmg = {"reconstruction_weight": 0.0, "cluster_reconstruction_weight": 1.0}
    assert small(**only_ltmg).cluster_weight == 1.0
    message = "cluster_reconstruction_weight: 0 requires a regularizer that is active in phase"
    with pytest.raises(ValueError, match=message):
        small(cluster_reconstruction_weight=0.0)


def test_squared_errors_are_one_sum_unless_the_decoder_has_another_loss(state):
    class AbsoluteError(MLPDecoder):
        """A decoder of a plug-in."""

        def loss(self, output, target, weights=None):
            return (output - target).abs().sum()

    rng = np.random.default_rng(0)
    x, x_hat = (torch.from_numpy(rng.random((4, 3))) for _ in range(2))
    degree, graph = DegreeWeightedError(weight=2.0), sparse.csr_matrix(np.ones((4, 4)))
    batch = ForwardPass(x, x_hat, None, None)
    term = 2 * 4 * (x - x_hat).square().sum()
    for decoder, error in (
        (MLPDecoder(), x_hat.sub(x).square()),
        (AbsoluteError(), abs(x - x_hat)),
    ):
        loss = Loss(decoder, 0.5, (degree,), replace(state, graph=graph))
        torch.testing.assert_close(loss(x_hat, batch, None), 0.5 * error.sum() + term)


def test_weighted_squared_error_defines_weights_and_no_other_loss():
    with pytest.raises(TypeError, match="Rooted must override compute_weights, not loss"):

        class Rooted(WeightedSquaredError):
            def loss(self, batch, prepared, cells):
                return super().loss(batch, prepared, cells).sqrt()
