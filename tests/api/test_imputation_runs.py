"""Imputation scores of runs, and errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose, assert_array_equal

from scgnn.errors import InputError
from scgnn.evaluation import score_imputation
from scgnn.execution.cache import StageCache
from scgnn.execution.stages import Stages
from scgnn.recipe.load import load_recipe
from scgnn.runs.folder import make_paths_absolute
from scgnn.runs.run import execute, prepare

SCORES = {"gene_correlation", "cell_correlation", "mse", "poisson"}


@pytest.fixture
def recipe(reduced_budget):
    def apply(**data):
        return load_recipe(
            "scgnn", {**reduced_budget, **{f"data.{key}": v for key, v in data.items()}}
        )

    return apply


@pytest.fixture
def truth(tmp_path):
    """Write a truth and return its path."""

    def write(adata):
        adata.write_h5ad(tmp_path / "truth.h5ad")
        return str(tmp_path / "truth.h5ad")

    return write


def test_visible_and_hidden_molecules_sum_to_the_counts(recipe, make_counts):
    adata = make_counts()
    prepared = prepare(recipe(thinning_fraction=0.3, transforms=[]), adata)
    hidden = prepared.imputation_targets.thinning.counts
    assert_array_equal((prepared.state.x + hidden).toarray(), adata.X)
    assert hidden.sum() == pytest.approx(0.3 * adata.X.sum(), rel=0.1)
    again = prepare(recipe(thinning_fraction=0.3, transforms=[]), adata)
    assert_array_equal(again.state.x.toarray(), prepared.state.x.toarray())


def test_targets_have_the_visible_cells_and_genes(recipe, make_counts, truth):
    adata = make_counts()
    adata.X[:, 3] = 0
    deep = AnnData(adata.X * 10, adata.obs, adata.var)
    order = np.random.default_rng(0).permutation(40), np.random.default_rng(1).permutation(30)
    path = truth(deep[order[0]][:, order[1]].copy())
    prepared = prepare(recipe(thinning_fraction=0.5, truth_path=path), adata)
    state, targets = prepared.state, prepared.imputation_targets
    assert "gene_3" not in state.genes
    expected = deep[state.cells, state.genes].X
    assert_array_equal(targets.truth.counts.toarray(), expected)
    assert_allclose(targets.truth.values.toarray(), np.log1p(expected), rtol=1e-6)
    hidden = targets.thinning
    assert_allclose(hidden.values.toarray(), np.log1p(hidden.counts.toarray()), rtol=1e-6)


def test_run_has_all_scores_of_all_baselines(recipe, make_counts, truth):
    adata = make_counts()
    everything = {
        "thinning_fraction": 0.5,
        "permuted_gene_fraction": 0.2,
        "truth_path": truth(adata),
        "labels_key": "group",
    }
    metrics = execute(recipe(**everything), adata).metrics
    assert metrics["thinning"].keys() == SCORES
    assert metrics["truth"].keys() == SCORES - {"poisson"}
    assert isinstance(metrics["false_signal"], float)
    baselines = metrics["imputation_baselines"]
    names = [
        "unimputed",
        "zero",
        "gene_mean",
        "neighbor_mean",
        "nonzero_neighbor_mean",
        "diffusion",
    ]
    assert list(baselines) == names
    for result in baselines.values():
        assert result.keys() == {"thinning", "truth", "false_signal"}
        assert result["thinning"].keys() == SCORES
    assert baselines["unimputed"]["false_signal"] == pytest.approx(0, abs=1e-12)
    assert baselines["zero"]["thinning"]["gene_correlation"] == 0
    assert "ari" in metrics
    json.dumps(metrics, allow_nan=False)


def test_no_scores_without_imputation_or_hidden_values(recipe, make_counts, caplog):
    assert "imputation_baselines" not in execute(recipe(), make_counts()).metrics
    pca = load_recipe("pca_leiden", {"data.thinning_fraction": 0.5})
    assert not execute(pca, make_counts()).metrics.keys() & {"thinning", "imputation_baselines"}
    assert "but nothing is imputed here" in caplog.text


@pytest.mark.parametrize("hidden", ["thinning", "holdout"])
def test_permuted_genes_count_for_false_signal_alone(recipe, make_counts, hidden):
    prepared = prepare(
        recipe(permuted_gene_fraction=0.2, **{f"{hidden}_fraction": 0.5}), make_counts()
    )
    x, targets = prepared.state.x, prepared.imputation_targets
    assert len(targets.permuted_genes) == 6
    imputed = np.random.default_rng(0).random(x.shape).astype(np.float32)
    result = score_imputation(imputed, x, targets)
    imputed[:, targets.permuted_genes] = x[:, targets.permuted_genes].toarray()
    changed = score_imputation(imputed, x, targets)
    assert result.pop("false_signal") != changed.pop("false_signal")
    assert result == changed
    assert result.keys() >= {"thinning.mse" if hidden == "thinning" else "imputation.cosine"}


def test_true_labels_reach_neither_data_nor_targets(recipe, make_counts, truth, monkeypatch):
    from scgnn.components.transforms import Log1p

    shapes, transform = [], Log1p.__call__

    def record_columns(self, adata):
        shapes.extend(adata.obs.columns)
        return transform(self, adata)

    monkeypatch.setattr(Log1p, "__call__", record_columns)
    adata = make_counts()
    adata.obs["batch"] = "one"
    prepare(recipe(thinning_fraction=0.5, truth_path=truth(adata), labels_key="group"), adata)
    assert shapes == ["batch"] * 3  # data, hidden molecules, truth


def test_no_errors_for_other_scales(recipe, make_counts):
    scaled = load_recipe("pca_leiden", {"data.transforms": ["log1p", "scale"]})
    result = prepare(load_recipe(scaled, {"data.thinning_fraction": 0.5}), make_counts())
    scores = score_imputation(np.asarray(result.state.x), result.state.x, result.imputation_targets)
    assert scores["thinning.mse"] is scores["thinning.poisson"] is None
    assert scores["thinning.gene_correlation"] > 0


def test_baselines_are_computed_once_for_the_same_data(recipe, make_counts, tmp_path):
    store, result = StageCache(tmp_path / "store"), []
    for weight in (0.1, 0.2):
        changes = {"pipeline.imputation_regularizers.degree.weight": weight}
        stages = Stages(store)
        changed = load_recipe(recipe(thinning_fraction=0.5, permuted_gene_fraction=0.1), changes)
        metrics = execute(changed, make_counts(), stages).metrics
        result.append((metrics, [c for c in stages.costs.values() if "baselines" in c.label]))
    (first, cost), (second, same) = result
    assert cost == same  # seconds and all: it is the stored one
    assert first["imputation_baselines"] == second["imputation_baselines"]
    assert first["thinning"] != second["thinning"]


def test_truth_path_is_saved_absolute(recipe):
    assert make_paths_absolute(recipe(truth_path="x/y.h5ad")).data.truth_path.startswith("/")


# --- refused ------------------------------------------------------------------------------------


def test_molecules_and_entries_are_not_hidden_at_once(collect_errors):
    (line,) = collect_errors(
        "base: scgnn\ndata:\n  thinning_fraction: 0.5\n  holdout_fraction: 0.1\n"
    )
    assert line.endswith(
        "data: thinning_fraction and holdout_fraction both hide counts: set one of them to 0"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.5, "has the value 0.5, but only integer counts"),
        (1e30, "has the value 1e+30, but only integer counts"),
    ],
)
def test_only_counts_are_thinned(recipe, make_counts, value, reason):
    adata = make_counts()
    adata.X[0, 0] = value
    with pytest.raises(InputError) as error:
        prepare(recipe(thinning_fraction=0.5), adata)
    assert str(error.value).startswith(f"data.thinning_fraction: the given AnnData {reason}")


def drop_gene(adata):
    return adata[:, 1:].copy()


def rename_cells(adata):
    adata.obs_names = [f"AAA{i}" for i in range(adata.n_obs)]
    return adata


def make_negative(adata):
    adata.X[0, 0] = -1
    return adata


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop_gene, "lacks 1 of the 30 genes of the data, e.g. 'gene_0'"),
        (rename_cells, "has none of the 40 cells of the data, which are named e.g. 'cell_0'"),
        (make_negative, "-1 in cell 'cell_0', gene 'gene_0'"),
    ],
)
def test_mismatched_truth_is_rejected(recipe, make_counts, truth, change, reason):
    path = truth(change(make_counts()))
    with pytest.raises(InputError, match=r"^data\.truth_path: ") as error:
        prepare(recipe(truth_path=path), make_counts())
    assert reason in str(error.value)


def test_truth_must_be_an_h5ad_file(recipe, make_counts, tmp_path):
    (tmp_path / "truth.h5ad").write_text("gene,a,b\n")
    for name, reason in (("truth.h5ad", "cannot be read as h5ad"), ("no.h5ad", "does not exist")):
        with pytest.raises(InputError, match=rf"^data\.truth_path: .*{name}.* ?{reason}"):
            prepare(recipe(truth_path=str(tmp_path / name)), make_counts())
