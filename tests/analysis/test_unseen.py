"""Failures that no point showed: in each optimizer's own intervals, and in no difference."""

from typing import Any

import numpy as np
import pytest

from tests.analysis.conftest import lenses, world_of
from tests.analysis.worlds import self_comparison
from tests.synthetic import World, synthetic_study


def summary_of(world: World) -> dict[str, Any]:
    trials = world.trials(generator=np.random.default_rng(0))
    assert not trials["diverged"].any()
    return lenses(trials, world.study)


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """Of two optimizers that are the same, with 64 points none of which fails."""
    return summary_of(self_comparison("hill", seed=0, points=64, tune=8))


def width(leaf: dict[str, float]) -> float:
    return leaf["high"] - leaf["low"]


def test_means_bear_three_failures(summary: dict[str, Any]) -> None:
    for name in ("gsam", "adaptive_gsam"):
        rho = summary["optimizers"][name]["metrics"]["rho"]
        least = 3 / 64 * (rho["mean_accuracy"]["value"] - 0.5)
        assert width(rho["mean_accuracy"]) >= 2 * least - 1e-12
        assert width(rho["regret_sensitivity"]) >= 2 * least - 1e-12


def test_differences_do_not(summary: dict[str, Any]) -> None:
    (row,) = (
        row
        for row in summary["comparisons"]
        if (row["lens"], row["metric"]) == ("rho", "mean_accuracy")
    )
    assert width(row) < 3 / 64 * 0.4 / 4


def test_an_optimizer_of_one_setting_does_not() -> None:
    summary = summary_of(world_of(synthetic_study(points=16, replicates=2, tune=8)))
    assert width(summary["optimizers"]["sgd"]["metrics"]["rho"]["mean_accuracy"]) < 0.05
