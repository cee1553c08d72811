"""One simulated run of each shape, made once for all tests of the analysis."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import analyse
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
def summary(trials: pd.DataFrame, study: Study) -> dict[str, Any]:
    return analyse(trials, study, chance=CHANCE, test_size=4000)
