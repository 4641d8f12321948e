"""Every slot of scGNN takes every component of its kind, and changing one is one line."""

import warnings

import numpy as np
import pytest

import scgnn
from scgnn.components.clusterers import Clusterer
from scgnn.components.decoders import Decoder
from scgnn.components.encoders import Encoder
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.pruners import Pruner
from scgnn.components.regularizers import Regularizer
from scgnn.components.stopping import StoppingRule
from scgnn.components.transforms import Transform
from scgnn.errors import RecipeError
from scgnn.recipe.load import list_bundled_recipes, load_recipe

TWO_EPOCHS = {
    "pipeline.max_iterations": 1,
    **{
        f"pipeline.{name}_training.epochs": 2
        for name in ("feature", "graph", "cluster", "iteration", "imputation")
    },
}
SMALL = TWO_EPOCHS | {
    "data.reader.n_cells": 90,
    "data.reader.n_genes": 60,
    "pipeline.feature_encoder.hidden": [16, 8],
    "pipeline.feature_regularizers.ltmg.max_components": 3,
}

NO_GRAPH_YET = "needs the graph, which is not known yet here"
REFUSED = {  # what cannot work, and the reason given before any data is read
    **{
        ("feature_encoder", name): NO_GRAPH_YET
        for name in Encoder.names()
        if "graph" in Encoder.get(name).requires
    },
    ("feature_decoder", "inner_product"): "rebuilds graph, not features",
    ("feature_decoder", "inner_product_sampled"): "rebuilds graph, not features",
    ("feature_decoder", "nb"): "nb rebuilds counts, but after log1p there are none",
    ("feature_decoder", "zinb"): "zinb rebuilds counts, but after log1p there are none",
    ("graph_decoder", "mlp"): "rebuilds features, not graph",
    ("graph_decoder", "nb"): "rebuilds features, not graph",
    ("graph_decoder", "zinb"): "rebuilds features, not graph",
    ("graph_encoder", "identity"): "identity has no width of its own",
    ("graph_builder", "bbknn"): "bbknn needs the batch of each cell",
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
MANY = ("feature_regularizers", "cluster_regularizers", "imputation_regularizers")


def changes(slot, name):
    """The one line of a swap, and a small budget."""
    small = dict(SMALL)
    if slot == "feature_encoder":
        del small["pipeline.feature_encoder.hidden"]
    if slot in MANY:  # a run has one LTMG, so that of the recipe stays as it is
        del small["pipeline.feature_regularizers.ltmg.max_components"]
    if name == "kl":  # says something of distributions alone
        small["pipeline.feature_encoder"] = {"name": "vae", "hidden": [16, 8]}
        del small["pipeline.feature_encoder.hidden"]
    return small | {f"pipeline.{slot}": [name] if slot in MANY else name}


@pytest.mark.parametrize(("slot", "name"), [s for s in SWAPS if s not in REFUSED])
def test_a_slot_takes_every_component_of_its_kind(slot, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scgnn.run("scgnn", **changes(slot, name))
    assert found.n_obs == 90
    assert np.isfinite(found.obsm["X_scgnn"]).all()
    assert np.isfinite(found.layers["scgnn_imputed"]).all()
    labels = found.obs["scgnn"].astype(int)
    assert sorted(labels.unique()) == list(range(labels.max() + 1))


@pytest.mark.parametrize(("slot", "name"), REFUSED)
def test_what_cannot_work_is_refused_with_the_reason(slot, name):
    with pytest.raises(RecipeError, match=REFUSED[slot, name]):
        load_recipe("scgnn", changes(slot, name))


def test_kl_refuses_an_encoder_that_gives_points():
    with pytest.raises(RecipeError, match="kl: mlp gives one point per cell, not a distribution"):
        load_recipe("scgnn", {"pipeline.imputation_regularizers": ["kl"]})


def test_batches_and_counts_work_where_the_recipe_gives_them():
    found = scgnn.run(
        "scgnn",
        **(SMALL | {"pipeline.graph_builder": "bbknn", "data.batch_key": "group"}),
    )
    assert found.obsp["scgnn_connectivities"].nnz
    for decoder in ("nb", "zinb"):
        found = scgnn.run("scgnn_zinb", **(zinb_budget() | {"pipeline.feature_decoder": decoder}))
        assert (found.layers["scgnn_imputed"] >= 0).all()


def zinb_budget():
    return TWO_EPOCHS | {"data.reader.n_cells": 90, "data.reader.n_genes": 60}


def test_a_plain_graph_autoencoder_may_leave_the_embedding_as_it_is():
    plain = {"pipeline.graph_encoder": "identity", "pipeline.graph_decoder.variational": False}
    found = scgnn.run("scgnn", **(SMALL | plain))
    np.testing.assert_array_equal(found.obsm["X_scgnn"], found.obsm["X_scgnn_features"])


@pytest.mark.parametrize("name", ["scgnn2", "scgnn_no_dead_units", "vgae", "gae", "pca_consensus"])
def test_recipes_of_other_methods_run(name):
    budget = {"data.reader.n_cells": 90, "data.reader.n_genes": 60}
    if name.startswith("scgnn"):
        budget |= TWO_EPOCHS
    elif name != "pca_consensus":
        budget |= {"pipeline.graph_training.epochs": 2}
    found = scgnn.run(name, **budget)
    assert found.obs["scgnn"].nunique() >= 1


@pytest.mark.parametrize("kind", [Encoder, Clusterer], ids=lambda kind: kind.kind)
def test_every_encoder_and_clusterer_has_a_recipe_of_its_own(kind):
    with_one = {"mlp", "gcn", "kmeans"}  # those of scgnn itself
    assert {f"scgnn_{name}" for name in set(kind.names()) - with_one} <= set(list_bundled_recipes())


@pytest.mark.parametrize("name", sorted(list_bundled_recipes()))
def test_every_bundled_recipe_loads(name):
    load_recipe(name)


def test_the_catalogue_is_complete():
    catalogue = {
        Regularizer: "ltmg ltmg_binary degree cluster_size graph_smooth nonzero_error kl sparsity "
        "contrastive",
        GraphBuilder: "knn mutual_knn snn radius umap gaussian bbknn",
        Pruner: "mean_std isolation_forest local_outlier_factor none",
        Encoder: "identity pca mlp vae gcn gat gatv2 sage gin tag sgc appnp chebnet transformer "
        "gcn2",
        Decoder: "mlp nb zinb inner_product inner_product_sampled",
        Clusterer: "kmeans louvain leiden birch agglomerative spectral gaussian_mixture hdbscan "
        "optics affinity_propagation mean_shift consensus random",
        StoppingRule: "clusters graph all_of any_of plateau never",
        Transform: "filter top_genes normalize_total log1p scale",
    }
    for kind, names in catalogue.items():
        assert set(kind.names()) == set(names.split())
