"""Several tasks together, against planted truth: what moves between tasks, and what does not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import analyse
from agsam_tune.analysis.across import TaskRun, compare_tasks, mean_over_tasks
from agsam_tune.analysis.claim_across import claim_across
from agsam_tune.analysis.comparisons import contrasts
from agsam_tune.analysis.context import make_context
from agsam_tune.analysis.estimate import Estimate, to_leaf
from agsam_tune.analysis.intervals import half_width
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.tuning_gain import (
    TuningGain,
    gain_difference,
    gain_estimate,
    tuning_gain,
)
from agsam_tune.analysis.worth_tuning import worth_tuning
from agsam_tune.study import Phase, Study
from tests.analysis.simulate import least_coverage, most_false
from tests.analysis.tasks import CHANCE, PAIR, contexts_of, peak, true_gain, worlds_of
from tests.analysis.worlds import cliff
from tests.synthetic import World

SEED = 20240701
SCALES = (0.42, 0.42)

STAYS = (peak(-0.5), peak(-0.5))
MOVES = (peak(-1.5), peak(0.5))
CLIFFS = (cliff(), cliff(scale=4.0))


def known(gain: TuningGain | Unknown) -> TuningGain:
    assert isinstance(gain, TuningGain), gain
    return gain


def test_an_optimum_that_moves_between_tasks_is_told_from_one_that_stays() -> None:
    worlds = worlds_of({"gsam": STAYS, "adaptive_gsam": MOVES}, points=64, seeds=4)
    contexts = contexts_of(worlds, seed=1)
    gains = {name: known(tuning_gain(contexts, SCALES, name)) for name in PAIR}
    truth = {name: true_gain(worlds, contexts, name, SCALES) for name in PAIR}
    assert truth["gsam"] == pytest.approx(0.0, abs=1e-9)
    assert truth["adaptive_gsam"] > 0.05
    for name, gain in gains.items():
        assert gain.value == pytest.approx(truth[name], abs=0.02)
    difference = to_leaf(gain_difference(gains["adaptive_gsam"], gains["gsam"]), 0.95)
    assert difference["low"] > 0


def coverage(
    surfaces: dict[str, Any], *, repetitions: int, **study: Any
) -> tuple[dict[str, float], float]:
    """How often intervals cover Phi of each optimizer and of the difference; false winners."""
    print(f"seed {SEED}, {repetitions} repetitions with {study}")  # noqa: T201
    hits: dict[str, list[bool]] = {"gsam": [], "adaptive_gsam": [], "difference": []}
    winners = 0
    for repetition in range(repetitions):
        worlds = worlds_of(surfaces, design=repetition, **study)
        contexts = contexts_of(worlds, seed=SEED + repetition)
        gains = {name: tuning_gain(contexts, SCALES, name) for name in PAIR}
        truth = {name: true_gain(worlds, contexts, name, SCALES) for name in PAIR}
        truth["difference"] = truth["adaptive_gsam"] - truth["gsam"]
        leaves = {name: to_leaf(gain_estimate(gain), 0.95) for name, gain in gains.items()}
        both = gain_difference(gains["adaptive_gsam"], gains["gsam"])
        leaves["difference"] = to_leaf(both, 0.95)
        for name, leaf in leaves.items():
            hits[name].append(leaf["low"] <= truth[name] <= leaf["high"])
        winners += not leaves["difference"]["low"] <= 0 <= leaves["difference"]["high"]
    rates = {name: float(np.mean(own)) for name, own in hits.items()}
    print(f"covered {rates}, winners {winners / repetitions}")  # noqa: T201
    return rates, winners / repetitions


def test_intervals_of_the_gain_cover() -> None:
    surfaces = {"gsam": STAYS, "adaptive_gsam": MOVES}
    rates, _ = coverage(surfaces, repetitions=60)
    assert all(rate >= least_coverage(60) for rate in rates.values())


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 4])
@pytest.mark.parametrize("kind", ["stays", "moves", "cliff"])
def test_a_gain_compared_with_itself(kind: str, seeds: int) -> None:
    own = {"stays": STAYS, "moves": MOVES, "cliff": CLIFFS}[kind]
    surfaces = {"gsam": own, "adaptive_gsam": own}
    shape = {"points": 64, "replicates": 8, "seeds": seeds}
    rates, winners = coverage(surfaces, repetitions=200, **shape)
    assert all(rate >= least_coverage(200) for rate in rates.values())
    assert winners <= most_false(200)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tasks": 1}, "one task"),
        ({"seeds": 1}, "one seed a point"),
        ({"designs": (0, 1)}, "0 settings in common"),
    ],
)
def test_a_gain_that_cannot_be_known_says_why(change: dict[str, Any], reason: str) -> None:
    seeds = change.get("seeds", 2)
    worlds = worlds_of({"gsam": STAYS, "adaptive_gsam": MOVES}, seeds=seeds)
    designs = change.get("designs", (0, 0))
    worlds = [replace(world, design=d) for world, d in zip(worlds, designs, strict=True)]
    tasks = change.get("tasks", 2)
    contexts = contexts_of(worlds, seed=1)[:tasks]
    gain = tuning_gain(contexts, SCALES[:tasks], "gsam")
    assert isinstance(gain, Unknown)
    assert reason in gain.reason
    assert to_leaf(gain_difference(gain, gain), 0.95)["reason"] == gain.reason


def test_tasks_of_different_sizes_meet_at_the_points_they_share() -> None:
    """A larger map of the same streams begins with the smaller one's points."""
    small = worlds_of({"gsam": MOVES, "adaptive_gsam": MOVES})
    contexts = contexts_of(small, seed=1)
    trials = small[0].trials(generator=np.random.default_rng([1, 0]))
    part = trials[trials["point"] % 2 == 0]
    half = make_context(part, small[0].study, chance=CHANCE)
    gain = known(tuning_gain([half, contexts[1]], SCALES, "gsam"))
    assert gain.n == 2 * 16 * 2


