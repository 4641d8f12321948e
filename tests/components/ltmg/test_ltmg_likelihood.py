"""The likelihood of LTMG and its slope, against plain computations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from ltmg_genes import to_log_matrix
from scgnn.components.ltmg import LTMG
from scgnn.components.ltmg.count_intervals import find_count_units
from scgnn.components.ltmg.cutoffs import compute_gene_cutoffs
from scgnn.components.ltmg.expectation import EStep
from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.newton import compute_derivatives
from scgnn.components.ltmg.padding import GenePadder
from scgnn.components.ltmg.published import fit_published
from scgnn.components.ltmg.sorted_expression import SortedExpression, sort_expression


def hand_made() -> tuple[SortedExpression, Mixture]:
    """Two genes: counts, some of them high, and continuous values; both with zeros."""
    random = np.random.default_rng(0)
    counts = random.poisson(random.choice([0.1, 3, 40], 60))
    smooth = np.where(random.random(60) < 0.3, 0, random.lognormal(1, 1, 60))
    with np.errstate(divide="ignore"):
        expression, _ = sort_expression(to_log_matrix(np.log(np.stack([counts, smooth]))))
    weight = np.array([[0.3, 0.5, 0.2], [0.2, 0.2, 0.6]])
    mean = np.array([[-1.0, 1.0, 3.5], [-2.0, 0.5, 1.5]])
    return expression, Mixture(weight, mean, np.array([[0.7, 0.5, 0.4], [0.9, 0.8, 1.1]]))


def test_likelihood_is_that_of_intervals_for_counts_and_of_densities_for_values():
    expression, mixture = hand_made()
    unit = find_count_units(expression)
    assert unit[0] == pytest.approx(1) and unit[1] == 0
    q = compute_gene_cutoffs(expression, unit, -np.inf)
    padder = GenePadder(expression, q, unit)
    for g in range(2):
        p, mean, sd = (part[g, :, None] for part in mixture)
        value, count = expression.get_gene(g)
        density = np.exp(-(((value - mean) / sd) ** 2) / 2) / sd / np.sqrt(2 * np.pi)
        if g == 0:
            k = np.round(np.exp(value))
            low, high = np.log(k - 0.5), np.log(k + 0.5)
            mass = (ndtr((high - mean) / sd) - ndtr((low - mean) / sd)) / (high - low)
            density = np.where(k <= 16, mass, density)
        below = (p * ndtr((q[g] - mean) / sd)).sum()
        expected = (count * np.log((p * density).sum(0))).sum()
        expected += (expression.n_cells - count.sum()) * np.log(below)
        alone = np.array([g])
        e_step = EStep(padder.pad(alone), 3)
        moments = e_step(mixture.take(alone))
        assert e_step.compute_log_likelihood()[0] == pytest.approx(expected, rel=1e-7)
        assert moments.responsibility_sum.sum() == pytest.approx(expression.n_cells)


def test_slope_is_the_derivative_of_the_likelihood():
    expression, mixture = hand_made()
    unit = find_count_units(expression)
    padder = GenePadder(expression, compute_gene_cutoffs(expression, unit, -np.inf), unit)

    def evaluate(g: int, theta: np.ndarray):
        p = np.exp(theta[:3]) / np.exp(theta[:3]).sum()
        point = Mixture(p[None], theta[None, 3:6], np.exp(theta[None, 6:]))
        e_step = EStep(padder.pad(np.array([g])), 3)
        moments = e_step(point)
        derivatives = compute_derivatives(e_step, point, moments)
        return e_step.compute_log_likelihood()[0], derivatives

    for g in range(2):
        theta = np.concatenate([np.log(mixture.weight[g]), mixture.mean[g], np.log(mixture.sd[g])])
        _, derivatives = evaluate(g, theta)
        for i, h in enumerate(1e-5 * np.eye(9)):
            (up, upper), (down, lower) = evaluate(g, theta + h), evaluate(g, theta - h)
            assert derivatives.gradient[0, i] == pytest.approx((up - down) / 2e-5, abs=1e-4)
            slope = (upper.gradient[0] - lower.gradient[0]) / 2e-5
            np.testing.assert_allclose(derivatives.hessian[0, i], slope, atol=1e-4)


def test_a_value_far_from_every_component_keeps_its_logarithm():
    y = np.append(np.random.default_rng(0).normal(0, 0.05, 3000), 300.0)
    expression, _ = sort_expression(to_log_matrix(y[None]))
    (padded,) = GenePadder(expression, expression.compute_minimum(), np.zeros(1)).iter_chunks(
        np.arange(1), 1
    )
    far = Mixture(np.ones((1, 1)), np.zeros((1, 1)), np.full((1, 1), 0.05))
    expected = -((y / 0.05) ** 2).sum() / 2 - len(y) * np.log(0.05 * np.sqrt(2 * np.pi))
    e_step = EStep(padded, 1)
    e_step(far)
    assert e_step.compute_log_likelihood()[0] == pytest.approx(expected, rel=1e-9)
    fit = LTMG().fit(np.exp(y[:, None]))
    assert fit.n_active_states[0] == 2 and fit.states[-1, 0] == 2


@pytest.mark.parametrize("seed", range(5))
def test_multiplicities_are_exact(seed):
    random = np.random.default_rng(seed)
    counts = random.poisson(4, 200)
    values = np.repeat(random.normal(random.choice([1.0, 3.0, 5.0], 80), 0.4), 3)
    for y in (np.log(counts[counts > 0]), values):
        y = np.sort(y)
        separate = SortedExpression.from_genes([(y, np.ones(len(y)))], 300)
        merged = SortedExpression.from_genes([np.unique(y, return_counts=True)], 300)
        a, b = (
            fit_published(e, y[:1], np.array([True]), np.empty((1, 0, 3, 2)))
            for e in (separate, merged)
        )
        np.testing.assert_allclose(a.mixture, b.mixture, rtol=1e-8)
