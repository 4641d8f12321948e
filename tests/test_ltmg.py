"""LTMG: against the R program, against the truth of simulations, and on awkward genes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from scipy.special import ndtr

from scgnn.components.ltmg import LTMG, LTMGFit
from scgnn.components.ltmg.cutoffs import crossing
from scgnn.components.ltmg.evidence import Evidence
from scgnn.components.ltmg.mixture import Mixture, assign
from scgnn.components.ltmg.newton import slope
from scgnn.components.ltmg.observed import Observed, observe
from scgnn.components.ltmg.published import UNDERFLOW, fit_published
from scgnn.components.ltmg.sample import Samples, cutoffs, units

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
needs_reference = pytest.mark.skipif(not REFERENCE.exists(), reason="needs ../shared/reference")
VARIANTS = ("published", "corrected")
few = settings(max_examples=25, deadline=None)


@cache
def reference(name: str) -> dict[str, np.ndarray]:
    with np.load(REFERENCE / name) as file:
        return dict(file)


def in_log(y: np.ndarray) -> sparse.csc_matrix:
    """Genes x cells of logs, -inf for zeros, as cells x genes of the finite ones."""
    gene, cell = np.nonzero(np.isfinite(y))
    return sparse.csc_matrix((y[gene, cell], (cell, gene)), y.T.shape)


def dense(fit: LTMGFit) -> np.ndarray:
    """States, genes x cells."""
    return fit.states.toarray().T


def furthest(ours: Mixture, theirs: dict[str, np.ndarray]) -> float:
    """Largest difference of weights, means and standard deviations; NaN and -inf must agree."""
    worst = 0.0
    for name, mine in ours._asdict().items():
        np.testing.assert_array_equal(np.isfinite(mine), np.isfinite(theirs[name]))
        finite = np.isfinite(mine)
        worst = max(worst, np.abs(mine[finite] - theirs[name][finite]).max())
    return worst


# The R program


@needs_reference
def test_published_fed_the_jittered_logs_of_r_equals_r_on_simulated_genes():
    data = reference("ltmg_simulated.npz")
    starts = np.full((len(data["y"]), 3, 3, 2), np.nan)
    for gene, trial, *start in data["em_start"]:
        starts[int(gene) - 1, int(trial) - 1] = np.reshape(start, (3, 2))
    observed, entries = observe(in_log(data["y"]))
    fits = fit_published(observed, data["cutoff"], data["truncated"], starts)
    state = assign(observed, data["cutoff"], fits.mixture, underflow=UNDERFLOW)
    np.testing.assert_array_equal(entries.hand_out(state).toarray().T, data["states"])
    np.testing.assert_array_equal(fits.n_components, data["n_components"])
    assert furthest(fits.mixture, data) < 1e-6


@needs_reference
def test_published_fed_the_jittered_logs_of_r_equals_the_shipped_states():
    data = reference("ltmg_goolam_shipped.npz")
    observed, entries = observe(in_log(data["y"]))
    truncated = (data["x"] <= 0).any(1)
    no_starts = np.empty((len(data["y"]), 0, 3, 2))
    fits = fit_published(observed, data["cutoff"], truncated, no_starts, shrinking_k=True)
    state = assign(observed, data["cutoff"], fits.mixture, underflow=UNDERFLOW)
    np.testing.assert_array_equal(entries.hand_out(state).toarray().T, data["states"])
    assert furthest(fits.mixture, data) < 1e-6


@needs_reference
def test_own_jitter_differs_from_the_shipped_states_no_more_than_r_from_itself():
    data = reference("ltmg_goolam_shipped.npz")
    model = LTMG(variant="published", cutoff=0.0, shrinking_k=True, ordinary_starts=0)
    differ = [(dense(model.fit(data["x"].T, s)) != data["states"]).mean() for s in range(3)]
    assert np.mean(differ) <= 0.010  # R against itself: 0.008 to 0.010


@needs_reference
@pytest.mark.slow
def test_own_jitter_differs_from_r_no_more_than_r_from_itself_on_simulated_genes():
    data = reference("ltmg_simulated.npz")
    regular = data["kind"] == "regular"
    model = LTMG(variant="published", cutoff=data["cutoff"].min())
    x, states = data["x"][regular].T, data["states"][regular]
    differ = [(dense(model.fit(x, seed)) != states).mean() for seed in range(3)]
    assert np.mean(differ) <= 0.0015  # R against itself: 0.0011 to 0.0015


@needs_reference
def test_global_cutoff_is_near_that_of_r():
    data = reference("ltmg_simulated.npz")
    lowest = np.array([np.log(x[x > 0].min()) for x in data["x"]])
    assert crossing(lowest) == pytest.approx(data["cutoff"].min(), abs=1e-3)
    assert crossing(lowest[::-1]) == crossing(lowest)


# The truth


@needs_reference
def test_corrected_recovers_more_of_the_truth_than_r():
    data = reference("ltmg_simulated.npz")
    regular = data["kind"] == "regular"
    fit = LTMG().fit(data["x"][regular].T)
    truth, active = data["true_component"][regular], data["n_active"][regular]
    assert (dense(fit) == truth).mean() >= 0.92
    right = [(fit.n_active[active == a] == a).sum() for a in (1, 2, 3, 4)]
    assert np.all(np.array(right) >= [110, 79, 43, 21])  # R's
    assert sum(right) > 253
    assert fit.converged.all()


def simulate(seed: int, n_cells: int, gap: tuple[float, float], sd: tuple[float, float], **how):
    """Log expression, -inf below the threshold, and the true component; 40 genes x cells."""
    random, threshold = np.random.default_rng(seed), how.get("threshold", 0.5)
    y, truth, active = np.empty((40, n_cells)), np.empty((40, n_cells), int), np.arange(40) % 4 + 1
    bayes = np.empty((40, n_cells), int)
    for g, a in enumerate(active):
        hidden = (0.05, 0.2, 0.4, 0.6, 0.8)[g // 4 % 5]
        p = np.r_[hidden, (1 - hidden) * random.dirichlet(np.full(a, 3))]
        first = threshold + random.uniform(*how.get("first", (1.0, 1.8)))
        mean = np.r_[first - 2, first + np.r_[0, np.cumsum(random.uniform(*gap, a - 1))]]
        width = np.r_[0.6, random.uniform(*sd, a)]
        truth[g] = random.choice(a + 1, n_cells, p=p)
        y[g] = random.normal(mean[truth[g]], width[truth[g]])
        score = np.log(p / width)[:, None] - ((y[g] - mean[:, None]) / width[:, None]) ** 2 / 2
        bayes[g] = np.where(y[g] < threshold, 0, score.argmax(0))
    y = np.where(y < threshold, -np.inf, y)
    return np.exp(y).T, truth, active, (bayes == truth).mean()


@pytest.mark.parametrize(
    ("seed", "n_cells", "gap", "sd"),
    [(1, 300, (1.0, 2.2), (0.25, 0.6)), (2, 1000, (0.8, 1.3), (0.2, 0.4)),
     (3, 2000, (1.5, 3.0), (0.4, 0.9))],
)  # fmt: skip
def test_corrected_recovers_more_than_published_in_fresh_simulations(seed, n_cells, gap, sd):
    x, truth, active, bayes = simulate(seed, n_cells, gap, sd)
    fits = {variant: LTMG(variant=variant).fit(x) for variant in VARIANTS}
    shares = {variant: (dense(fit) == truth).mean() for variant, fit in fits.items()}
    assert shares["published"] + 0.03 < shares["corrected"] < bayes + 0.005
    right = {variant: (fit.n_active == active).sum() for variant, fit in fits.items()}
    assert right["corrected"] > right["published"]


def test_corrected_takes_counts_as_rounded_and_does_not_split_them():
    x, truth, active, _ = simulate(4, 1000, (1.0, 2.2), (0.25, 0.6), threshold=0, first=(0.5, 1.5))
    fits = {variant: LTMG(variant=variant).fit(np.round(x)) for variant in VARIANTS}
    shares = {variant: (dense(fit) == truth).mean() for variant, fit in fits.items()}
    assert shares["corrected"] > shares["published"] + 0.1
    assert (fits["corrected"].n_active[active == 1] == 1).all()


# The likelihood


def hand_made() -> tuple[Observed, Mixture]:
    """Two genes: counts, some of them high, and continuous values; both with zeros."""
    random = np.random.default_rng(0)
    counts = random.poisson(random.choice([0.1, 3, 40], 60))
    smooth = np.where(random.random(60) < 0.3, 0, random.lognormal(1, 1, 60))
    with np.errstate(divide="ignore"):
        observed, _ = observe(in_log(np.log(np.stack([counts, smooth]))))
    weight = np.array([[0.3, 0.5, 0.2], [0.2, 0.2, 0.6]])
    mean = np.array([[-1.0, 1.0, 3.5], [-2.0, 0.5, 1.5]])
    return observed, Mixture(weight, mean, np.array([[0.7, 0.5, 0.4], [0.9, 0.8, 1.1]]))


def test_likelihood_is_that_of_intervals_for_counts_and_of_densities_for_values():
    observed, mixture = hand_made()
    unit = units(observed)
    assert unit[0] == pytest.approx(1) and unit[1] == 0
    q = cutoffs(observed, unit, -np.inf)
    samples = Samples(observed, q, unit)
    for g in range(2):
        p, mean, sd = (part[g, :, None] for part in mixture)
        value, count = observed.gene(g)
        density = np.exp(-(((value - mean) / sd) ** 2) / 2) / sd / np.sqrt(2 * np.pi)
        if g == 0:
            k = np.round(np.exp(value))
            low, high = np.log(k - 0.5), np.log(k + 0.5)
            mass = (ndtr((high - mean) / sd) - ndtr((low - mean) / sd)) / (high - low)
            density = np.where(k <= 16, mass, density)
        below = (p * ndtr((q[g] - mean) / sd)).sum()
        expected = (count * np.log((p * density).sum(0))).sum()
        expected += (observed.n_cells - count.sum()) * np.log(below)
        alone = np.array([g])
        moments = Evidence(samples.of(alone), 3)(mixture.rows(alone))
        assert moments.likelihood[0] == pytest.approx(expected, rel=1e-7)
        assert moments.cells.sum() == pytest.approx(observed.n_cells)


def test_slope_is_the_derivative_of_the_likelihood():
    observed, mixture = hand_made()
    unit = units(observed)
    samples = Samples(observed, cutoffs(observed, unit, -np.inf), unit)

    def at(g: int, theta: np.ndarray):
        p = np.exp(theta[:3]) / np.exp(theta[:3]).sum()
        here = Mixture(p[None], theta[None, 3:6], np.exp(theta[None, 6:]))
        evidence = Evidence(samples.of(np.array([g])), 3)
        moments = evidence(here)
        return moments.likelihood[0], slope(evidence, here, moments)

    for g in range(2):
        theta = np.concatenate([np.log(mixture.weight[g]), mixture.mean[g], np.log(mixture.sd[g])])
        _, there = at(g, theta)
        for i, h in enumerate(1e-5 * np.eye(9)):
            (up, above), (down, under) = at(g, theta + h), at(g, theta - h)
            assert there.gradient[0, i] == pytest.approx((up - down) / 2e-5, abs=1e-4)
            bend = (above.gradient[0] - under.gradient[0]) / 2e-5
            np.testing.assert_allclose(there.hessian[0, i], bend, atol=1e-4)


def test_a_value_far_from_every_component_keeps_its_logarithm():
    y = np.append(np.random.default_rng(0).normal(0, 0.05, 3000), 300.0)
    observed, _ = observe(in_log(y[None]))
    (sample,) = Samples(observed, observed.lowest(), np.zeros(1)).batches(np.arange(1), 1)
    far = Mixture(np.ones((1, 1)), np.zeros((1, 1)), np.full((1, 1), 0.05))
    expected = -((y / 0.05) ** 2).sum() / 2 - len(y) * np.log(0.05 * np.sqrt(2 * np.pi))
    assert Evidence(sample, 1)(far).likelihood[0] == pytest.approx(expected, rel=1e-9)
    fit = LTMG().fit(np.exp(y[:, None]))
    assert fit.n_active[0] == 2 and fit.states[-1, 0] == 2


def test_multiplicities_are_exact():
    counts = np.random.default_rng(0).poisson(4, 200)
    y = np.sort(np.log(counts[counts > 0]))
    apart = Observed(y, np.ones(len(y)), np.array([0, len(y)]), 200)
    value, count = np.unique(y, return_counts=True)
    merged = Observed(value, count.astype(float), np.array([0, len(value)]), 200)
    one, two = (
        fit_published(o, y[:1], np.array([True]), np.empty((1, 0, 3, 2))) for o in (apart, merged)
    )
    np.testing.assert_allclose(one.mixture, two.mixture, rtol=1e-8)


# Awkward genes

AWKWARD = {
    "all zero": np.zeros(30),
    "one value": np.r_[5.0, np.zeros(29)],
    "two values": np.r_[5.0, 7.0, np.zeros(28)],
    "two far values": np.r_[1.0, 1e6, np.zeros(28)],
    "two far values, many": np.r_[np.full(15, 1.0), np.full(15, 1e6)],
    "all equal": np.full(30, 3.0),
    "all equal where expressed": np.r_[np.full(20, 3.0), np.zeros(10)],
    "ties": np.r_[np.repeat([1.0, 2.0, 3.0], 8), np.zeros(6)],
    "huge and tiny": np.r_[1e-300, 1e300, np.linspace(1, 2, 28)],
    "below one": np.linspace(0.01, 0.9, 30),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("cutoff", ["gene_minimum", "crossing", 0.5, -0.5])
def test_awkward_genes_get_states_and_a_status(variant, cutoff):
    x = np.stack(list(AWKWARD.values()), 1)
    fit = LTMG(variant=variant, cutoff=cutoff).fit(x)
    assert fit.states.dtype == np.uint8 and fit.states.shape == x.shape
    assert not fit.states.toarray()[x == 0].any()
    status = dict(zip(AWKWARD, fit.status, strict=True))
    assert status["all zero"] == "all zero"
    assert sum(fit.counts.values()) == len(AWKWARD)
    assert np.isfinite(fit.sd[~np.isnan(fit.mean)]).all() or variant == "published"


def test_few_values_are_reported():
    fit = LTMG().fit(np.stack(list(AWKWARD.values()), 1))
    status = dict(zip(AWKWARD, fit.status, strict=True))
    assert status["one value"] == "too few values"
    assert status["all equal"] == "one active state"
    assert status["two far values, many"] == "several active states"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("x", [np.array([[0.0, 3.0]]), np.zeros((1, 1)), np.empty((4, 0))])
def test_one_cell_or_no_gene(variant, x):
    assert LTMG(variant=variant).fit(x).states.shape == x.shape


@pytest.mark.parametrize(
    ("value", "says"),
    [(-0.5, "is negative"), (np.nan, "is not finite"), (np.inf, "is not finite")],
)
def test_what_cannot_be_expression_is_refused_with_its_place(value, says):
    x = np.ones((3, 4))
    x[2, 1] = value
    with pytest.raises(ValueError, match=rf"cell 2, gene 1 {says}"):
        LTMG().fit(sparse.csr_matrix(x))


@pytest.mark.parametrize("wrong", [{"max_components": 1}, {"shrinking_k": True}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LTMG(**wrong)


# What must not matter

matrices = hnp.arrays(
    np.int64, st.tuples(st.integers(2, 40), st.integers(1, 4)), elements=st.integers(0, 30)
)


@few
@given(x=matrices, variant=st.sampled_from(VARIANTS), data=st.data())
def test_permuting_cells_and_genes_permutes_states(x, variant, data):
    cells = data.draw(st.permutations(range(x.shape[0])))
    genes = data.draw(st.permutations(range(x.shape[1])))
    model = LTMG(variant=variant)
    before, after = model.fit(x), model.fit(x[cells][:, genes])
    np.testing.assert_array_equal(after.states.toarray(), before.states.toarray()[cells][:, genes])
    np.testing.assert_array_equal(after.mean, before.mean[genes])


@few
@given(x=matrices, gene=st.integers(0, 2**32 - 1), variant=st.sampled_from(VARIANTS))
def test_adding_a_gene_changes_no_other(x, gene, variant):
    model, more = LTMG(variant=variant), np.random.default_rng(gene).poisson(2, len(x))
    before, after = model.fit(x), model.fit(np.column_stack([more, x]))
    np.testing.assert_array_equal(after.states.toarray()[:, 1:], before.states.toarray())
    np.testing.assert_array_equal(after.sd[1:], before.sd)


@few
@given(x=matrices, by=st.floats(0.01, 100))
def test_scaling_counts_shifts_means_by_its_log_and_leaves_states(x, by):
    before, after = LTMG().fit(x), LTMG().fit(x * by)
    np.testing.assert_array_equal(after.states.toarray(), before.states.toarray())
    np.testing.assert_allclose(after.mean, before.mean + np.log(by), atol=1e-3)


@few
@given(x=matrices, variant=st.sampled_from(VARIANTS))
def test_log_input_dense_or_sparse_and_a_second_time_are_the_same(x, variant):
    model = LTMG(variant=variant)
    states = model.fit(x).states.toarray()
    np.testing.assert_array_equal(model.fit(sparse.csr_matrix(x)).states.toarray(), states)
    if variant == "corrected":
        single = np.log1p(x).astype(np.float32)
        np.testing.assert_array_equal(LTMG(input="log").fit(single).states.toarray(), states)


def test_the_matrix_is_left_alone():
    x = sparse.random(50, 5, 0.5, "csc", random_state=0)
    before = x.copy()
    LTMG().fit(x)
    np.testing.assert_array_equal(x.toarray(), before.toarray())


# AnnData and the picture


def annotated():
    anndata = pytest.importorskip("anndata")
    x, *_ = simulate(5, 400, (1.5, 2.0), (0.3, 0.4))
    adata = anndata.AnnData(sparse.csr_matrix(x))
    adata.layers["log"] = sparse.csr_matrix(np.log1p(x))
    return adata


def test_ltmg_writes_what_it_says(tmp_path):
    import anndata

    from scgnn import ltmg

    adata = annotated()
    assert ltmg(adata) is None
    ltmg(adata, layer="log", key_added="again", input="log")
    assert (adata.layers["ltmg"] != adata.layers["again"]).nnz <= 2  # rounding of log1p
    assert adata.uns["ltmg"]["genes"] == LTMG().fit(adata.X).counts
    assert adata.uns["again"]["settings"]["layer"] == "log"
    adata.write_h5ad(tmp_path / "x.h5ad")
    back = anndata.read_h5ad(tmp_path / "x.h5ad")
    np.testing.assert_array_equal(back.varm["ltmg_mean"], adata.varm["ltmg_mean"])
    assert list(back.var["ltmg_status"]) == list(adata.var["ltmg_status"])


def test_plot_shows_cutoff_censored_cells_and_units():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from scgnn import ltmg
    from scgnn.plotting import plot_ltmg

    adata = annotated()
    ltmg(adata)
    ax = plot_ltmg(adata, "1")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "cut-off" in labels and any(label.startswith("censored") for label in labels)
    assert "natural log" in ax.get_xlabel() and "per log unit" in ax.get_ylabel()
    with pytest.raises(ValueError, match="no gene 'nobody'"):
        plot_ltmg(adata, "nobody")
    with pytest.raises(ValueError, match="key_added='other'"):
        plot_ltmg(adata, "1", key="other")
    matplotlib.pyplot.close("all")
