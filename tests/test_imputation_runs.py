"""Imputation scored in runs: what is hidden, what is left alone, what is refused."""

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
    def changed(**data):
        return load_recipe(
            "scgnn", {**reduced_budget, **{f"data.{key}": v for key, v in data.items()}}
        )

    return changed


@pytest.fixture
def truth(tmp_path):
    """Writes a truth and returns its path."""

    def write(adata):
        adata.write_h5ad(tmp_path / "truth.h5ad")
        return str(tmp_path / "truth.h5ad")

    return write


def test_what_is_seen_and_what_is_hidden_are_the_counts(recipe, make_counts):
    adata = make_counts()
    prepared = prepare(recipe(thinning_fraction=0.3, transforms=[]), adata)
    hidden = prepared.imputation_targets.thinning.counts
    assert_array_equal((prepared.state.x + hidden).toarray(), adata.X)
    assert hidden.sum() == pytest.approx(0.3 * adata.X.sum(), rel=0.1)
    again = prepare(recipe(thinning_fraction=0.3, transforms=[]), adata)
    assert_array_equal(again.state.x.toarray(), prepared.state.x.toarray())


def test_the_answers_are_those_cells_and_genes_that_are_seen(recipe, make_counts, truth):
    adata = make_counts()
    adata.X[:, 3] = 0
    deep = AnnData(adata.X * 10, adata.obs, adata.var)
    order = np.random.default_rng(0).permutation(40), np.random.default_rng(1).permutation(30)
    path = truth(deep[order[0]][:, order[1]].copy())
    prepared = prepare(recipe(thinning_fraction=0.5, truth_path=path), adata)
    state, answers = prepared.state, prepared.imputation_targets
    assert "gene_3" not in state.genes
    expected = deep[state.cells, state.genes].X
    assert_array_equal(answers.truth.counts.toarray(), expected)
    assert_allclose(answers.truth.values.toarray(), np.log1p(expected), rtol=1e-6)
    hidden = answers.thinning
    assert_allclose(hidden.values.toarray(), np.log1p(hidden.counts.toarray()), rtol=1e-6)


def test_a_run_has_every_score_with_every_control_beside_it(recipe, make_counts, truth):
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
    controls = metrics["imputation_baselines"]
    names = [
        "unimputed",
        "zero",
        "gene_mean",
        "neighbor_mean",
        "nonzero_neighbor_mean",
        "diffusion",
    ]
    assert list(controls) == names
    for found in controls.values():
        assert found.keys() == {"thinning", "truth", "false_signal"}
        assert found["thinning"].keys() == SCORES
    assert controls["unimputed"]["false_signal"] == pytest.approx(0, abs=1e-12)
    assert controls["zero"]["thinning"]["gene_correlation"] == 0
    assert "ari" in metrics
    json.dumps(metrics, allow_nan=False)


def test_nothing_is_scored_where_nothing_is_imputed_or_hidden(recipe, make_counts, caplog):
    assert "imputation_baselines" not in execute(recipe(), make_counts()).metrics
    pca = load_recipe("pca_leiden", {"data.thinning_fraction": 0.5})
    assert not execute(pca, make_counts()).metrics.keys() & {"thinning", "imputation_baselines"}
    assert "but nothing is imputed here" in caplog.text


@pytest.mark.parametrize("hidden", ["thinning", "holdout"])
def test_permuted_genes_count_for_false_signal_alone(recipe, make_counts, hidden):
    prepared = prepare(
        recipe(permuted_gene_fraction=0.2, **{f"{hidden}_fraction": 0.5}), make_counts()
    )
    x, answers = prepared.state.x, prepared.imputation_targets
    assert len(answers.permuted_genes) == 6
    imputed = np.random.default_rng(0).random(x.shape).astype(np.float32)
    found = score_imputation(imputed, x, answers)
    imputed[:, answers.permuted_genes] = x[:, answers.permuted_genes].toarray()
    changed = score_imputation(imputed, x, answers)
    assert found.pop("false_signal") != changed.pop("false_signal")
    assert found == changed
    assert found.keys() >= {"thinning.mse" if hidden == "thinning" else "imputation.cosine"}


