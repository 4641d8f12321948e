"""Every slot of scGNN accepts every component of its kind, and a swap is one line."""

import numpy as np
import pytest

import scgnn
from budgets import SINGLE_ITERATION, SMALL_DATA, SMALL_ENCODER, SMALL_LTMG, set_epochs
from scgnn.components.clusterers import Clusterer
from scgnn.components.decoders import Decoder
from scgnn.components.encoders import Encoder
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.pruners import Pruner
from scgnn.components.regularizers import Regularizer
from scgnn.components.stopping import StoppingRule
from scgnn.components.transforms import Transform
from scgnn.errors import RecipeError
from scgnn.execution.cache import StageCache
from scgnn.execution.stages import Stages
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.runs.run import execute

SMALL = SMALL_DATA | SINGLE_ITERATION | SMALL_ENCODER | SMALL_LTMG

NO_GRAPH = r"requires the graph, which is not available in this slot \(available: expression\)"
REJECTED = {  # combinations that cannot work, and the reason given before any data is read
    **{
        ("feature_encoder", name): NO_GRAPH
        for name in Encoder.names()
        if "graph" in Encoder.get(name).requires
    },
    ("feature_decoder", "inner_product"): "reconstructs graph, not features",
    ("feature_decoder", "inner_product_sampled"): "reconstructs graph, not features",
    ("feature_decoder", "nb"): "nb requires counts; remove log1p",
    ("feature_decoder", "zinb"): "zinb requires counts; remove log1p",
    ("graph_decoder", "mlp"): "reconstructs features, not graph",
    ("graph_decoder", "nb"): "reconstructs features, not graph",
    ("graph_decoder", "zinb"): "reconstructs features, not graph",
    ("graph_encoder", "identity"): "identity has no width of its own",
    ("graph_builder", "bbknn"): "bbknn requires the batch of each cell",
}
SLOTS = {
    "feature_encoder": Encoder,
    "feature_decoder": Decoder,
    "feature_regularizers": Regularizer,
    "graph_builder": GraphBuilder,
    "graph_builder.prune": Pruner,
    "graph_encoder": Encoder,
    "graph_decoder": Decoder,
    "clusterer": Clusterer,
    "clusterer.n_clusters": Clusterer,
    "cluster_regularizers": Regularizer,
    "imputation_regularizers": Regularizer,
    "stop": StoppingRule,
}
SWAPS = [(slot, name) for slot, kind in SLOTS.items() for name in kind.names()]
LISTS = ("feature_regularizers", "cluster_regularizers", "imputation_regularizers")


def without(changes, others):
    return {path: value for path, value in changes.items() if path not in others}


def swap(slot, name):
    """Return the one line of a swap, and a small budget."""
    changes = SMALL | {"pipeline.max_iterations": int(slot in ("cluster_regularizers", "stop"))}
    if slot == "feature_encoder":
        changes = without(changes, SMALL_ENCODER)
    if slot == "feature_regularizers" or (slot in LISTS and name.startswith("ltmg")):
        # a run fits one LTMG, so all its regularizers need the same parameters
        changes = without(changes, SMALL_LTMG)
    if name == "kl":  # needs a variational encoder
        changes = without(changes, SMALL_ENCODER)
        changes["pipeline.feature_encoder"] = {"name": "vae", "hidden": [16, 8]}
    return changes | {f"pipeline.{slot}": [name] if slot in LISTS else name}


@pytest.fixture(scope="session")
def run_cached(tmp_path_factory):
    """Return a function that runs scgnn with changes; equal stages of the runs are shared."""
    cache = StageCache(tmp_path_factory.mktemp("stages"))
    return lambda changes: execute(load_recipe("scgnn", changes), stages=Stages(cache)).adata


