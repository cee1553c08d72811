"""Tuning curves: opda's numbers, bands that hold all at once, ties at chance, and no draws."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from opda.nonparametric import EmpiricalDistribution
from scipy.stats import binom

from agsam_tune.analysis.bands import band_bounds, probability_inside
from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.table import Cells, Table
from agsam_tune.analysis.tuning_curve import tuning_curve
from tests.analysis.conftest import world_of
from tests.analysis.simulate import FALSE_ALARM, least_coverage
from tests.synthetic import synthetic_study

SEED = 20240611
CHANCE = 0.5


def context_of(test_N: np.ndarray, validation_N: np.ndarray | None = None) -> Context:
    """A study whose gsam has these accuracies in `iid`, one seed a draw."""
    n = len(test_N)
    validation = test_N if validation_N is None else validation_N
    grid = np.full((n, n), np.nan)
    np.fill_diagonal(grid, test_N)
    validation_PS = np.full((n, n), np.nan)
    np.fill_diagonal(validation_PS, validation)
    cells = Cells(
        points=np.arange(n),
        seeds=np.arange(n),
        replicate_P=np.arange(n),
        has_replicates=False,
        accuracy_PS=grid,
        validation_PS=validation_PS,
        loss_PS=grid,
        radius_PS=grid,
        failed_PS=grid,
        settings={},
    )
    table = Table(cells={("gsam", "iid"): cells}, n_trials=n, n_diverged=0, n_failed=0, n_raised=0)
    return replace(_nothing_run(), table=table)


@cache
def _nothing_run() -> Context:
    study = synthetic_study(points=8, iid=4)
    trials = world_of(study).trials(generator=np.random.default_rng(SEED))
    return make_context(trials.iloc[:0], study, chance=CHANCE)


def test_numbers_are_those_of_opda() -> None:
    generator = np.random.default_rng(SEED)
    test_N = 0.9 + 0.02 * generator.random(16)
    found = tuning_curve(context_of(test_N), "gsam")
    lower, point, upper = EmpiricalDistribution.confidence_bands(
        test_N, 0.95, a=0.0, b=1.0, n_jobs=1, generator=np.random.default_rng(SEED)
    )
    draws = np.array(found["draws"])
    assert found["draws"] == list(range(1, 17))
    assert found["value"] == point.quantile_tuning_curve(draws).tolist()
    # opda's level is simulated, so that one of its steps may be at a neighbouring draw.
    assert np.mean(found["low"] == upper.quantile_tuning_curve(draws)) >= 0.9
    assert np.mean(found["high"] == lower.quantile_tuning_curve(draws)) >= 0.9
    lower_N, upper_N = band_bounds(16, 0.95)
    sorted_N = np.sort(test_N)
    np.testing.assert_allclose(lower.cdf(sorted_N), lower_N, atol=0.004)
    np.testing.assert_allclose(upper.cdf(sorted_N)[:-1], upper_N[1:], atol=0.004)


@pytest.mark.parametrize("n", [2, 3, 40, 300])
def test_the_level_of_the_band_is_exact(n: int) -> None:
    samples = 4000
    print(f"seed {SEED}, {samples} samples of {n}")  # noqa: T201
    uniform_SN = np.sort(np.random.default_rng([SEED, n]).random((samples, n)), axis=1)
    lower_N, upper_N = band_bounds(n, 0.95)
    inside = int(((uniform_SN >= lower_N) & (uniform_SN <= upper_N)).all(axis=1).sum())
    assert binom.ppf(FALSE_ALARM / 2, samples, 0.95) <= inside
    assert inside <= binom.ppf(1 - FALSE_ALARM / 2, samples, 0.95)
    assert probability_inside(lower_N, upper_N) == pytest.approx(0.95, abs=1e-4)


def test_probability_inside_by_hand() -> None:
    # Both of two uniform numbers below 1/2; the smaller below 1/2; the larger above 1/2.
    none = np.zeros(2)
    assert probability_inside(none, np.array([0.5, 0.5])) == pytest.approx(1 / 4)
    assert probability_inside(none, np.array([0.5, 1.0])) == pytest.approx(3 / 4)
    assert probability_inside(np.array([0.0, 0.5]), np.ones(2)) == pytest.approx(3 / 4)
    assert probability_inside(np.array([0.2, 0.6]), np.array([0.2, 1.0])) == pytest.approx(0.0)


@pytest.mark.parametrize("at_chance", [0.0, 0.4])
def test_bands_hold_all_at_once(at_chance: float) -> None:
    """With ties (an atom at chance) the band is still valid."""
    repetitions, n = 200, 50
    print(f"seed {SEED}, {repetitions} repetitions")  # noqa: T201
    hits = []
    for repetition in range(repetitions):
        u = np.random.default_rng([SEED, repetition]).random(n)
        found = tuning_curve(context_of(quantile(u, at_chance)), "gsam")
        truth = quantile(0.5 ** (1 / np.array(found["draws"])), at_chance)
        low, high = np.array(found["low"]), np.array(found["high"])
        hits.append(bool(np.all((low <= truth) & (truth <= high))))
    print(f"covered {np.mean(hits):.3f}")  # noqa: T201
    assert np.mean(hits) >= least_coverage(repetitions)


def quantile(u: np.ndarray, at_chance: float) -> np.ndarray:
    """Of accuracies at chance with this probability, else from 0.5 to 0.92, dense at the top."""
    above = np.clip((u - at_chance) / (1 - at_chance), 0, 1)
    return np.where(u <= at_chance, CHANCE, CHANCE + 0.42 * above**0.2)


def test_selected_follows_validation() -> None:
    test_N = np.array([0.9, 0.7, 0.8, 0.6])
    same = tuning_curve(context_of(test_N), "gsam")
    assert same["selected"] == same["value"] == [0.7, 0.8, 0.9, 0.9]
    # The best by validation is the worst by test: more draws make it worse.
    upside_down = tuning_curve(context_of(test_N, 1 - test_N), "gsam")
    assert upside_down["selected"] == [0.7, 0.7, 0.6, 0.6]
    assert upside_down["value"] == same["value"]
    # All equally good by validation: whichever is drawn.
    tied = tuning_curve(context_of(test_N, np.full(4, 0.5)), "gsam")
    assert set(tied["selected"]) == {0.7}
    unknown = tuning_curve(context_of(test_N, np.array([0.5, np.nan, 0.5, 0.5])), "gsam")
    assert unknown["selected"] is None


def test_a_curve_rises_within_its_band() -> None:
    generator = np.random.default_rng(SEED)
    found = tuning_curve(context_of(quantile(generator.random(500), 0.3)), "gsam")
    low, value, high = (np.array(found[key]) for key in ("low", "value", "high"))
    assert len(found["draws"]) <= 40
    assert (found["draws"][0], found["draws"][-1], found["n"]) == (1, 500, 500)
    assert np.all(np.diff(found["draws"]) > 0)
    assert np.all((low <= value) & (value <= high))
    assert np.all(np.diff([low, value, high], axis=1) >= 0)


def test_the_level_of_many_draws_is_found_in_few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def counted(lower_N: np.ndarray, upper_N: np.ndarray) -> float:
        looks.append(None)
        return probability_inside(lower_N, upper_N)

    monkeypatch.setattr("agsam_tune.analysis.bands.probability_inside", counted)
    lower_N, upper_N = band_bounds(331, 0.9)
    assert np.all(np.diff([lower_N, upper_N], axis=1) >= 0)
    assert 0 < len(looks) <= 25


@pytest.mark.parametrize(
    ("optimizer", "draws", "reason"),
    [
        ("sgd", 4, "the optimizer has no hyperparameters to draw"),
        ("sam", 4, "no finished trial of the iid phase"),
        ("gsam", 1, "fewer than two finished draws in the iid phase"),
    ],
)
def test_no_curve_without_draws(optimizer: str, draws: int, reason: str) -> None:
    found: dict[str, Any] = tuning_curve(context_of(np.full(draws, 0.9)), optimizer)
    assert found == {"value": None, "reason": reason}
