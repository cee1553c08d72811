"""The tables behind the figures, against the planted truth."""

import cProfile
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import (
    accuracy_along,
    accuracy_along_radius,
    around_own_best,
    reference_lines,
)
from agsam_tune.analysis.context import make_context
from agsam_tune.study import Study
from tests.analysis.conftest import lenses, world_of
from tests.synthetic import World, synthetic_study


def test_accuracy_along_rho(trials: pd.DataFrame, study: Study, world: World) -> None:
    table = accuracy_along(make_context(trials, study, chance=0.5))
    assert list(table.columns) == ["optimizer", "x", "accuracy", "low", "high", "n"]
    assert set(table["optimizer"]) == set(study.optimizers) - {"sgd"}
    low = table[(table["optimizer"] == "gsam") & (table["x"] < 0.3)]
    truth = world.truths["gsam"].expected(
        {"rho": low["x"].to_numpy(), "alpha": np.full(len(low), 0.5)}, 0.5
    )
    inside = (low["low"] <= truth) & (truth <= low["high"])
    assert inside.mean() > 0.8
    np.testing.assert_allclose(low["accuracy"], truth, atol=0.008)


def test_accuracy_along_a_linear_hyperparameter(trials: pd.DataFrame, study: Study) -> None:
    table = accuracy_along(
        make_context(trials, study, chance=0.5), hyperparameter="alpha", positions=11
    )
    own = table[table["optimizer"] == "adaptive_gsam"]
    np.testing.assert_allclose(own["x"], np.linspace(0, 1, 11))
    assert "sam" not in set(table["optimizer"])


def test_at_equal_radius_the_curves_agree(trials: pd.DataFrame, study: Study) -> None:
    table = accuracy_along_radius(make_context(trials, study, chance=0.5))
    wide = table[table["optimizer"].isin(["gsam", "adaptive_gsam"])].pivot(
        index="x", columns="optimizer", values="accuracy"
    )
    difference = (wide["gsam"] - wide["adaptive_gsam"]).abs()
    assert difference.median() < 0.01


def test_around_own_best(trials: pd.DataFrame, study: Study) -> None:
    table = around_own_best(make_context(trials, study, chance=0.5))
    own = table[table["optimizer"] == "gsam"]
    assert len(own) == 1 + 6 * 2 + 12
    best = own[own["kind"] == "best"].iloc[0]
    misset = trials[(trials["optimizer"] == "gsam") & (trials["phase"] == "misset")]
    measured = misset[misset["point"] == 0]["test_accuracy"]
    assert best["accuracy"] == pytest.approx(measured.mean())
    assert best["high"] - best["accuracy"] == pytest.approx(2.3646 * measured.sem(), rel=1e-3)


def test_clipped_points_are_shown_where_they_were_run(trials: pd.DataFrame, study: Study) -> None:
    table = around_own_best(make_context(trials, study, chance=0.5))
    own = table[(table["optimizer"] == "gsam") & (table["kind"] == "alpha")]
    misset = trials[(trials["optimizer"] == "gsam") & (trials["phase"] == "misset")]
    alphas = misset.groupby("point")["alpha"].first()
    first = 1 + 6 * study.hyperparameters.index("alpha")
    np.testing.assert_allclose(own["ran"], alphas.loc[first : first + 5] / alphas[0])
    assert (own["ran"] <= own["factor"] + 1e-9).all()
    assert (own["ran"] < own["factor"] - 1e-9).any()


def test_smoothed_accuracies_stay_at_or_above_chance(trials: pd.DataFrame, study: Study) -> None:
    broken = trials.assign(test_accuracy=np.where(trials["rho"] > 0.5, 0.3, 0.9))
    for table in (
        accuracy_along(make_context(broken, study, chance=0.5)),
        accuracy_along_radius(make_context(broken, study, chance=0.5)),
    ):
        assert table[["accuracy", "low", "high"]].min().min() >= 0.5


def test_reference_lines(trials: pd.DataFrame, study: Study) -> None:
    table = reference_lines(make_context(trials, study, chance=0.5))
    assert list(table["optimizer"]) == ["sgd"]


def test_work_grows_no_faster_than_the_number_of_trials() -> None:
    """Without the surfaces, whose points are thinned: in calls, and in memory at its most."""
    few, many = _work_and_trials(32), _work_and_trials(128)
    for i in range(2):
        assert many[i] / few[i] < 1.5 * many[2] / few[2]


def _work_and_trials(points: int) -> tuple[float, float, int]:
    study = synthetic_study(points=points, iid=points // 2)
    trials = world_of(study).trials(generator=np.random.default_rng(0))
    profile = cProfile.Profile()
    tracemalloc.start()
    profile.runcall(lenses, trials, study)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    calls = sum(entry.callcount for entry in profile.getstats())
    return calls, peak, len(trials)
