"""What a run leaves: files, keys, and the AnnData, with and without true labels."""

from __future__ import annotations

import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from scipy import sparse

import scgnn
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute

FILES = {
    "report.html",
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
    "stop_reason",
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
def quick(reduced_budget):
    """The default recipe at a tiny budget, on an AnnData that is given."""
    return {path.replace(".", "__"): value for path, value in reduced_budget.items()}


@pytest.fixture
def adata(make_counts):
    return make_counts()


def test_a_run_leaves_every_file_and_nothing_else(
    run_cli, to_set_options, make_small_changes, tmp_path
):
    out = tmp_path / "out"
    assert (
        run_cli(
            "run", "scgnn", *to_set_options(make_small_changes("scgnn")), "--out", out
        ).exit_code
        == 0
    )
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
    assert load_recipe(out / "recipe.yaml") == load_recipe("scgnn", make_small_changes("scgnn"))


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
        warnings.simplefilter("ignore")  # of scanpy and numba at import
        import scanpy as sc

        result = sc.read_h5ad(tmp_path / "out" / "result.h5ad")
        sc.tl.umap(result, neighbors_key="scgnn")
        sc.tl.leiden(result, neighbors_key="scgnn", flavor="igraph", n_iterations=2, directed=False)
    assert result.obsm["X_umap"].shape == (40, 2)
    assert result.obs["leiden"].nunique() >= 1


@pytest.mark.parametrize("form", ["dense", "csr", "csc", "integers", "view"])
def test_the_anndata_given_is_not_changed(adata, make_counts, quick, form):
    if form in ("csr", "csc"):
        adata.X = sparse.csr_matrix(adata.X).asformat(form)
    elif form == "integers":
        adata.X = adata.X.astype(np.int64)
    inputs = make_counts(n_cells=60)[:40] if form == "view" else adata
    before = inputs.copy()
    result = scgnn.run("scgnn", inputs, labels_key="group", **quick)
    assert result is not inputs
    assert np.array_equal(_dense(inputs.X), _dense(before.X))
    assert inputs.X.dtype == before.X.dtype
    assert list(inputs.obs) == list(before.obs) == ["group"]
    assert not inputs.obsm
    assert not inputs.layers
    assert not inputs.uns


def test_random_labels_give_the_same_clusters(adata, quick, assert_bit_identical):
    rng = np.random.default_rng(0)
    adata.obs["random"] = rng.choice(["x", "y", "z"], adata.n_obs)
    results = [
        scgnn.run("scgnn", adata, labels_key=labels, **quick) for labels in ("group", "random")
    ]
    assert_bit_identical(*results)
    assert_bit_identical(results[0], scgnn.run("scgnn", adata, **quick))
    assert list(results[0].obs["group"]) == list(adata.obs["group"])


def test_cells_without_a_label_are_left_out_of_the_scores(adata, reduced_budget):
    adata.obs["group"] = adata.obs["group"].astype(object)
    adata.obs.loc[adata.obs_names[:5], "group"] = None
    recipe = load_recipe("scgnn", {**reduced_budget, "data.labels_key": "group"})
    result = execute(recipe, adata)
    assert result.metrics.keys() >= WITH_LABELS
    from sklearn.metrics import adjusted_rand_score

    known = result.adata.obs["group"].notna().to_numpy()
    expected = adjusted_rand_score(
        result.adata.obs["group"][known].astype(str), result.state.clusters[known]
    )
    assert result.metrics["ari"] == pytest.approx(expected)


def test_hidden_entries_are_hidden_from_the_pipeline_and_scored(adata, reduced_budget):
    holdout = load_recipe("scgnn", {**reduced_budget, "data.holdout_fraction": 0.2})
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


def test_labels_of_which_none_are_left_score_nothing(adata, reduced_budget, caplog):
    adata.X[0] = 0  # the filter drops it, and it alone has a label
    adata.obs["type"] = ["a"] + [None] * 39
    result = execute(load_recipe("scgnn", {**reduced_budget, "data.labels_key": "type"}), adata)
    assert not result.metrics.keys() & WITH_LABELS
    assert (
        "data.labels_key: no labeled cell remains; label-based metrics are skipped" in caplog.text
    )


def test_hidden_entries_change_nothing_but_their_scores(
    adata, reduced_budget, assert_bit_identical
):
    recipe = load_recipe("scgnn", {**reduced_budget, "data.holdout_fraction": 0.2})
    result = execute(recipe, adata)
    hidden = (_dense(adata.X) > 0) & (_dense(result.state.x) == 0)
    assert hidden.any()
    changed = adata.copy()
    changed.X[hidden] += 5
    other = execute(recipe, changed)
    assert_bit_identical(result.adata, other.adata)
    assert other.metrics["imputation"] != result.metrics["imputation"]
    assert np.array_equal(_dense(other.adata.X), changed.X)


def test_a_holdout_of_which_nothing_is_left_has_no_scores(make_counts, reduced_budget):
    recipe = load_recipe("scgnn", {**reduced_budget, "data.holdout_fraction": 0.2})
    scores = execute(recipe, make_counts(n_genes=1)).metrics["imputation"]
    assert scores == dict.fromkeys(IMPUTATION)


def test_the_given_anndata_is_left_alone_to_the_last_bit(adata, quick, tmp_path):
    adata.layers["mine"] = sparse.csr_matrix(adata.X)
    adata.obsm["X_pca"] = np.ones((40, 2))
    adata.obsp["mine"] = sparse.identity(40, format="csr")
    adata.varm["PCs"] = np.ones((30, 2))
    adata.uns["deep"] = {"list": [1, 2], "array": np.arange(3)}
    adata.raw = adata
    before = pickle.dumps(adata)
    scgnn.run(
        "scgnn",
        adata,
        labels_key="group",
        out=tmp_path / "out",
        data__holdout_fraction=0.1,
        **quick,
    )
    assert pickle.dumps(adata) == before


def test_the_original_programs_files_have_its_layouts(
    run_cli, to_set_options, make_small_changes, tmp_path
):
    words = [
        "run",
        "scgnn",
        *to_set_options(make_small_changes("scgnn")),
        "--out",
        tmp_path / "out",
        "--export",
        "scgnn",
    ]
    assert run_cli(*words).exit_code == 0
    result = read_h5ad(tmp_path / "out" / "result.h5ad")
    recon = pd.read_csv(tmp_path / "out" / "scgnn_recon.csv", index_col=0)  # genes x cells
    assert list(recon.index) == list(result.var_names)
    assert list(recon.columns) == list(result.obs_names)
    assert np.allclose(recon.to_numpy(), result.layers["scgnn_imputed"].T)
    embedding = pd.read_csv(tmp_path / "out" / "scgnn_embedding.csv", index_col=0)
    assert list(embedding.columns) == [f"embedding{i}" for i in range(16)]
    assert np.allclose(embedding.to_numpy(), result.obsm["X_scgnn"])
    clusters = pd.read_csv(tmp_path / "out" / "scgnn_results.txt", index_col=0)
    assert list(clusters["Celltype"].astype(str)) == list(result.obs["scgnn"])
    assert list(clusters.index) == list(result.obs_names)
    edges = pd.read_csv(tmp_path / "out" / "scgnn_graph.csv")
    assert list(edges.columns) == ["NodeA", "NodeB", "Weights"]
    assert (edges["NodeA"] < edges["NodeB"]).all()
    half = (edges["Weights"], (edges["NodeA"], edges["NodeB"]))
    graph = sparse.csr_matrix(half, shape=(result.n_obs, result.n_obs))
    assert abs(graph + graph.T - result.obsp["scgnn_connectivities"]).nnz == 0