def test_true_labels_reach_neither_data_nor_answers(recipe, make_counts, truth, monkeypatch):
    from scgnn.components.transforms import Log1p

    there, transform = [], Log1p.__call__

    def watched(self, adata):
        there.extend(adata.obs.columns)
        return transform(self, adata)

    monkeypatch.setattr(Log1p, "__call__", watched)
    adata = make_counts()
    adata.obs["batch"] = "one"
    prepare(recipe(thinning_fraction=0.5, truth_path=truth(adata), labels_key="group"), adata)
    assert there == ["batch"] * 3  # data, hidden molecules, truth


def test_without_a_way_back_to_counts_there_are_no_errors(recipe, make_counts):
    scaled = load_recipe("pca_leiden", {"data.transforms": ["log1p", "scale"]})
    found = prepare(load_recipe(scaled, {"data.thinning_fraction": 0.5}), make_counts())
    scores = score_imputation(np.asarray(found.state.x), found.state.x, found.imputation_targets)
    assert scores["thinning.mse"] is scores["thinning.poisson"] is None
    assert scores["thinning.gene_correlation"] > 0


def test_controls_are_computed_once_for_all_methods_on_the_same_data(recipe, make_counts, tmp_path):
    store, found = StageCache(tmp_path / "store"), []
    for weight in (0.1, 0.2):
        changes = {"pipeline.imputation_regularizers.degree.weight": weight}
        stages = Stages(store)
        changed = load_recipe(recipe(thinning_fraction=0.5, permuted_gene_fraction=0.1), changes)
        metrics = execute(changed, make_counts(), stages).metrics
        found.append((metrics, [c for c in stages.costs.values() if "baselines" in c.label]))
    (first, cost), (second, same) = found
    assert cost == same  # seconds and all: it is the stored one
    assert first["imputation_baselines"] == second["imputation_baselines"]
    assert first["thinning"] != second["thinning"]


def test_the_path_of_a_truth_is_saved_whole(recipe):
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
    [(0.5, "has the value 0.5, but only integer counts"), (1e30, "has the value 1e+30, but only integer counts")],
)
def test_only_counts_are_thinned(recipe, make_counts, value, reason):
    adata = make_counts()
    adata.X[0, 0] = value
    with pytest.raises(InputError) as refused:
        prepare(recipe(thinning_fraction=0.5), adata)
    assert str(refused.value).startswith(f"data.thinning_fraction: the given AnnData {reason}")


def lacking_a_gene(adata):
    return adata[:, 1:].copy()


def of_other_cells(adata):
    adata.obs_names = [f"AAA{i}" for i in range(adata.n_obs)]
    return adata


def negative(adata):
    adata.X[0, 0] = -1
    return adata


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lacking_a_gene, "lacks 1 of the 30 genes of the data, e.g. 'gene_0'"),
        (of_other_cells, "has none of the 40 cells of the data, which are named e.g. 'cell_0'"),
        (negative, "-1 in cell 'cell_0', gene 'gene_0'"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(recipe, make_counts, truth, spoil, reason):
    path = truth(spoil(make_counts()))
    with pytest.raises(InputError, match=r"^data\.truth_path: ") as refused:
        prepare(recipe(truth_path=path), make_counts())
    assert reason in str(refused.value)


def test_a_truth_that_is_no_h5ad_file_is_refused(recipe, make_counts, tmp_path):
    (tmp_path / "truth.h5ad").write_text("gene,a,b\n")
    for name, reason in (("truth.h5ad", "cannot be read as h5ad"), ("no.h5ad", "does not exist")):
        with pytest.raises(InputError, match=rf"^data\.truth_path: .*{name}.* ?{reason}"):
            prepare(recipe(truth_path=str(tmp_path / name)), make_counts())
