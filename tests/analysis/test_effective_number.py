"""The effective number of hyperparameters: opda's distribution, and what is found of it."""

from __future__ import annotations

import numpy as np
import pytest
from opda.parametric import NoisyQuadraticDistribution
from scipy.stats import binom

from agsam_tune.analysis.effective_number import effective_number, noisy_quadratic_above
from tests.analysis.planted import TRIVIAL, planted

NAMES = ("rho", "alpha", "gamma")


@pytest.mark.parametrize("c", [1, 2, 5])
@pytest.mark.parametrize("sigma", [1e-3, 0.05])
def test_the_distribution_is_opdas(c, sigma):
    y_N = np.linspace(0.45, 0.99, 41)
    expected = 1 - NoisyQuadraticDistribution(0.5, 0.9, c, sigma, convex=False).cdf(y_N)
    np.testing.assert_allclose(noisy_quadratic_above(y_N, 0.5, 0.9, c, sigma), expected, atol=0.01)


def _bowl(dimensions):
    return lambda u: np.maximum(0.9 - 0.8 * ((u[:, :dimensions] - 0.5) ** 2).sum(axis=1), TRIVIAL)


@pytest.mark.parametrize(
    ("dimensions", "studies"),
    [(2, 3), *(pytest.param(c, 500, marks=pytest.mark.slow) for c in (2, 3))],
)
def test_it_finds_how_many_hyperparameters_matter(dimensions, studies):
    covered, found = 0, []
    for seed in range(studies):
        data = planted(
            np.random.default_rng(seed),
            {"a": _bowl(dimensions)},
            hyperparameters=NAMES,
            noise=0.004,
        )
        row = effective_number(data.every("a", "map"), confidence=0.95)
        covered += row.low <= dimensions <= row.high
        found.append(row.value)
    print(dimensions, covered, "of", studies, np.quantile(found, [0.1, 0.5, 0.9]))  # noqa: T201
    assert np.median(found) == pytest.approx(dimensions, rel=0.15)
    # The noise is taken as known, which it is not: 0.91 of 150 studies where c is 2.
    assert covered >= binom.ppf(0.0005, studies, 0.9)


def test_where_it_cannot_be_said_it_says_why():
    rng = np.random.default_rng(1)
    flat = planted(rng, {"a": lambda u: np.full(len(u), 0.9)}, noise=0.01).every("a", "map")
    few = planted(rng, {"a": _bowl(1)}, replicates=2).every("a", "map")
    single = planted(rng, {"a": _bowl(1)}, second_seeds=False).every("a", "map")
    for own, reason in (
        (flat, "the better half of the settings are alike but for noise"),
        (few, "32 points; it needs at least 64"),
        (single, "no second seeds above the median, so the noise is not known"),
        (None, "no trainings of the phase map"),
    ):
        row = effective_number(own, confidence=0.95)
        assert (row.value, row.reason) == (None, reason)
