"""The pipelines as a whole, at tiny budgets on tiny data."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from scgnn import load_recipe
from scgnn.components.clusterers import KMeans, Leiden
from scgnn.components.encoders import GAT
from scgnn.components.readers import Demo
from scgnn.components.regularizers import BinaryLTMGWeightedError, GraphSmoothness
from scgnn.components.transforms import Log1p
from scgnn.data.anndata_views import to_state
from scgnn.data.validation import validate
from scgnn.execution.cache import StageCache
from scgnn.execution.stages import Stages
from scgnn.pipelines import ScGNN
from scgnn.state import State
from scgnn.training.budget import Training

DATA = Demo(n_cells=120, n_genes=60, n_groups=3, marker_fraction=0.2, marker_strength=2.0)


@pytest.fixture(scope="module")
def state() -> State:
    return to_state(Log1p()(validate(DATA(), "demo")))


def small(**changes) -> ScGNN:
    few = Training(epochs=15)
    pipeline = load_recipe("scgnn").pipeline
    settings = {
        "feature_encoder": replace(pipeline.feature_encoder, hidden=(32, 8)),
        "feature_training": Training(epochs=150, learning_rate=5e-3),
        "graph_training": Training(epochs=20, learning_rate=1e-2),
        "cluster_training": few,
        "iteration_training": few,
        "imputation_training": few,
        "max_iterations": 2,
    }
    return replace(pipeline, **{**settings, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs a pipeline; equal stages of the runs are shared."""
    cache = StageCache(tmp_path_factory.mktemp("stages"))
    return lambda pipeline, state, seed=1: pipeline(state, Stages(cache), seed)


def values(state: State, quantity: str, stage: str | None = None) -> list[float]:
    wanted = (r for r in state.history if r.quantity == quantity and stage in (None, r.stage))
    return [record.value for record in wanted]


def test_all_nine_steps_leave_their_results(run, state):
    end = run(small(), state)
    assert end.ltmg_states.shape == end.imputed.shape == end.reconstruction.shape == (120, 60)
    assert end.embedding.shape == (120, 8)
    assert end.graph_embedding.shape == (120, 16)
    assert sorted(set(end.clusters)) == list(range(end.clusters.max() + 1))
    assert end.graph.shape == (120, 120)
    assert abs(end.graph - end.graph.T).nnz == 0
    assert end.graph.diagonal().sum() == 0
    assert np.isfinite(end.imputed).all()


def test_relabelling_cells_relabels_everything(run, state):
    order = np.random.default_rng(0).permutation(state.n_cells)
    moved = replace(state, x=state.x[order], cells=state.cells[order])
    pipeline = small(max_iterations=1, clusterer=KMeans(n_clusters=3))
    before, after = run(pipeline, state), run(pipeline, moved)
    assert list(after.cells) == list(before.cells[order])
    assert (before.ltmg_states[order] != after.ltmg_states).nnz == 0
    near = np.abs(before.embedding[order] - after.embedding)
    assert np.median(near) < 0.01 * before.embedding.max()
    assert adjusted_rand_score(before.clusters[order], after.clusters) > 0.9
    near = np.abs(before.imputed[order] - after.imputed)
    assert np.median(near) < 0.02 * before.imputed.max()


def test_swapping_the_clusterer_leaves_the_first_embeddings_as_they_are(run, state):
    one = run(small(max_iterations=0, imputation=None), state)
    other = run(small(max_iterations=0, imputation=None, clusterer=Leiden()), state)
    assert np.array_equal(one.embedding, other.embedding)
    assert np.array_equal(one.graph_embedding, other.graph_embedding)


def test_swapping_the_graph_encoder_leaves_the_feature_embedding_as_it_is(run, state):
    one = run(small(max_iterations=0, imputation=None), state)
    other = run(small(max_iterations=0, imputation=None, graph_encoder=GAT()), state)
    assert np.array_equal(one.embedding, other.embedding)
    assert not np.array_equal(one.graph_embedding, other.graph_embedding)


def test_another_seed_gives_other_weights(run, state):
    one = run(small(max_iterations=0, imputation=None), state, seed=1)
    other = run(small(max_iterations=0, imputation=None), state, seed=2)
    assert not np.array_equal(one.embedding, other.embedding)


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
    usual, changed = (
        run(small(imputation=None), state),
        run(small(imputation=None, **change), state),
    )
    assert not np.array_equal(usual.graph_embedding, changed.graph_embedding)


def test_labels_of_the_iteration_before_are_those_of_one_iteration_less(run, state):
    shorter = run(small(max_iterations=1, imputation=None), state)
    published = run(
        small(max_iterations=2, imputation=None, final_clusters="previous_iteration"), state
    )
    assert np.array_equal(published.clusters, shorter.clusters)


def test_small_imputed_values_become_zero_when_asked(run, state):
    kept = run(small(max_iterations=0, imputation_threshold=None), state).imputed
    cut = run(small(max_iterations=0, imputation_threshold=0.5), state).imputed
    assert ((kept > 0) & (kept < 0.5)).any()
    assert np.array_equal(cut, np.where(kept < 0.5, 0, kept))


def test_graph_smooth_takes_part_in_the_imputation(run, state):
    usual = run(small(max_iterations=0), state)
    smooth = run(small(max_iterations=0, imputation_regularizers=(GraphSmoothness(),)), state)
    assert not np.array_equal(usual.imputed, smooth.imputed)


def test_standing_labels_stop_the_iterations_and_say_so(run, state):
    end = run(small(max_iterations=10, imputation=None), state)
    assert end.n_iterations == len(values(end, "agreement"))
    if end.n_iterations < 10:
        assert end.stop_reason.startswith("labels stand still")
        assert values(end, "agreement")[-1] > 0.99


def test_history_counts_dead_units_and_genes_and_every_epoch(run, state):
    end = run(small(), state)
    assert len(values(end, "dead_units")) == end.n_iterations + 1
    assert len(values(end, "dead_genes", "imputation")) == 1
    assert len(values(end, "loss", "feature autoencoder")) == 150 + 15 * end.n_iterations
    dead = (end.embedding == 0).all(0).sum()
    assert values(end, "dead_units")[-1] == dead


def test_mini_batches_learn_what_full_batches_learn(run, state):
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
def test_ltmg_is_not_fitted_for_a_training_that_there_is_not(changes):
    paths = {f"pipeline.{name}": value for name, value in changes.items()}
    without = {"pipeline.feature_regularizers": [], "pipeline.cluster_regularizers": []}
    assert load_recipe("scgnn", without | paths).pipeline.ltmg_model() is None
    assert load_recipe("scgnn", paths).pipeline.ltmg_model() is not None
