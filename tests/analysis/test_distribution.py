"""The distribution of accuracy over the box: its form, its intervals against the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.distribution import distribution
from agsam_tune.analysis.table import read_table
from agsam_tune.study import Study
from tests.analysis.simulate import least_coverage
from tests.analysis.worlds import PAIR, beyond, cliff, growing_noise, hill
from tests.synthetic import Settings, Truth, World, synthetic_study

SEED = 20240612
CHANCE = 0.5


def context_of(trials: pd.DataFrame, study: Study) -> Context:
    """A context with these trials, but for what a distribution does not need."""
    empty = make_context(trials.iloc[:0], study, chance=CHANCE)
    return replace(empty, table=read_table(trials, study, chance=CHANCE))


def test_shares_are_those_of_the_points(trials: pd.DataFrame, study: Study) -> None:
    found = distribution(context_of(trials, study), "gsam")
    own = trials[(trials["optimizer"] == "gsam") & (trials["phase"] == "map")]
    accuracy = own["test_accuracy"].where(~own["diverged"], CHANCE)
    mean_P = np.maximum(accuracy.groupby(own["point"]).mean(), CHANCE)
    for x, share in zip(found["accuracy"], found["share"], strict=True):
        assert share == pytest.approx(np.mean(mean_P <= x + 1e-12))
    assert found["n"] == len(own)
    assert found["accuracy"][0] == CHANCE
    assert found["accuracy"][-1] == pytest.approx(mean_P.max())
    # The cliff's share of settings at chance is the first step.
    assert found["share"][0] == pytest.approx(np.mean(mean_P <= CHANCE))
    assert found["share"][0] > 0.05
    assert found["share"][-1] == 1.0


def test_everything_rises_and_lies_in_order(trials: pd.DataFrame, study: Study) -> None:
    for optimizer in ("sam", "gsam", "adaptive_gsam"):
        found = distribution(context_of(trials, study), optimizer)
        x, share, low, high = (np.array(found[k]) for k in ("accuracy", "share", "low", "high"))
        assert 40 <= len(x) <= 61
        assert np.all(np.diff(x) > 0)
        assert np.all(np.diff([share, low, high], axis=1) >= 0)
        assert np.all((low >= 0) & (low <= share) & (share <= high) & (high <= 1))
        assert np.mean(high - low) > 0.02


def test_intervals_cover_in_few_studies() -> None:
    assert_covers("steps", repetitions=40)


def steps(settings: Settings) -> np.ndarray:
    """Two accuracies and no others, each of many settings."""
    return np.where(settings["rho"] > 0.3, 0.8, 0.9)


def some_collapse(settings: Settings) -> np.ndarray:
    return np.where(settings["rho"] > 0.3, 0.25, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hill", "cliff", "steps"])
def test_intervals_cover(kind: str) -> None:
    assert_covers(kind, repetitions=500)


def assert_covers(kind: str, *, repetitions: int) -> None:
    """At accuracies of all kinds, of steps at those that many settings have."""
    truths = {
        "hill": Truth(surface=hill(steepness=0.03)),
        "cliff": Truth(surface=cliff(), noise=growing_noise(0.1), diverges=beyond(4.0)),
        "steps": Truth(surface=steps, noise=growing_noise(), collapse=some_collapse),
    }
    study = synthetic_study(optimizers=PAIR, points=64, tune=0, misset_seeds=0, seed=1)
    print(f"seed {SEED}, {repetitions} repetitions of {kind}")  # noqa: T201
    world = World(study=study, truths=dict.fromkeys(PAIR, truths[kind]), seed_effect=0.002)
    expected = truths[kind].expected(world.uniform("gsam", 2**13), CHANCE)
    wanted = {
        "hill": (0.80, 0.85, 0.88, 0.90),
        "cliff": (0.6, 0.7, 0.88),
        "steps": (0.6, 0.725, 0.85, 0.9),
    }[kind]
    hits: dict[float, list[bool]] = {x: [] for x in wanted}
    for repetition in range(repetitions):
        generator = np.random.default_rng([SEED, repetition])
        found = distribution(context_of(world.trials(generator=generator), study), "gsam")
        for x in wanted:
            i = int(np.searchsorted(found["accuracy"], x, side="right")) - 1
            truth = float(np.mean(np.maximum(expected, CHANCE) <= found["accuracy"][i]))
            hits[x].append(found["low"][i] <= truth <= found["high"][i])
    shares = {x: float(np.mean(hit)) for x, hit in hits.items()}
    print(shares)  # noqa: T201
    assert min(shares.values()) >= least_coverage(repetitions)


@pytest.mark.parametrize(
    ("optimizer", "phases", "reason"),
    [
        ("sgd", ("map",), "the optimizer has no hyperparameters, and so one setting"),
        ("gsam", ("tune",), "no finished trial of the map phase"),
    ],
)
def test_no_distribution_without_a_map(
    trials: pd.DataFrame, study: Study, optimizer: str, phases: tuple[str, ...], reason: str
) -> None:
    own = trials[trials["phase"].isin(phases)]
    found: dict[str, Any] = distribution(context_of(own, study), optimizer)
    assert found == {"value": None, "reason": reason}


def test_one_point_and_one_seed_have_no_interval(trials: pd.DataFrame, study: Study) -> None:
    one = trials[(trials["phase"] == "map") & (trials["point"] == 0) & (trials["seed"] == 0)]
    assert distribution(context_of(one, study), "gsam")["value"] is None
