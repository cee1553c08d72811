"""What a pilot says a study can find, against simulated truth: whole studies and their analysis."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis.context import make_context
from agsam_tune.analysis.power import power
from agsam_tune.planning.detectable import Piloted, Sample, detectable, imagined_trials
from agsam_tune.study import Phase, Study
from tests.analysis.worlds import PAIR, self_comparison, wider_hill
from tests.synthetic import World

SMALL = {"seeds": 3, "misset_seeds": 2}


def piloted_of(trials: pd.DataFrame, optimizer: str, study: Study, replicates: int = 4) -> Piloted:
    """The pilot that the first replicates of a simulated study are."""
    mapped = study.phase("map")
    assert mapped is not None
    points = (mapped.points or 0) // mapped.replicates
    own = trials[(trials["optimizer"] == optimizer) & (trials["phase"] == "map")]

    def cells(column: str) -> np.ndarray:
        found = own.pivot_table(index="point", columns="seed", values=column).to_numpy()
        return found[: replicates * points, :2].reshape(replicates, points, 2)

    names = study.search_spaces[optimizer].names
    rows = own[own["seed"] == 0].sort_values("point")[list(names)].to_numpy()
    settings = [tuple(zip(names, map(float, row), strict=True)) for row in rows]
    return Piloted(
        val_QPJ=cells("val_accuracy"),
        test_QPJ=cells("test_accuracy"),
        settings_QP=tuple(
            tuple(settings[q * points : (q + 1) * points]) for q in range(replicates)
        ),
    )


def sample_of(study: Study) -> Sample:
    mapped, misset = study.phase("map"), study.phase("misset")
    assert isinstance(mapped, Phase)
    return Sample(
        replicates=mapped.replicates, seeds=mapped.seeds, judged=misset.seeds if misset else 0
    )


def forecast(world: World, seed: int) -> tuple[float, float]:
    """What the pilot says, and what the analysis of the whole study does."""
    trials = world.trials(generator=np.random.default_rng(seed))
    real = power(make_context(trials, world.study, chance=world.chance))["rho"]
    piloted = {name: piloted_of(trials, name, world.study) for name in PAIR}
    found = detectable(
        world.study,
        piloted,
        sample_of(world.study),
        chance=world.chance,
        generator=np.random.default_rng(seed),
    )
    assert found is not None
    return found.smallest, real["smallest_difference"]


WORLDS: dict[str, Any] = {
    kind: lambda seed, kind=kind, **shape: self_comparison(kind, seed=seed, **shape)
    for kind in ("hill", "cliff", "seeds", "corner", "collapse")
} | {"wider": wider_hill}


def assert_about_right(kind: str, *, worlds: int, **shape: int) -> None:
    """Collapses are seldom in so few trials, so that the pilot says half of the truth then."""
    found = [forecast(WORLDS[kind](seed=seed, **shape), seed) for seed in range(worlds)]
    ratio = np.median([said / real for said, real in found])
    low, high = (0.3, 1.7) if kind == "collapse" else (0.5, 2.0)
    assert low < ratio < high, found
    if kind == "collapse":
        assert np.median([said for said, _ in found]) > 0.05


def test_the_pilot_says_about_what_the_analysis_will() -> None:
    assert_about_right("wider", worlds=3, points=64, **SMALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (kind, shape)
        for shape in ({}, SMALL)
        for kind in WORLDS
        if kind != "collapse" or not shape  # two seeds a point do not show what collapses
    ],
)
def test_the_pilot_says_about_what_the_analysis_will_in_every_world(
    kind: str, shape: dict[str, int]
) -> None:
    assert_about_right(kind, worlds=5, **shape)


def test_an_imagined_study_is_made_of_the_pilot_alone() -> None:
    world = wider_hill(seed=0)
    trials = world.trials(generator=np.random.default_rng(0))
    piloted = {name: piloted_of(trials, name, world.study) for name in PAIR}
    sample = Sample(replicates=6, seeds=3, judged=5)
    study = world.study.model_copy(update={"optimizers": PAIR})
    table = imagined_trials(study, piloted, sample, np.random.default_rng(1))
    mapped, misset = (table[table["phase"] == phase] for phase in ("map", "misset"))
    assert len(mapped) == 2 * 6 * 16 * 3
    assert len(misset) == 2 * 5
    for name in PAIR:
        own = mapped[mapped["optimizer"] == name]
        assert set(own["test_accuracy"]) <= set(piloted[name].test_QPJ.ravel())
        even = own[own["seed"] % 2 == 0].groupby("point")["val_accuracy"].mean()
        best = own[own["point"] == even.idxmax()].iloc[0]
        judged = misset[misset["optimizer"] == name]
        assert set(judged["rho"]) == {best["rho"]}
        assert judged["seed"].min() == sample.seeds


def test_noise_that_optimizers_share_is_none_of_their_difference() -> None:
    world = wider_hill(seed=0)
    trials = world.trials(generator=np.random.default_rng(0))
    one, other = (piloted_of(trials, name, world.study) for name in PAIR)

    def smallest(order: slice) -> float:
        like_one = replace(
            other, val_QPJ=one.val_QPJ[:, :, order], test_QPJ=one.test_QPJ[:, :, order]
        )
        found = detectable(
            world.study,
            dict(zip(PAIR, (one, like_one), strict=True)),
            sample_of(world.study),
            chance=world.chance,
            generator=np.random.default_rng(0),
        )
        assert found is not None
        return found.smallest

    alike, opposite = smallest(slice(None)), smallest(slice(None, None, -1))
    assert alike < 0.6 * opposite


def test_a_larger_study_finds_less() -> None:
    world = self_comparison("hill", seed=3)
    trials = world.trials(generator=np.random.default_rng(3))
    piloted = {name: piloted_of(trials, name, world.study) for name in PAIR}

    def smallest(**size: int) -> float:
        found = detectable(
            world.study,
            piloted,
            Sample(**size),
            chance=world.chance,
            generator=np.random.default_rng(0),
        )
        assert found is not None
        return found.smallest

    usual = smallest(replicates=4, seeds=2, judged=8)
    assert smallest(replicates=8, seeds=8, judged=32) < 0.8 * usual < usual
    assert smallest(replicates=2, seeds=2, judged=2) > usual