@pytest.mark.parametrize(
    ("surfaces", "number", "names"),
    [
        (STAYS, 0, []),
        (MOVES, 1, ["rho"]),
        ((peak(-1.5, 0.1), peak(0.5, 0.9)), 2, ["rho", "alpha"]),
    ],
)
def test_what_moves_is_worth_tuning(surfaces: Any, number: int, names: list[str]) -> None:
    worlds = worlds_of({"gsam": surfaces}, points=64, replicates=8, seeds=4)
    for task in worth_tuning(contexts_of(worlds, seed=3), SCALES, "gsam"):
        assert task["share"]["value"] == number
        assert task["share"]["hyperparameters"] == names
        accuracies = task["share"]["accuracies"]
        assert accuracies == sorted(accuracies)
        assert accuracies[-1] == pytest.approx(0.92, abs=0.006)
        # The margin is as small as the noise: it may be unknown, but not wrong.
        assert task["margin"]["value"] in (None, number)


def test_a_surface_that_swings_above_a_cliff_gains_nothing_by_it() -> None:
    """Beside a cliff a Gaussian process has maxima that are above everything measured."""
    worlds = worlds_of({"gsam": (cliff(), cliff())}, points=64, replicates=8, seeds=4)
    for task in worth_tuning(contexts_of(worlds, seed=3), SCALES, "gsam"):
        assert task["share"]["value"] == 0
        assert task["share"]["accuracies"][-1] < 0.93


def test_noise_that_hides_the_settings_is_said() -> None:
    worlds = worlds_of({"gsam": (peak(-1.5, 0.1), peak(0.5, 0.9))}, points=64, seeds=2)
    for task in worth_tuning(contexts_of(worlds, seed=3), SCALES, "gsam"):
        assert task["margin"]["value"] is None
        assert "noise" in task["margin"]["reason"]


def test_too_few_points_count_nothing() -> None:
    worlds = worlds_of({"gsam": MOVES}, points=8, replicates=2)
    for task in worth_tuning(contexts_of(worlds, seed=3), SCALES, "gsam"):
        assert task["margin"]["value"] is task["share"]["value"] is None
        assert "needs at least" in task["margin"]["reason"]


