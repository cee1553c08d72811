"""Our fANOVA is Optuna's, to rounding, and says of what it is."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import point_means
from agsam_tune.analysis.importance import fanova, importances
from agsam_tune.analysis.surface_fit import box_of

CHANCE = 0.5


def optunas(
    context: Context, optimizer: str, *, log: bool = True, trees: int = 64
) -> dict[str, float]:
    """What Optuna says of the map's mean accuracies."""
    cells, ranges = context.map_cells(optimizer), context.study.search_spaces[optimizer].ranges
    assert cells is not None
    mean_P = np.maximum(point_means(cells.accuracy_PS)[0], CHANCE)
    distributions = {
        n: FloatDistribution(r.low, r.high, log=r.log and log) for n, r in ranges.items()
    }
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={n: float(cells.settings[n][point]) for n in ranges},
                distributions=distributions,
                value=float(mean),
            )
            for point, mean in enumerate(mean_P)
        ]
    )
    optuna.logging.set_verbosity(verbosity)
    evaluator = FanovaImportanceEvaluator(n_trees=trees, seed=context.study.seed)
    return get_param_importances(study, evaluator=evaluator)


@pytest.mark.parametrize(
    "optimizer", ["gsam", pytest.param("adaptive_gsam", marks=pytest.mark.slow)]
)
def test_it_is_optunas_number(context: Context, optimizer: str) -> None:
    expected = optunas(context, optimizer)
    found = importances(
        context.map_cells(optimizer),
        box_of(context, [optimizer]),
        chance=CHANCE,
        sampler="sobol",
        confidence=0.95,
        seed=context.study.seed,
    )
    assert isinstance(found, dict)
    assert {name: own["value"] for name, own in found.items()} == pytest.approx(expected, abs=1e-9)
    for own in found.values():
        assert 0 <= own["low"] <= own["value"] <= own["high"] <= 1
        assert own["range"]["rho"] == [0.005, 8.0]
        assert own["sampler"] == "sobol"
        assert own["evaluator"] == "FanovaImportanceEvaluator(n_trees=64, max_depth=64, seed=0)"
        assert own["n"] == 512


def test_optuna_weights_the_range_linearly_whatever_its_scale(context: Context) -> None:
    logarithmic = optunas(context, "gsam", log=True, trees=8)
    assert logarithmic == pytest.approx(optunas(context, "gsam", log=False, trees=8), abs=1e-12)


def test_what_decides_alone_has_all_importance_and_an_interval_that_says_so() -> None:
    generator = np.random.default_rng(2)
    unit_PH = generator.random((128, 3))
    share_H = fanova(unit_PH, unit_PH[:, 1] ** 2, np.array([[0.0, 1.0]] * 3), trees=64, seed=0)
    assert share_H[1] > 0.98
    assert share_H.sum() == pytest.approx(1.0)


def test_one_hyperparameter_is_all_that_is_important(context: Context) -> None:
    found = importances(
        context.map_cells("sam"),
        box_of(context, ["sam"]),
        chance=CHANCE,
        sampler="sobol",
        confidence=0.95,
        seed=0,
    )
    assert isinstance(found, dict)
    assert found["rho"]["value"] == found["rho"]["low"] == found["rho"]["high"] == 1.0
