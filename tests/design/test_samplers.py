"""The project's samplers in plain Optuna studies."""

import numpy as np
import optuna
import pytest

from agsam_tune.design import GridSampler, SobolSampler
from agsam_tune.design.samplers import make_sampler


def _points(sampler: optuna.samplers.BaseSampler, n: int) -> np.ndarray:
    def objective(trial: optuna.Trial) -> float:
        rho = trial.suggest_float("rho", 0.005, 8, log=True)
        return rho + trial.suggest_float("alpha", 0, 1) + trial.suggest_float("beta", -2, 2)

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=n)
    return np.array(
        [[t.params[name] for name in ("rho", "alpha", "beta")] for t in study.get_trials()]
    )


@pytest.mark.parametrize("n", [16, 64])
def test_sobol_is_balanced_in_a_define_by_run_study(n: int) -> None:
    points = _points(SobolSampler(seed=5), n)
    assert sorted(np.floor(points[:, 1] * n)) == list(range(n))
    unit = np.log(points[:, 0] / 0.005) / np.log(8 / 0.005)
    assert sorted(np.floor(unit * n)) == list(range(n))
    cells = {(int(u * 4), int(a * 4)) for u, a in zip(unit, points[:, 1], strict=True)}
    assert len(cells) == 16


def test_sobol_depends_on_its_seed_alone() -> None:
    np.testing.assert_array_equal(
        _points(SobolSampler(seed=1), 9), _points(SobolSampler(seed=1), 16)[:9]
    )
    assert not np.allclose(_points(SobolSampler(seed=1), 4), _points(SobolSampler(seed=2), 4))


def test_sobol_serves_every_kind_of_parameter() -> None:
    def objective(trial: optuna.Trial) -> float:
        assert trial.suggest_categorical("kind", ["a", "b", "c"]) in "abc"
        assert trial.suggest_int("depth", 1, 9, step=2) in {1, 3, 5, 7, 9}
        assert 1 <= trial.suggest_int("width", 1, 100, log=True) <= 100
        return trial.suggest_float("x", 0, 1, step=0.25)

    study = optuna.create_study(sampler=SobolSampler(seed=0))
    study.optimize(objective, n_trials=64)
    assert {t.params["x"] for t in study.trials} == {0, 0.25, 0.5, 0.75, 1}
    assert {t.params["depth"] for t in study.trials} == {1, 3, 5, 7, 9}


@pytest.mark.parametrize(
    ("points", "levels"), [(128, (8, 4, 4)), (27, (3, 3, 3)), (7, (7, 1, 1)), (60, (5, 4, 3))]
)
def test_grid_has_its_points_exactly(points: int, levels: tuple[int, ...]) -> None:
    sampler = GridSampler(points=points, dimensions=3)
    assert sorted(sampler.levels) == sorted(levels)
    drawn = _points(sampler, points)
    assert len({tuple(p) for p in drawn}) == points


def test_unknown_samplers_are_refused() -> None:
    with pytest.raises(ValueError, match="sobol, grid, random, tpe and gp"):
        make_sampler("soboll", seed=0, points=1, dimensions=1)