def estimate(influence_RS: np.ndarray, value: float = 1.0) -> Estimate:
    R, S = influence_RS.shape
    return Estimate(
        value=value,
        influence_RS=influence_RS,
        clusters=R,
        seeds=S,
        cluster_degrees=R - 1,
        n=R * S,
        method="t",
    )


def width(one: Estimate) -> float:
    parts = one.components(0.95)
    assert not isinstance(parts, Unknown)
    return half_width(parts, 0.95)


def test_the_mean_over_one_task_is_that_task() -> None:
    own_RS = np.random.default_rng(2).standard_normal((6, 4))
    one = estimate(own_RS - own_RS.mean())
    assert width(mean_over_tasks([one])) == pytest.approx(width(one), rel=1e-12)


def test_what_points_do_to_all_tasks_does_not_average_out_and_what_seeds_do_does() -> None:
    generator = np.random.default_rng(SEED)
    r_R, s_S = generator.standard_normal(8), generator.standard_normal(400)
    points = np.repeat((r_R - r_R.mean())[:, None], 4, axis=1)
    same = mean_over_tasks([estimate(points)] * 3)
    assert width(same) == pytest.approx(width(estimate(points)), rel=1e-9)
    seeds = np.repeat((s_S - s_S.mean())[None, :], 8, axis=0) / 8
    apart = mean_over_tasks([estimate(seeds)] * 4)
    assert width(apart) == pytest.approx(width(estimate(seeds)) / 2, rel=0.02)


def test_a_mean_takes_tasks_of_different_sizes() -> None:
    generator = np.random.default_rng(1)
    one, other = (estimate(generator.standard_normal(shape)) for shape in ((8, 2), (4, 6)))
    mean = mean_over_tasks([one, replace(other, value=3.0)])
    assert mean.value == 2.0
    error = mean.influence_RS.sum(axis=0).mean()
    parts = [own.influence_RS.sum(axis=0).mean() for own in (one, other)]
    assert error == pytest.approx(np.mean(parts))
    assert (mean.clusters, mean.cluster_degrees) == (4, 3)


@pytest.mark.slow
def test_the_mean_difference_covers() -> None:
    """In tasks that share their points and whose surfaces are much alike."""
    surfaces = {"gsam": (peak(-0.5, steepness=0.06),) * 3, "adaptive_gsam": (peak(-0.5),) * 3}
    truths = worlds_of(surfaces)
    means = [{o: world.true_mean_accuracy(o) for o in PAIR} for world in truths]
    hits = []
    for repetition in range(200):
        worlds = worlds_of(surfaces, design=repetition, points=64, replicates=8)
        found = []
        for context in contexts_of(worlds, seed=SEED + repetition):
            rows = contrasts(context, "adaptive_gsam", "gsam")
            row = next(r for r in rows if (r.lens, r.metric) == ("rho", "mean_accuracy"))
            assert isinstance(row.estimate, Estimate)
            found.append(row.estimate)
        mean = mean_over_tasks(found)
        truth = float(np.mean([own["adaptive_gsam"] - own["gsam"] for own in means]))
        hits.append(abs(mean.value - truth) <= width(mean))
    print(f"seed {SEED}, covered {np.mean(hits)}")  # noqa: T201
    assert np.mean(hits) >= least_coverage(200)


def run_of(number: int, trials: pd.DataFrame, study: Study) -> TaskRun:
    context = make_context(trials, study, chance=CHANCE)
    summary = analyse(trials, study, chance=CHANCE, test_size=400)
    return TaskRun(name=f"task {number}", context=context, summary=summary)


def moving() -> list[World]:
    return worlds_of({"gsam": MOVES, "adaptive_gsam": STAYS}, misset_seeds=2)


@pytest.fixture(scope="module")
def runs() -> list[TaskRun]:
    return [
        run_of(number, world.trials(generator=np.random.default_rng([5, number])), world.study)
        for number, world in enumerate(moving())
    ]


@pytest.fixture(scope="module")
def comparison(runs: list[TaskRun]) -> dict[str, Any]:
    return compare_tasks(runs)


