"""False verdicts, power and coverage of the fair lenses, in worlds whose truth is known."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from agsam_tune.analysis.verdict.lens_verdict import LensVerdict
from tests.analysis.lenses.worlds import (
    TRIVIAL,
    ImaginedStudy,
    Optimizer,
    World,
    cliff,
    judge,
    peak,
)


def _cliff(**more):
    return Optimizer(score=cliff(), **more)


def _peak(**more):
    return Optimizer(score=peak(), **more)


def _tenth_lost_earlier(x):
    """A tenth of what there is to lose is lost a decade before the rest."""
    return TRIVIAL + 0.9 * (cliff()(x) - TRIVIAL) + 0.1 * (cliff(-1.0)(x) - TRIVIAL)


def _falling_slowly(x):
    """From a little below the box on, by 1.5 points a decade."""
    return 0.92 - 0.015 * np.maximum(x + 2.8, 0)


#: Where neither may win in `own_scale`, on a plateau with a cliff and on a peak.
NOBODY = {
    "null": (_cliff(), _peak()),
    "unit times 0.3": (_cliff(unit=-0.523), _peak(unit=-0.523)),
    "unit times 3": (_cliff(unit=0.477), _peak(unit=0.477)),
    "step times noise": (_cliff(blur=0.3), _peak(blur=0.3)),
    "step times noise of the data set": (_cliff(data_blur=0.3), _peak(data_blur=0.3)),
    "nuisance": (_cliff(nuisance=1.0), _peak(nuisance=1.0)),
    "one-sided nuisance": (
        _cliff(nuisance=1.0, one_sided=True),
        _peak(nuisance=1.0, one_sided=True),
    ),
    "collapses": (_cliff(collapses=0.05), _peak(collapses=0.05)),
    "a tenth lost earlier": (Optimizer(score=_tenth_lost_earlier), _peak()),
    "better everywhere": (_cliff(gain=0.02), _peak(gain=0.02)),
}
WORLDS = {
    f"{name}, {kind}": World(candidate=pair[side], baseline=own)
    for name, pair in NOBODY.items()
    for side, (kind, own) in enumerate([("cliff", _cliff()), ("peak", _peak())])
} | {
    "collapses in both": World(candidate=_cliff(collapses=0.05), baseline=_cliff(collapses=0.05)),
    "no cliff in the box": World(
        candidate=Optimizer(score=cliff(3.0)), baseline=Optimizer(score=cliff(3.0))
    ),
    "data sets with heavy tails": World(
        candidate=_cliff(), baseline=_cliff(), heavy=True, data_shift=0.3
    ),
    "chaotic seeds": World(candidate=_cliff(), baseline=_cliff(), steep_noise=0.5),
    "a ridge": World(candidate=_cliff(), baseline=_cliff(), ridge=1.0),
    "a narrow box": World(candidate=_cliff(), baseline=_cliff(unit=0.5), box=(-0.6, -0.2)),
    "a wide box": World(candidate=_cliff(), baseline=_cliff(unit=0.5), box=(-3.3, 1.9)),
    "falling slowly": World(
        candidate=Optimizer(score=_falling_slowly, unit=-1.0),
        baseline=Optimizer(score=_falling_slowly),
    ),
    "a lower box": World(candidate=_cliff(), baseline=_cliff(unit=0.5), box=(-3.3, 0.0)),
}
#: The candidate may lose in these, but not win.
MAY_LOSE = ("step times noise", "nuisance", "one-sided nuisance", "collapses,", "a tenth lost")
FAST = ("unit times 0.3, cliff", "better everywhere, peak", "a narrow box", "falling slowly")
SLOW = [pytest.param(name, 2000, marks=pytest.mark.slow) for name in WORLDS]


@pytest.mark.parametrize(("name", "studies"), [*[(name, 25) for name in FAST], *SLOW])
def test_nobody_wins_on_own_scale_where_nobody_may(name, studies):
    """At most 5 % of studies, over all looks; the seed is the number of the world."""
    rng = np.random.default_rng(list(WORLDS).index(name))
    found = Counter(judge(WORLDS[name], rng).own_scale for _ in range(studies))
    print(name, {verdict.value: count for verdict, count in found.items()})  # noqa: T201
    wrong = {LensVerdict.CANDIDATE}
    if not name.startswith(MAY_LOSE):
        wrong |= {LensVerdict.BASELINE}
    if name.startswith("better everywhere"):
        wrong |= {LensVerdict.EQUIVALENT, LensVerdict.LEVEL_BASELINE}
    allowed = max(0.05 * studies, 1) if studies > 100 else stats.binom.ppf(0.9999, studies, 0.05)
    assert sum(found[verdict] for verdict in wrong) <= allowed


POWER = {
    "a wider peak": (
        World(candidate=Optimizer(score=peak(width=1.2)), baseline=_peak()),
        "own_scale",
    ),
    "a better direction": (
        World(candidate=Optimizer(score=cliff(0.15)), baseline=_cliff()),
        "equal_radius",
    ),
}


@pytest.mark.parametrize("studies", [20, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", POWER)
def test_who_is_better_is_found_with_sixteen_replicates(name, studies):
    world, lens = POWER[name]
    rng = np.random.default_rng(7)
    found = Counter(getattr(judge(world, rng, (16,)), lens) for _ in range(studies))
    assert found[LensVerdict.CANDIDATE] >= 0.9 * studies


COVERED = ("null, cliff", "null, peak", "collapses, cliff", "data sets with heavy tails", "a ridge")


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [2, 8, 16])
@pytest.mark.parametrize("name", COVERED)
def test_intervals_of_the_lens_cover(name, replicates):
    """500 studies; the truth is the same functional of 3,000 replicates."""
    rng = np.random.default_rng(list(WORLDS).index(name) + 100)
    truth = ImaginedStudy(WORLDS[name], rng, 3000).numbers(3000)
    covered: Counter[str] = Counter()
    for _ in range(500):
        for key, estimate in (
            ImaginedStudy(WORLDS[name], rng, replicates).numbers(replicates).items()
        ):
            interval = estimate.interval(0.05)
            covered[key] += interval.low <= truth[key].value <= interval.high
    print(name, replicates, {key: count / 500 for key, count in covered.items()})  # noqa: T201
    least = stats.binom.ppf(0.0005, 500, 0.95)
    assert all(covered[key] >= least for key in truth)
