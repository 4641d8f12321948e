"""What a run leaves: files, keys, and the AnnData, with and without true labels."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from scipy import sparse

import scgnn
from scgnn.recipe import load_recipe
from scgnn.runs import execute

FILES = {
    "recipe.yaml",
    "result.h5ad",
    "metrics.json",
    "cells.csv",
    "history.csv",
    "versions.json",
    "log.txt",
}
ALWAYS = {
    "n_cells",
    "n_genes",
    "n_clusters",
    "iterations",
    "stopped_because",
    "seconds",
    "peak_memory_mb",
    "silhouette",
    "calinski_harabasz",
    "davies_bouldin",
}
WITH_LABELS = {
    "ari",
    "ami",
    "nmi",
    "completeness",
    "fowlkes_mallows",
    "v_measure",
    "homogeneity",
}
IMPUTATION = {"median_l1", "mean_l1", "min_l1", "max_l1", "cosine", "pearson"}


@pytest.fixture
def quick(budget):
    """The default recipe at a tiny budget, on an AnnData that is given."""
    return {path.replace(".", "__"): value for path, value in budget.items()}


@pytest.fixture
def adata(counts):
    return counts()


def test_a_run_leaves_every_file_and_nothing_else(command, sets, small, tmp_path):
    out = tmp_path / "out"
    assert command("run", "scgnn", *sets(small("scgnn")), "--out", out).code == 0
    assert {path.name for path in out.iterdir()} == FILES
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics.keys() >= ALWAYS
    assert not metrics.keys() & WITH_LABELS
    assert metrics["seconds"].keys() >= {"LTMG", "feature autoencoder", "imputation"}
    cells = pd.read_csv(out / "cells.csv")
    assert list(cells.columns) == ["cell", "cluster"]
    assert len(cells) == metrics["n_cells"]
    history = pd.read_csv(out / "history.csv")
    assert list(history.columns) == ["iteration", "stage", "quantity", "epoch", "value"]
    assert json.loads((out / "versions.json").read_text()).keys() >= {"torch", "dgl", "threads"}
    assert load_recipe(out / "recipe.yaml") == load_recipe("scgnn", small("scgnn"))


def test_the_result_holds_the_counts_as_they_came_and_what_was_found(adata, quick, tmp_path):
    adata.layers["mine"] = adata.X * 2
    adata.uns["note"] = "kept"
    scgnn.run("scgnn", adata, out=tmp_path / "out", **quick)
    result = read_h5ad(tmp_path / "out" / "result.h5ad")
    same = adata[result.obs_names, result.var_names]
    assert np.array_equal(_dense(result.X), _dense(same.X))
    assert np.array_equal(_dense(result.layers["mine"]), _dense(same.layers["mine"]))
    assert result.uns["note"] == "kept"
    assert isinstance(result.obs["scgnn"].dtype, pd.CategoricalDtype)
    assert result.obsm["X_scgnn"].shape == (40, 16)
    assert result.obsm["X_scgnn_features"].shape == (40, 8)
    assert result.obsp["scgnn_connectivities"].shape == (40, 40)
    assert result.layers["scgnn_imputed"].shape == result.shape
    assert result.uns["scgnn"]["versions"]["scgnn"] == scgnn.__version__
    (tmp_path / "again.yaml").write_text(result.uns["scgnn"]["recipe"])
    assert load_recipe(tmp_path / "again.yaml").pipeline.max_iterations == 2


def _dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


@pytest.mark.filterwarnings("ignore::UserWarning:umap", "ignore::FutureWarning:scanpy")
def test_scanpy_works_on_the_graph(adata, quick, tmp_path):
    scgnn.run("scgnn", adata, out=tmp_path / "out", **quick)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what scanpy and numba say at import is theirs
        import scanpy as sc

        result = sc.read_h5ad(tmp_path / "out" / "result.h5ad")
        sc.tl.umap(result, neighbors_key="scgnn")
        sc.tl.leiden(result, neighbors_key="scgnn", flavor="igraph", n_iterations=2, directed=False)
    assert result.obsm["X_umap"].shape == (40, 2)
    assert result.obs["leiden"].nunique() >= 1


@pytest.mark.parametrize("form", ["dense", "csr", "csc", "integers", "view"])
def test_the_anndata_given_is_not_changed(adata, counts, quick, form):
    if form in ("csr", "csc"):
        adata.X = sparse.csr_matrix(adata.X).asformat(form)
    elif form == "integers":
        adata.X = adata.X.astype(np.int64)
    given = counts(n_cells=60)[:40] if form == "view" else adata
    before = given.copy()
    result = scgnn.run("scgnn", given, labels="group", **quick)
    assert result is not given
    assert np.array_equal(_dense(given.X), _dense(before.X))
    assert given.X.dtype == before.X.dtype
    assert list(given.obs) == list(before.obs) == ["group"]
    assert not given.obsm
    assert not given.layers
    assert not given.uns


def test_random_labels_give_the_same_clusters(adata, quick, assert_same_bits):
    rng = np.random.default_rng(0)
    adata.obs["random"] = rng.choice(["x", "y", "z"], adata.n_obs)
    results = [scgnn.run("scgnn", adata, labels=labels, **quick) for labels in ("group", "random")]
    assert_same_bits(*results)
    assert_same_bits(results[0], scgnn.run("scgnn", adata, **quick))
    assert list(results[0].obs["group"]) == list(adata.obs["group"])


def test_cells_without_a_label_are_left_out_of_the_scores(adata, budget):
    adata.obs["group"] = adata.obs["group"].astype(object)
    adata.obs.loc[adata.obs_names[:5], "group"] = None
    recipe = load_recipe("scgnn", {**budget, "data.labels": "group"})
    result = execute(recipe, adata)
    assert result.metrics.keys() >= WITH_LABELS
    from sklearn.metrics import adjusted_rand_score

    known = result.adata.obs["group"].notna().to_numpy()
    expected = adjusted_rand_score(
        result.adata.obs["group"][known].astype(str), result.state.labels[known]
    )
    assert result.metrics["ari"] == pytest.approx(expected)


def test_hidden_entries_are_hidden_from_the_pipeline_and_scored(adata, budget):
    holdout = load_recipe("scgnn", {**budget, "data.holdout": 0.2})
    result = execute(holdout, adata)
    assert result.metrics["imputation"].keys() == IMPUTATION
    seen = _dense(result.state.x)
    counts = _dense(adata[result.state.cells, result.state.genes].X)
    hidden = (counts > 0) & (seen == 0)
    assert hidden.sum() == pytest.approx(0.2 * (_dense(adata.X) > 0).sum(), abs=2)
    error = np.abs(result.state.imputed[hidden] - np.log1p(counts[hidden]))
    assert result.metrics["imputation"]["median_l1"] == pytest.approx(np.median(error), rel=1e-5)


def test_changes_by_keyword_are_those_of_the_recipe(adata, quick):
    result = scgnn.run("scgnn", adata, seed=3, **{**quick, "pipeline__clusterer": "leiden"})
    text = result.uns["scgnn"]["recipe"]
    assert "seed: 3" in text
    assert "name: leiden" in text


def _not_empty(adata):
    return list(adata.obs_names[np.asarray(adata.X.sum(1)).ravel() > 0])


@pytest.mark.parametrize(
    ("n_cells", "n_genes"), [(2, 30), (6, 30), (1, 30), (40, 1), (40, 2)], ids=str
)
def test_small_data_finish(counts, quick, n_cells, n_genes):
    given = counts(n_cells=n_cells, n_genes=n_genes)
    result = scgnn.run("scgnn", given, **quick)
    assert list(result.obs_names) == _not_empty(given)
    assert np.isfinite(result.layers["scgnn_imputed"]).all()


def test_cells_that_are_all_alike_finish(counts, quick):
    one = np.random.default_rng(0).poisson(3, (1, 30)).astype(np.float32)
    result = scgnn.run("scgnn", counts(np.repeat(one, 25, axis=0)), **quick)
    assert result.n_obs == 25
    assert np.allclose(result.layers["scgnn_imputed"], result.layers["scgnn_imputed"][0])


@pytest.mark.parametrize("recipe", ["pca_leiden", "pca_kmeans"])
def test_the_floor_runs_on_small_data_too(counts, recipe):
    for n_cells, n_genes in ((1, 30), (3, 30), (40, 1)):
        given = counts(n_cells=n_cells, n_genes=n_genes)
        assert list(scgnn.run(recipe, given).obs_names) == _not_empty(given)
