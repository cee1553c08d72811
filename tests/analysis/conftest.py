"""One simulated run of each shape, made once for all tests of the analysis."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.summary import lens_summary, summarise
from agsam_tune.analysis.surfaces import Surfaces, fit_surfaces
from agsam_tune.study import Study
from tests.analysis.worlds import cliff, growing_noise, radius_of
from tests.synthetic import Settings, Truth, World, size_of, synthetic_study

CHANCE = 0.5


def flat(settings: Settings) -> np.ndarray:
    return np.full(size_of(settings), 0.915)


def without_alpha(surface: Any) -> Any:
    """The surface at alpha = 0 for optimizers that have none."""

    def filled(settings: Settings) -> np.ndarray:
        values: np.ndarray = surface({"alpha": np.zeros(size_of(settings)), **settings})
        return values

    return filled


def world_of(study: Study) -> World:
    """sgd without hyperparameters, and a candidate that is the baseline with rho in thirds."""
    third = 1 / 3
    plain = Truth(surface=without_alpha(cliff()), noise=growing_noise())
    changed = Truth(
        surface=without_alpha(cliff(scale=third)),
        noise=growing_noise(third),
        radius=radius_of(third),
    )
    truths = {
        "sgd": Truth(surface=flat),
        "sgd_2x": Truth(surface=flat),
        "sam": plain,
        "gsam": plain,
        "adaptive_gsam": changed,
        "gsam_matched": changed,
    }
    return World(study=study, truths=truths, seed_effect=0.002)


@pytest.fixture(scope="session")
def study() -> Study:
    return synthetic_study()


@pytest.fixture(scope="session")
def world(study: Study) -> World:
    return world_of(study)


@pytest.fixture(scope="session")
def trials(world: World) -> pd.DataFrame:
    return world.trials(generator=np.random.default_rng(11))


@pytest.fixture(scope="session")
def context(trials: pd.DataFrame, study: Study) -> Context:
    return make_context(trials, study, chance=CHANCE)


@pytest.fixture(scope="session")
def surfaces(context: Context) -> Surfaces:
    return fit_surfaces(context)


@pytest.fixture(scope="session")
def summary(context: Context, surfaces: Surfaces) -> dict[str, Any]:
    """What `analyse` returns; do not change it."""
    return summarise(context, surfaces, test_size=4000)


@pytest.fixture(scope="session")
def small_study() -> Study:
    """One whose whole analysis takes moments."""
    return synthetic_study(points=16, replicates=4, seeds=2, misset_seeds=4, tune=8)


@pytest.fixture(scope="session")
def small_trials(small_study: Study) -> pd.DataFrame:
    return world_of(small_study).trials(generator=np.random.default_rng(11))


def lenses(trials: pd.DataFrame, study: Study) -> dict[str, Any]:
    """What the verdict rests on, without surfaces and curves, which take most of the time."""
    return lens_summary(make_context(trials, study, chance=CHANCE), test_size=4000)