def test_the_comparison_is_json_and_whole(comparison: dict[str, Any]) -> None:
    json.dumps(comparison, allow_nan=False)
    assert comparison["comparison_of"] == ["task 0", "task 1"]
    assert [row["lens"] for row in comparison["comparisons"]] == [
        *("rho", "own_best", "radius", "tasks"),
    ]
    last = comparison["comparisons"][-1]
    assert last["difference"] < 0
    assert last["verdict"] == "candidate"
    assert sum(comparison["verdicts"].values()) == 2


def test_scores_are_1_at_the_best_of_a_task(comparison: dict[str, Any]) -> None:
    for task in comparison["tasks"]:
        scores = [own["normalised"]["best_accuracy"] for own in task["optimizers"].values()]
        assert max(score["value"] for score in scores) == pytest.approx(1.0)
        for own in task["optimizers"].values():
            scale = task["best_accuracy"] - CHANCE
            regret = own["regret_sensitivity_rho"]["value"]
            found = own["normalised"]["regret_sensitivity_rho"]["value"]
            assert found == pytest.approx(regret / scale)


def test_the_mean_of_a_lens_is_that_of_its_tasks(comparison: dict[str, Any]) -> None:
    row = comparison["comparisons"][0]
    own = [task["comparisons"][0]["difference"] for task in comparison["tasks"]]
    assert row["difference"] == pytest.approx(np.mean(own))
    assert row["tasks"] == ["task 0", "task 1"]


def row_of(lens: str, verdict: str, difference: float | None = 0.01) -> dict[str, Any]:
    ends = {"low": difference, "high": difference, "p_value": 0.01}
    return {
        "lens": lens,
        "metric": "regret_sensitivity",
        "difference": difference,
        "verdict": verdict,
        **ends,
    }


def task_of(name: str, pair: list[str], verdict: str) -> dict[str, Any]:
    return {"name": name, "pair": pair, "compared": True, "claim": {"verdict": verdict}}


@pytest.mark.parametrize(
    ("verdicts", "counted"),
    [
        (["supported"] * 3, "is supported in all 3 tasks; on average over all 3,"),
        (["supported", "undecided", "supported"], "is supported in 2 of 3 tasks and undecided in"),
        (["contradicted"] * 2, "is contradicted in both tasks; on average over the two,"),
        (["mixed"], "is mixed in the one task"),
    ],
)
def test_the_claim_counts_tasks(verdicts: list[str], counted: str) -> None:
    tasks = [task_of(str(place), ["a", "b"], v) for place, v in enumerate(verdicts)]
    tasks.append(task_of("others", ["c", "d"], "supported"))
    tasks.append(task_of("fixed", ["a", "b"], "undecided") | {"compared": False})
    rows = [row_of(lens, "candidate", -0.02) for lens in ("rho", "own_best", "radius")]
    found = claim_across(tasks, rows, ("a", "b"))
    assert found["verdict"] == "supported"
    assert found["text"].startswith("That a is more robust than b ")
    assert counted in found["text"]
    assert "a loses 2.0 points less than b" in found["text"]
    assert "Not about these two, so in no mean: others." in found["because"]
    assert "Without mis-set settings of both, so in no mean: fixed." in found["because"]


def test_a_task_of_fixed_points_is_listed_and_in_nothing_else(
    runs: list[TaskRun], comparison: dict[str, Any]
) -> None:
    world = moving()[0]
    trials = world.trials(generator=np.random.default_rng([5, 2]))
    trials = trials[trials["point"] == 0].assign(phase="fixed", replicate=pd.NA)
    study = world.study.model_copy(update={"phases": (Phase(name="fixed", seeds=2),)})
    fixed = run_of(2, trials.drop_duplicates(["optimizer", "point", "seed"]), study)
    found = compare_tasks([*runs, fixed])
    assert [task["mapped"] for task in found["tasks"]] == [True, True, False]
    assert found["optimizers"] == comparison["optimizers"]
    assert found["verdicts"] == comparison["verdicts"]
    assert found["claim"]["text"] == comparison["claim"]["text"]
    assert "Without mis-set settings of both, so in no mean: task 2." in found["claim"]["because"]


def test_without_a_pair_there_is_no_claim() -> None:
    assert "no claim" in claim_across([], [], None)["text"]
