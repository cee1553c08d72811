"""Surfaces against planted truths: what they say of themselves, and of a difference of nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from agsam_tune.analysis.surface_fit import fit_surface, read_map
from agsam_tune.analysis.surfaces import SIDE, fit_surfaces
from agsam_tune.analysis.unit_cube import axis_of
from tests.analysis.planted import RANGES, TRIVIAL, cliff, data_of, hill, planted, study_of

AXES = [axis_of(name, RANGES[name]) for name in ("rho", "alpha")]


def _noisy_slope(unit_NH):
    """Seeds that agree on the plateau and differ at the cliff."""
    return 0.003 + 0.05 * np.exp(-0.5 * ((unit_NH[:, 0] - 0.72) / 0.06) ** 2)


@pytest.mark.parametrize(
    ("noise", "low", "high"), [(0.0, 0.0, 0.0), (0.05, 0.04, 0.10), (_noisy_slope, 0.004, 0.03)]
)
def test_noise_is_what_second_seeds_show_and_no_cliff(noise, low, high):
    """Where seeds agree a cliff is none: a fit alone called a third of the variance noise."""
    shares = [
        fit_surface(
            read_map(planted(rng, {"a": cliff}, noise=noise).every("a", "map"), AXES), margin=0.02
        )[0].noise_share
        for rng in map(np.random.default_rng, range(5))
    ]
    assert low <= min(shares)
    assert max(shares) <= high


def test_a_usable_surface_is_near_the_truth():
    data = planted(np.random.default_rng(1), {"a": cliff, "b": hill})
    found = fit_surfaces(data)
    assert list(found.grid.columns) == [
        *("optimizer", "second", "rho", "x2", "accuracy", "noise", "uncertainty")
    ]
    for name, truth in (("a", cliff), ("b", hill)):
        assert found.quality[name].fitted
        assert found.quality[name].r2 > 0.97
        own = found.grid[found.grid["optimizer"] == name]
        assert len(own) == SIDE**2
        unit_NH = np.stack([AXES[0].unit(own["rho"]), AXES[1].unit(own["x2"])], axis=1)
        assert np.sqrt(np.mean((own["accuracy"] - truth(unit_NH)) ** 2)) < 0.012


def test_what_cannot_be_fitted_says_why():
    rng = np.random.default_rng(2)
    chaos = planted(rng, {"a": lambda u: TRIVIAL + 0.4 * (np.sin(5e4 * u[:, 0]) > 0)})
    quality = fit_surfaces(chaos).quality["a"]
    assert (quality.fitted, quality.r2 is None) == (False, False)
    assert "of what is not noise it predicts" in quality.reason
    few = planted(rng, {"a": hill}, replicates=2, points=4)
    assert fit_surfaces(few).quality["a"].reason == "8 points; a surface needs at least 16"
    bare = data_of(study_of({"sgd": (), "a": ("rho",)}), dict(few.phases), 2)
    qualities = fit_surfaces(bare).quality
    assert qualities["sgd"].reason == "the optimizer has no hyperparameters"


def test_without_second_seeds_the_noise_is_fitted_and_no_share_is_told():
    data = planted(np.random.default_rng(3), {"a": hill}, noise=0.02, second_seeds=False)
    quality, fit = fit_surface(read_map(data.every("a", "map"), AXES), margin=0.02)
    assert quality.noise_share is None
    assert np.sqrt(fit.noise_P.mean()) == pytest.approx(0.02, rel=0.25)


def test_a_flat_surface_is_usable_though_it_explains_nothing():
    data = planted(np.random.default_rng(4), {"a": lambda u: np.full(len(u), 0.9)}, noise=0.01)
    quality, _ = fit_surface(read_map(data.every("a", "map"), AXES), margin=0.02)
    assert quality.fitted
    assert quality.noise_share > 0.7


@pytest.mark.parametrize("studies", [12, pytest.param(500, marks=pytest.mark.slow)])
def test_an_optimizer_against_itself_differs_nowhere(studies):
    """The bands hold over all places at once: 5 % of studies may show one; seeds 0, 1, …"""
    false = 0
    for seed in range(studies):
        data = planted(
            np.random.default_rng(seed), {"a": hill, "b": hill}, noise=0.01, data_level=0.005
        )
        false += bool(fit_surfaces(data).difference["significant"].any())
    print(false, "of", studies)  # noqa: T201
    assert false <= binom.ppf(0.9995, studies, 0.05)


def test_a_difference_is_found_where_it_is():
    shifted = planted(
        np.random.default_rng(5), {"a": lambda u: cliff(u - [0.1, 0]), "b": cliff}, noise=0.004
    )
    found = fit_surfaces(shifted).difference
    wins = found[found["significant"]]
    assert len(wins) > SIDE
    assert (wins["difference"] > 0).mean() > 0.95
    assert 0.7 < float(AXES[0].unit(wins["rho"].to_numpy()).mean()) < 0.85
