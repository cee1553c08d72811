"""The time left is right from a tenth of the run on, whatever comes in lumps."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agsam_tune.progress.facts import Facts
from agsam_tune.progress.forecast import Forecast
from agsam_tune.study import Study, load_study
from agsam_tune.trials import Outcome, Pack, State, Trial
from tests.progress.simulation import Machine, simulate

MOONS = Path(__file__).parents[2] / "studies" / "moons.toml"
# As measured on two cores: two-pass rules alike, one pass in half the time, twice the epochs in
# twice that.
TRIAL = {
    "sgd": 0.035,
    "sgd_2x": 0.07,
    "sam": 0.066,
    "gsam": 0.07,
    "adaptive_gsam": 0.075,
    "gsam_matched": 0.075,
}
# Each with the share of the run from which on its total must be known. At a tenth of it, two of
# some 70 packs are back, of the two optimizers that are tuned: too few where packs differ much, and
# nothing to tell of others that take far longer.
MACHINES = {
    "two workers": (Machine(trial=TRIAL), 0.1),
    "one worker": (Machine(trial=TRIAL, workers=1), 0.1),
    "a slow start": (Machine(trial=TRIAL, start_up=10.0, first_pack=15.0), 0.2),
    "costly packs": (Machine(trial=TRIAL, each_pack=1.0), 0.2),
    "optimizers that differ": (Machine(trial={**TRIAL, "sam": 0.03, "gsam_matched": 0.2}), 0.3),
    "noisy packs": (Machine(trial=TRIAL, noise=0.4), 0.2),
}


@pytest.fixture(scope="module")
def moons() -> Study:
    return load_study(MOONS)


def worst(seen: list[Facts], *, since: float) -> float:
    """The largest error of elapsed + left, as a share of the run, from that share of it on."""
    total = seen[-1].elapsed
    late = [(f.elapsed, f.left) for f in seen if f.elapsed >= since * total]
    known = [elapsed + left for elapsed, left in late if left is not None]
    assert len(known) > 0.6 * len(seen)
    return max(abs(forecast - total) / total for forecast in known)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", MACHINES)
def test_the_total_is_known_early(name: str, seed: int, moons: Study) -> None:
    machine, since = MACHINES[name]
    seen, agenda = simulate(moons, replace(machine, seed=seed))
    assert seen[-1].done == seen[-1].total == agenda.total == 4000
    error = worst(seen, since=since)
    print(f"{name}: {seen[-1].elapsed:.0f} s, worst error {error:.1%}")  # noqa: T201
    assert error <= 0.10


def test_trials_stored_before_do_not_count(moons: Study) -> None:
    _, whole = simulate(moons, Machine(trial=TRIAL))
    stored = whole.outcomes[:1600]
    seen, agenda = simulate(moons, Machine(trial=TRIAL, seed=1), stored=stored)
    assert (seen[0].stored, seen[0].done) == (1600, 1600)
    assert seen[-1].done == agenda.total == 4000
    error = worst(seen, since=0.1)
    print(f"carried on: {seen[-1].elapsed:.0f} s, worst error {error:.1%}")  # noqa: T201
    assert error <= 0.15
    # 2,400 trials in that time, not 4,000.
    busy = seen[-1].elapsed - Machine(trial=TRIAL).start_up
    assert seen[-1].rate == pytest.approx(2400 / busy, rel=0.01)


def test_nothing_is_claimed_before_the_first_pack_is_back(moons: Study) -> None:
    seen, _ = simulate(moons, MACHINES["a slow start"][0])
    before = [facts for facts in seen if not facts.done]
    assert len(before) > 40  # the start, and the first pack
    assert all(facts.left is None and facts.rate is None for facts in before)


def test_it_counts_down_while_packs_are_trained(moons: Study) -> None:
    """No lumps: from one look to the next, half a second later, it hardly leaps."""
    seen, _ = simulate(moons, Machine(trial=TRIAL))
    total = seen[-1].elapsed
    late = [f for f in seen if f.elapsed >= 0.1 * total and f.left is not None]
    leaps = [abs((b.left or 0) - (a.left or 0)) for a, b in pairwise(late)]
    assert max(leaps) <= 0.05 * total


def _pack(optimizer: str, rows: int, point: int = 0) -> Pack:
    return Pack(
        trials=tuple(
            Trial(
                optimizer=optimizer,
                phase="map",
                replicate=0,
                index=point + i,
                point=point + i,
                seed=0,
                hyperparameters=(),
            )
            for i in range(rows)
        )
    )


def _trained(pack: Pack, seconds: float) -> list[Outcome]:
    return [Outcome(trial=t, state=State.COMPLETE, seconds=seconds) for t in pack.trials]


def test_each_optimizer_has_its_own_cost() -> None:
    forecast = Forecast()
    packs = {_pack("sgd", 4): 1.0, _pack("gsam", 4): 3.0}
    for pack in packs:
        forecast.begun(pack, 0.0)
    for pack, seconds in packs.items():
        forecast.ended(pack, _trained(pack, seconds), 20.0)
    assert forecast.left({"sgd": 10}, 2, 0.0) == pytest.approx(5.0)
    assert forecast.left({"gsam": 10}, 2, 0.0) == pytest.approx(15.0)
    assert forecast.left({"sam": 10}, 2, 0.0) == pytest.approx(10.0)  # not measured yet


def test_what_a_pack_takes_besides_training_is_measured_but_for_the_first() -> None:
    forecast = Forecast()
    first, second = _pack("gsam", 10), _pack("gsam", 10, 10)
    forecast.begun(first, 0.0)
    forecast.ended(first, _trained(first, 1.0), 100.0)  # the start takes 90 s
    assert forecast.left({"gsam": 10}, 1, 100.0) == pytest.approx(10.0)
    forecast.begun(second, 101.0)
    forecast.ended(second, _trained(second, 1.0), 112.0)  # 12 s since the first one ended
    assert forecast.left({"gsam": 10}, 1, 112.0) == pytest.approx(12.0)


def test_a_lost_pack_and_a_failed_trial_cost_time_and_tell_nothing() -> None:
    forecast = Forecast()
    pack = _pack("gsam", 2)
    forecast.begun(pack, 0.0)
    forecast.ended(pack, (), 5.0)
    assert forecast.left({"gsam": 2}, 1, 5.0) is None
    failed = [Outcome(trial=trial, state=State.FAIL) for trial in pack.trials]
    forecast.begun(pack, 5.0)
    forecast.ended(pack, failed, 6.0)
    assert forecast.left({"gsam": 2}, 1, 6.0) is None
    forecast.ended(_pack("gsam", 3), (), 7.0)  # lost before a worker began it
    assert forecast.running == ()


def test_without_workers_nobody_knows() -> None:
    forecast = Forecast()
    pack = _pack("gsam", 2)
    forecast.begun(pack, 0.0)
    forecast.ended(pack, _trained(pack, 1.0), 2.0)
    assert forecast.left({"gsam": 2}, 0, 2.0) is None
    left = forecast.left({"gsam": 2}, 1, 2.0)
    assert left is not None
    assert math.isfinite(left)