@pytest.mark.parametrize(("slot", "name"), [s for s in SWAPS if s not in REJECTED])
def test_slot_accepts_every_component_of_its_kind(run_cached, slot, name):
    adata = run_cached(swap(slot, name))
    assert adata.n_obs == 60
    assert np.isfinite(adata.obsm["X_scgnn"]).all()
    assert np.isfinite(adata.layers["scgnn_imputed"]).all()
    clusters = adata.obs["scgnn"].astype(int)
    assert sorted(clusters.unique()) == list(range(clusters.max() + 1))


@pytest.mark.parametrize(("slot", "name"), REJECTED)
def test_impossible_swap_is_rejected_with_the_reason(slot, name):
    with pytest.raises(RecipeError, match=REJECTED[slot, name]):
        load_recipe("scgnn", swap(slot, name))


def test_kl_rejects_an_encoder_without_distributions():
    with pytest.raises(RecipeError, match="kl: mlp is not a variational encoder"):
        load_recipe("scgnn", {"pipeline.imputation_regularizers": ["kl"]})


def test_batches_are_available_where_the_recipe_names_their_column(run_cached):
    adata = run_cached(SMALL | {"pipeline.graph_builder": "bbknn", "data.batch_key": "group"})
    assert adata.obsp["scgnn_connectivities"].nnz


@pytest.mark.parametrize("decoder", ["nb", "zinb"])
def test_count_decoders_work_in_a_recipe_without_log1p(decoder):
    changes = SMALL_DATA | SINGLE_ITERATION | SMALL_ENCODER | {"pipeline.feature_decoder": decoder}
    adata = scgnn.run("scgnn_zinb", **changes)
    assert (adata.layers["scgnn_imputed"] >= 0).all()


def test_nonvariational_graph_autoencoder_can_keep_the_embedding(run_cached):
    changes = {"pipeline.graph_encoder": "identity", "pipeline.graph_decoder.variational": False}
    adata = run_cached(SMALL | changes)
    np.testing.assert_array_equal(adata.obsm["X_scgnn"], adata.obsm["X_scgnn_features"])


@pytest.mark.parametrize("name", ["scgnn2", "scgnn_no_dead_units", "vgae", "gae", "pca_consensus"])
def test_recipe_of_another_method_runs(name):
    budget = set_epochs(2, "graph") if name in ("vgae", "gae") else {}
    if name.startswith("scgnn"):
        budget = SINGLE_ITERATION | SMALL_ENCODER
    assert scgnn.run(name, **SMALL_DATA, **budget).obs["scgnn"].nunique() >= 1


@pytest.mark.parametrize("kind", [Encoder, Clusterer], ids=lambda kind: kind.kind)
def test_every_encoder_and_clusterer_has_a_recipe(kind):
    defaults = {"mlp", "gcn", "kmeans"}  # those of scgnn itself
    assert {f"scgnn_{name}" for name in set(kind.names()) - defaults} <= set(list_bundled_recipes())


@pytest.mark.parametrize("name", sorted(list_bundled_recipes()))
def test_bundled_recipe_loads(name):
    load_recipe(name)


def test_catalog_is_complete():
    catalog = {
        Regularizer: "ltmg ltmg_binary degree cluster_size graph_smooth nonzero_error kl sparsity "
        "contrastive",
        GraphBuilder: "knn mutual_knn snn radius umap gaussian bbknn",
        Pruner: "mean_std isolation_forest local_outlier_factor",
        Encoder: "identity pca mlp vae gcn gat gatv2 sage gin tag sgc appnp chebnet transformer "
        "gcn2",
        Decoder: "mlp nb zinb inner_product inner_product_sampled",
        Clusterer: "kmeans louvain leiden birch agglomerative spectral gaussian_mixture hdbscan "
        "optics affinity_propagation mean_shift consensus random",
        StoppingRule: "clusters graph all_of any_of plateau never",
        Transform: "filter top_genes normalize_total log1p scale",
    }
    for kind, names in catalog.items():
        assert set(kind.names()) == set(names.split())
