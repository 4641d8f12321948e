"""Scores of imputation: hidden molecules, a truth, false signal, and what refuses them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.metrics import mean_poisson_deviance

from scgnn.components.transforms import Filter, Log1p, NormalizeTotal, Scale, TopGenes
from scgnn.errors import InputError
from scgnn.folders import absolute_paths
from scgnn.imputation import scores
from scgnn.imputation.answers import Reference, scale_after
from scgnn.recipe import load_recipe
from scgnn.runs import execute, prepare
from scgnn.stages import Stages
from scgnn.store import Store

SCORES = {"gene_correlation", "cell_correlation", "mse", "poisson"}
seeds = st.integers(0, 2**32 - 1)


def drawn(shape=(40, 12), seed=0, mean=2.0):
    """Counts whose cells and genes differ."""
    rng = np.random.default_rng(seed)
    rate = mean * rng.gamma(2, 0.5, (shape[0], 1)) * rng.gamma(2, 0.5, shape[1])
    return sparse.csr_matrix(rng.poisson(rate), dtype=np.float32)


def reference(counts):
    return Reference(counts.log1p(), counts)


# --- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [1, 100, 10**6])
def test_correlations_are_pearsons_however_many_cells_at_a_time(monkeypatch, entries):
    monkeypatch.setattr(scores, "BLOCK_ENTRIES", entries)
    rng = np.random.default_rng(0)
    truth, imputed = drawn(mean=20).toarray().astype(float), rng.random((40, 12))
    by_gene, by_cell = scores.correlations(imputed, sparse.csr_matrix(truth))
    expected = [stats.pearsonr(imputed[:, g], truth[:, g]).statistic for g in range(12)]
    assert_allclose(by_gene, expected)
    expected = [stats.pearsonr(imputed[c], truth[c]).statistic for c in range(40)]
    assert_allclose(by_cell, expected)
    some = np.array([1, 5, 6, 9])
    by_gene_of_some, by_cell_of_some = scores.correlations(imputed, sparse.csr_matrix(truth), some)
    assert_allclose(by_gene_of_some, by_gene[some])
    expected = scores.correlations(imputed[:, some], truth[:, some])[1]
    assert_allclose(by_cell_of_some, expected)


def test_a_gene_given_up_counts_as_zero_and_one_without_truth_not_at_all():
    truth = np.array([[0, 1, 5], [1, 0, 5], [2, 1, 5], [3, 0, 5]], dtype=float)
    imputed = truth.copy()
    imputed[:, 1] = 0.1  # a constant
    imputed[:, 2] = [1, 2, 3, 4]
    by_gene, _ = scores.correlations(imputed, truth)
    assert_allclose(by_gene, [1, 0, np.nan])
    found = scores.reference_scores(imputed, Reference(truth, sparse.csr_matrix(truth)), "counts")
    assert found["gene_correlation"] == pytest.approx(0.5)


def test_errors_against_those_by_hand():
    counts = np.array([[1.0, 3], [0, 2]])
    imputed = np.log1p(np.array([[1.0, 1], [5, 5]]))  # rates 2, 2 and 1, 1 at these totals
    mse, poisson = scores.errors(imputed, sparse.csr_matrix(counts), "log1p")
    logs = np.log([3 / 2, 3 / 4, 2, 2 / 3])
    assert mse == pytest.approx(np.mean(logs**2))
    expected = mean_poisson_deviance(counts.ravel(), [2, 2, 1, 1])
    assert poisson == pytest.approx(expected)
    same = scores.errors(np.expm1(imputed), sparse.csr_matrix(counts), "counts")
    assert same == pytest.approx((mse, poisson))
    assert scores.errors(imputed, sparse.csr_matrix(counts), "other") == (None, None)


def test_the_true_values_score_perfectly():
    counts = drawn()
    found = scores.reference_scores(counts.log1p().toarray(), reference(counts), "log1p")
    assert found["gene_correlation"] == pytest.approx(1)
    assert found["cell_correlation"] == pytest.approx(1)
    assert found["mse"] == pytest.approx(0, abs=1e-10)
    assert 0 <= found["poisson"] <= 2 * scores.RATE_FLOOR


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_never_predicting_anything_has_the_floor_for_a_rate(value):
    counts = drawn()
    nothing = np.full(counts.shape, value, dtype=np.float32)
    found = scores.reference_scores(nothing, reference(counts), "log1p")
    assert found["gene_correlation"] == found["cell_correlation"] == 0
    assert found["mse"] == pytest.approx(np.mean(np.log1p(counts.toarray()) ** 2))
    flat = counts.toarray().ravel()
    expected = mean_poisson_deviance(flat, np.full(flat.shape, scores.RATE_FLOOR))
    assert found["poisson"] == pytest.approx(expected)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_neither_order_nor_depth_of_what_was_imputed_matters(seed):
    rng = np.random.default_rng(seed)
    counts, imputed = drawn(), rng.random((40, 12)) + 0.1
    found = scores.reference_scores(imputed, reference(counts), "counts")
    cells, genes = rng.permutation(40), rng.permutation(12)
    moved = scores.reference_scores(
        imputed[cells][:, genes], reference(counts[cells][:, genes]), "counts"
    )
    assert moved == pytest.approx(found)
    deeper = imputed * rng.gamma(5, 1, (40, 1))
    changed = scores.reference_scores(deeper, reference(counts), "counts")
    for name in ("mse", "poisson", "cell_correlation"):
        assert changed[name] == pytest.approx(found[name])


def test_values_that_no_exponential_can_hold_still_have_a_score():
    counts = drawn()
    imputed = np.full(counts.shape, 1e6, dtype=np.float32)
    found = scores.reference_scores(imputed, reference(counts), "log1p")
    assert np.isfinite(list(found.values())).all()


def test_false_signal_is_the_correlation_made_up():
    genes = np.array([0, 2, 3])
    x = sparse.csr_matrix(np.random.default_rng(1).poisson(2.0, (200, 5)), dtype=np.float32)
    assert scores.false_signal(x.toarray(), x, genes) == pytest.approx(0, abs=1e-12)
    alike = np.repeat(x.toarray()[:, :1], 5, axis=1)
    expected = np.abs(np.corrcoef(x.toarray()[:, genes].T)[np.triu_indices(3, 1)]).mean()
    assert scores.false_signal(alike, x, genes) == pytest.approx(1 - expected)
    assert scores.false_signal(np.zeros((200, 5)), x, genes) == pytest.approx(-expected)
    assert scores.false_signal(alike, x, genes[:1]) is None


@pytest.mark.parametrize(
    ("transforms", "scale"),
    [
        ([], "counts"),
        ([Filter(), TopGenes()], "counts"),
        ([NormalizeTotal(), TopGenes(), Log1p(), Filter()], "log1p"),
        ([Log1p(), NormalizeTotal()], "other"),
        ([Log1p(), Log1p()], "other"),
        ([Log1p(), Scale()], "other"),
    ],
)
def test_the_way_back_to_counts_is_known_or_not(transforms, scale):
    assert scale_after(transforms) == scale


# --- in a run -----------------------------------------------------------------------------------


@pytest.fixture
def recipe(budget):
    def changed(**data):
        return load_recipe("scgnn", {**budget, **{f"data.{key}": v for key, v in data.items()}})

    return changed


@pytest.fixture
def truth(tmp_path):
    """Writes a truth and returns its path."""

    def write(adata):
        adata.write_h5ad(tmp_path / "truth.h5ad")
        return str(tmp_path / "truth.h5ad")

    return write


def test_what_is_seen_and_what_is_hidden_are_the_counts(recipe, counts):
    adata = counts()
    prepared = prepare(recipe(thinning=0.3, transforms=[]), adata)
    hidden = prepared.answers.thinning.counts
    assert_array_equal((prepared.state.x + hidden).toarray(), adata.X)
    assert hidden.sum() == pytest.approx(0.3 * adata.X.sum(), rel=0.1)
    again = prepare(recipe(thinning=0.3, transforms=[]), adata)
    assert_array_equal(again.state.x.toarray(), prepared.state.x.toarray())


def test_the_answers_are_those_cells_and_genes_that_are_seen(recipe, counts, truth):
    adata = counts()
    adata.X[:, 3] = 0
    deep = AnnData(adata.X * 10, adata.obs, adata.var)
    order = np.random.default_rng(0).permutation(40), np.random.default_rng(1).permutation(30)
    path = truth(deep[order[0]][:, order[1]].copy())
    prepared = prepare(recipe(thinning=0.5, truth=path), adata)
    state, answers = prepared.state, prepared.answers
    assert "gene_3" not in state.genes
    expected = deep[state.cells, state.genes].X
    assert_array_equal(answers.truth.counts.toarray(), expected)
    assert_allclose(answers.truth.values.toarray(), np.log1p(expected), rtol=1e-6)
    hidden = answers.thinning
    assert_allclose(hidden.values.toarray(), np.log1p(hidden.counts.toarray()), rtol=1e-6)


def test_a_run_has_every_score_with_every_control_beside_it(recipe, counts, truth):
    adata = counts()
    everything = {"thinning": 0.5, "permuted": 0.2, "truth": truth(adata), "labels": "group"}
    metrics = execute(recipe(**everything), adata).metrics
    assert metrics["thinning"].keys() == SCORES
    assert metrics["truth"].keys() == SCORES - {"poisson"}
    assert isinstance(metrics["false_signal"], float)
    controls = metrics["imputation_controls"]
    names = ["none", "zero", "gene_mean", "neighbours", "neighbours_nonzero", "diffusion"]
    assert list(controls) == names
    for found in controls.values():
        assert found.keys() == {"thinning", "truth", "false_signal"}
        assert found["thinning"].keys() == SCORES
    assert controls["none"]["false_signal"] == pytest.approx(0, abs=1e-12)
    assert controls["zero"]["thinning"]["gene_correlation"] == 0
    assert "ari" in metrics
    json.dumps(metrics, allow_nan=False)


def test_nothing_is_scored_where_nothing_is_imputed_or_hidden(recipe, counts):
    assert "imputation_controls" not in execute(recipe(), counts()).metrics
    pca = load_recipe("pca_leiden", {"data.thinning": 0.5})
    assert not execute(pca, counts()).metrics.keys() & {"thinning", "imputation_controls"}


def test_controls_are_computed_once_for_all_methods_on_the_same_data(recipe, counts, tmp_path):
    store, found = Store(tmp_path / "store"), []
    for weight in (0.1, 0.2):
        changes = {"pipeline.imputation_regularizers.degree.weight": weight}
        stages = Stages(store)
        changed = load_recipe(recipe(thinning=0.5, permuted=0.1), changes)
        metrics = execute(changed, counts(), stages).metrics
        found.append((metrics, [c for c in stages.costs.values() if "controls" in c.label]))
    (first, cost), (second, same) = found
    assert cost == same  # seconds and all: it is the stored one
    assert first["imputation_controls"] == second["imputation_controls"]
    assert first["thinning"] != second["thinning"]


def test_the_path_of_a_truth_is_saved_whole(recipe):
    assert absolute_paths(recipe(truth="x/y.h5ad")).data.truth.startswith("/")


# --- refused ------------------------------------------------------------------------------------


def test_molecules_and_entries_are_not_hidden_at_once(mistakes):
    (line,) = mistakes("base: scgnn\ndata:\n  thinning: 0.5\n  holdout: 0.1\n")
    assert line.endswith("data: thinning and holdout both hide counts: set one of them to 0")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(0.5, "holds 0.5, and only whole counts can be split"), (1e30, "holds 1e+30, which is no")],
)
def test_only_counts_are_thinned(recipe, counts, value, reason):
    adata = counts()
    adata.X[0, 0] = value
    with pytest.raises(InputError) as refused:
        prepare(recipe(thinning=0.5), adata)
    assert str(refused.value).startswith(f"data.thinning: the AnnData given {reason}")


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
        (lacking_a_gene, "lacks 1 of the 30 genes of the data, 'gene_0' first"),
        (of_other_cells, "has none of the 40 cells of the data: theirs are called 'cell_0'"),
        (negative, "-1 in cell 'cell_0', gene 'gene_0'"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(recipe, counts, truth, spoil, reason):
    path = truth(spoil(counts()))
    with pytest.raises(InputError, match=r"^data\.truth: ") as refused:
        prepare(recipe(truth=path), counts())
    assert reason in str(refused.value)


def test_a_truth_that_is_no_h5ad_file_is_refused(recipe, counts, tmp_path):
    (tmp_path / "truth.h5ad").write_text("gene,a,b\n")
    for name, reason in (("truth.h5ad", "cannot be read as h5ad"), ("no.h5ad", "does not exist")):
        with pytest.raises(InputError, match=rf"^data\.truth: .*{name}.* ?{reason}"):
            prepare(recipe(truth=str(tmp_path / name)), counts())
