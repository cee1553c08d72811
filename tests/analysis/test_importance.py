"""Importances: Optuna's numbers, and what an interval says of them."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from agsam_tune.analysis.importance import fanova, importances
from agsam_tune.analysis.unit_cube import axis_of
from tests.analysis.planted import RANGES, hill, planted

NAMES = ("rho", "alpha", "gamma")
AXES = [axis_of(name, RANGES[name]) for name in NAMES]


@pytest.fixture(scope="module")
def trainings():
    data = planted(np.random.default_rng(1), {"a": hill}, hyperparameters=NAMES, replicates=8)
    return data.every("a", "map")


def _optunas(trainings, evaluator):
    """What Optuna says of the first seeds."""
    first = trainings.first_seeds
    distributions = {n: FloatDistribution(r.low, r.high, log=r.log) for n, r in RANGES.items()}
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: float(first.settings[name][i]) for name in NAMES},
                distributions=distributions,
                value=float(first.score_N[i]),
            )
            for i in range(len(first))
        ]
    )
    return get_param_importances(study, evaluator=evaluator)


@pytest.mark.parametrize(
    ("method", "evaluator"),
    [
        ("fanova", FanovaImportanceEvaluator(n_trees=64, seed=7)),
        ("ped_anova", optuna.importance.PedAnovaImportanceEvaluator()),
    ],
)
def test_they_are_optunas_numbers(trainings, method, evaluator):
    rows = importances(trainings, AXES, confidence=0.95, seed=7)
    own = {row.hyperparameters[0]: row for row in rows if row.method == method}
    expected = _optunas(trainings, evaluator)
    assert {name: row.value for name, row in own.items()} == pytest.approx(expected, abs=1e-9)
    for row in own.values():
        assert 0 <= row.low <= row.value <= row.high <= 1
    assert own["gamma"].value < 0.05  # it does nothing here


def test_what_decides_alone_has_all_importance():
    unit_PH = np.random.default_rng(2).random((128, 3))
    share_H = fanova(unit_PH, unit_PH[:, 1] ** 2, np.array([[0.0, 1.0]] * 3), trees=64, seed=0)
    assert share_H[1] > 0.98
    assert share_H.sum() == pytest.approx(1.0)


def test_one_hyperparameter_is_all_that_is_important(trainings):
    rows = importances(trainings, AXES[:1], confidence=0.95, seed=0)
    assert [(row.value, row.low, row.high) for row in rows] == [(1.0, 1.0, 1.0)] * 2


def test_without_points_or_differences_each_row_says_why(trainings):
    some = trainings.only(trainings.point_N < 5)
    same = trainings.only(trainings.score_N == trainings.score_N.max())
    for own, reason in (
        (None, "no trainings of the phase map"),
        (some, "5 points; an importance needs at least 16"),
        (same, "1 points; an importance needs at least 16"),
    ):
        rows = importances(own, AXES, confidence=0.95, seed=0)
        assert len(rows) == 6
        assert all(row.value is None and row.reason == reason for row in rows)
