"""The verdict over changed boxes: values by hand, bounds that hold, flips that are planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis.best import Best
from agsam_tune.analysis.box_regret import BoxRegret, box_regret
from agsam_tune.analysis.boxes import CHANGES, THIRDS, Change, changed, weights
from agsam_tune.analysis.comparisons import compare
from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.estimate import Estimate, to_leaf
from agsam_tune.analysis.intervals import holm, p_value
from agsam_tune.analysis.range_curve import range_curve, range_sentence
from agsam_tune.analysis.table import read_table
from agsam_tune.analysis.unit_cube import Axis
from agsam_tune.study import Range, SearchSpace, Study
from tests.analysis.simulate import least_coverage, most_false
from tests.analysis.worlds import PAIR, self_comparison, unit_change
from tests.synthetic import Settings, Truth, World, size_of, synthetic_study

SEED = 20240613
CHANCE = 0.5
RHO = Axis(name="rho", low=0.005, high=8.0, log=True)
ALPHA = Axis(name="alpha", low=0.0, high=1.0, log=False)
LABELS = ("lens", "axis", "change", "box", "metric", "verdict", "flips")
NUMBERS = ("difference", "low", "high", "p_value", "n")


def by_name(name: str) -> Change:
    return next(c for c in (*CHANGES, *THIRDS) if c.name == name)


@pytest.fixture(scope="module")
def rows(context: Context) -> list[dict[str, Any]]:
    return range_curve(context)


def regrets_of(context: Context) -> BoxRegret:
    found = box_regret(context, ("adaptive_gsam", "gsam"))
    assert isinstance(found, BoxRegret)
    return found


@pytest.mark.parametrize("change", [*CHANGES, *THIRDS], ids=lambda c: c.name)
def test_weights_fill_the_new_range(change: Change) -> None:
    unit = (np.arange(24_000) + 0.5) / 24_000
    weight = change.weight(unit)
    assert weight.mean() == pytest.approx(change.high - change.low, rel=1e-3)
    inside = np.mean(np.where((unit >= change.low) & (unit <= change.high), 1.0, 0.0))
    assert change.inside == pytest.approx(inside / weight.mean(), rel=1e-3)
    # Where accuracy rises evenly, what lies beyond is as the middle of the outermost eighth.
    low, high = max(change.low, 0), min(change.high, 1)
    parts = [(high - low, (low + high) / 2), (max(-change.low, 0), 1 / 16)]
    parts.append((max(change.high - 1, 0), 15 / 16))
    expected = sum(size * x for size, x in parts) / sum(size for size, _ in parts)
    assert np.sum(weight * unit) / weight.sum() == pytest.approx(expected, rel=1e-3)


def test_no_box_reaches_where_there_are_no_values() -> None:
    boxes = [change["alpha"] for change in changed([ALPHA], CHANGES)]
    assert all(ALPHA.values(box.low) >= 0 for box in boxes)
    assert len({(box.low, box.high) for box in boxes}) == len(boxes)
    wider = next(box for box in boxes if box.name == "wider by 1.25")
    assert (wider.low, wider.high) == (0.0, 1.25)
    assert len(changed([RHO], CHANGES)) == len(CHANGES)
    together = {box["rho"].name: box for box in changed([RHO, ALPHA], CHANGES)}
    assert set(together["shifted down by a quarter"]) == {"rho"}
    momentum = Axis(name="momentum", low=0.0, high=0.99, log=False)
    reach = [momentum.values(box["momentum"].high) for box in changed([momentum], CHANGES)]
    assert max(reach) < 1


def test_rows_have_their_format(rows: list[dict[str, Any]], context: Context) -> None:
    assert {row["lens"] for row in rows} == {"rho", "own_best", "radius"}
    for row in rows:
        assert all(key in row for key in (*LABELS, *NUMBERS[:4]))
        if row["difference"] is None:
            assert row["reason"]
            assert row["verdict"] == "undecided"
        else:
            assert row["low"] <= row["difference"] <= row["high"]
            assert all(low < high for low, high in row["box"].values())
    compared = {r["lens"]: r for r in compare(context) if r["metric"] == "regret_sensitivity"}
    whole = [row for row in rows if row["change"] == "whole"]
    assert len(whole) == 3
    for row in whole:
        for key in (*NUMBERS, "verdict"):
            assert row[key] == compared[row["lens"]][key]


def test_the_whole_box_is_that_of_the_comparisons(
    context: Context, rows: list[dict[str, Any]]
) -> None:
    whole = rows[0]
    estimate = regrets_of(context).difference({})
    leaf = to_leaf(estimate, 0.95)
    for key, own in (("difference", "value"), ("low", "low"), ("high", "high")):
        assert leaf[own] == pytest.approx(whole[key], abs=1e-12)


@pytest.mark.parametrize("name", ["lower half", "middle half", "wider by 1.5 upwards"])
def test_values_by_hand(
    trials: pd.DataFrame, context: Context, rows: list[dict[str, Any]], name: str
) -> None:
    row = next(r for r in rows if (r["lens"], r["axis"], r["change"]) == ("rho", "rho", name))
    low, high = row["box"]["rho"]
    means = []
    for optimizer in ("adaptive_gsam", "gsam"):
        own = trials[(trials["optimizer"] == optimizer) & (trials["phase"] == "map")]
        points = own.groupby("point")[["rho", "test_accuracy"]].mean()
        accuracy = np.maximum(points["test_accuracy"], CHANCE)
        inside = accuracy[points["rho"].between(low, high)]
        if "wider" in name:
            edge = accuracy[points["rho"] > 0.005 * 1600 ** (7 / 8)]
            inside = np.array([accuracy.mean(), accuracy.mean(), edge.mean()])
        means.append(float(np.mean(inside)))
    best = [context.best[o].value for o in ("adaptive_gsam", "gsam")]  # type: ignore[union-attr]
    expected = (best[0] - means[0]) - (best[1] - means[1])
    assert row["difference"] == pytest.approx(expected, abs=1e-9)


def test_p_values_are_corrected_within_an_axis(
    context: Context, rows: list[dict[str, Any]]
) -> None:
    own = [row for row in rows if (row["lens"], row["axis"]) == ("rho", "rho")]
    regrets, raw = regrets_of(context), []
    for row in own:
        estimate = regrets.difference({"rho": by_name(row["change"])})
        assert isinstance(estimate, Estimate)
        parts = estimate.components(0.95)
        assert isinstance(parts, tuple)
        raw.append(p_value(parts, estimate.value))
    assert [row["p_value"] for row in own] == pytest.approx(holm(raw))


def test_assumption_free_bounds(rows: list[dict[str, Any]], context: Context) -> None:
    beyond = [row for row in rows if "worst_low" in row]
    assert len(beyond) >= 10
    for row in beyond:
        assert row["worst_low"] <= row["low"] + 1e-9
        assert row["high"] <= row["worst_high"] + 1e-9
    smaller = [r for r in rows if "half" in r["change"] and r["lens"] == "rho"]
    assert not any("worst_low" in row for row in smaller)
    # gsam has no gamma: where that one's range changes, it loses what it lost before.
    regrets = regrets_of(context)
    change = {"gamma": by_name("wider by 1.5")}
    lowest, highest = regrets.extremes(change)
    assert isinstance(lowest, Estimate)
    assert isinstance(highest, Estimate)
    best = context.best["adaptive_gsam"].value  # type: ignore[union-attr]
    assert highest.value - lowest.value == pytest.approx((best - CHANCE) / 3)


def test_safe_factor_is_where_the_bound_touches_zero() -> None:
    """Two flat surfaces that differ: by how much the box may grow follows from their difference."""
    found = planted(lambda x: 0.90 - 0.2 * (x > -2), lambda x: 0.90 - 0.0 * x, seed=3)
    row = range_curve(found)[0]
    assert row["verdict"] == "baseline"
    factor = row["safe_factor"]
    regrets = regrets_of(found)
    inner, outer = factor * 0.99 - 1, factor * 1.01 - 1
    lows = []
    for extra in (inner, outer):
        change = {"rho": Change(name="wider", low=0.0, high=1 + extra)}
        lows.append(to_leaf(regrets.extremes(change)[0], 0.95)["low"])
    assert lows[0] > 0 > lows[1]
    assert 1.2 < factor < 2.0


def planted(ours: Any, theirs: Any, *, seed: int, **study: Any) -> Context:
    """A study in which accuracy depends on log10 rho alone."""

    def surface(of: Any) -> Any:
        return lambda settings: of(np.log10(settings["rho"]))

    truths = {"gsam": Truth(surface=surface(theirs)), "adaptive_gsam": Truth(surface=surface(ours))}
    made = synthetic_study(optimizers=PAIR, tune=0, misset_seeds=4, **study)
    world = World(study=made, truths=truths)
    return make_context(
        world.trials(generator=np.random.default_rng([SEED, seed])), made, chance=CHANCE
    )


def test_a_planted_flip_is_found() -> None:
    """The candidate loses less at small rho and more at large: each half has another winner."""
    found = planted(
        lambda x: 0.9 - 0.12 * np.maximum(x + 0.7, 0),
        lambda x: 0.9 - 0.04 * np.maximum(-0.7 - x, 0),
        seed=1,
    )
    rows = range_curve(found)
    own = {r["change"]: r for r in rows if (r["lens"], r["axis"]) == ("rho", "rho")}
    assert rows[0]["verdict"] == "baseline"
    assert own["lower half"]["verdict"] == "candidate"
    assert own["lower half"]["flips"] is True
    assert own["upper half"]["verdict"] == "baseline"
    assert own["upper half"]["flips"] is False
    sentence = range_sentence(rows, "adaptive_gsam", "gsam")
    assert "The verdict at the same settings (gsam wins) flips in" in sentence


def test_without_a_flip_the_sentence_says_so() -> None:
    found = planted(lambda x: 0.9 - 0.0 * x, lambda x: 0.9 - 0.05 * np.abs(x + 0.7), seed=2)
    sentence = range_sentence(range_curve(found), "adaptive_gsam", "gsam")
    assert (
        "The verdict at the same settings (adaptive_gsam wins) does not flip in any of" in sentence
    )
    assert range_sentence([], "a", "b") == ""


def lr_study() -> Study:
    lr = Range(low=0.001, high=1.0, log=True, default=0.05)
    plain = synthetic_study(optimizers=PAIR)
    spaces = {
        name: SearchSpace(optimizer=name, ranges={**plain.search_spaces[name].ranges, "lr": lr})
        for name in PAIR
    }
    return synthetic_study(optimizers=PAIR, search_spaces=spaces, tune=0, misset_seeds=0)


def test_thirds_of_the_learning_rate() -> None:
    """The candidate wins at large learning rates alone."""

    def ours(settings: Settings) -> np.ndarray:
        return np.full(size_of(settings), 0.9)

    def theirs(settings: Settings) -> np.ndarray:
        return np.where(settings["lr"] > 0.1, 0.7, 0.9)

    study = lr_study()
    world = World(
        study=study, truths={"gsam": Truth(surface=theirs), "adaptive_gsam": Truth(surface=ours)}
    )
    trials = world.trials(generator=np.random.default_rng([SEED, 4]))
    context = make_context(trials, study, chance=CHANCE)
    rows = range_curve(context)
    own = {r["change"]: r for r in rows if (r["lens"], r["axis"]) == ("rho", "lr")}
    assert [own[third.name]["verdict"] for third in THIRDS][2] == "candidate"
    assert own["lower third"]["verdict"] in ("equivalent", "undecided")
    assert "By learning rate the verdict at the same settings is: lower third" in range_sentence(
        rows, "adaptive_gsam", "gsam"
    )


@pytest.mark.parametrize("optimizers", [("sgd", "gsam"), ("gsam", "gsam_matched")])
def test_nothing_to_compare(trials: pd.DataFrame, optimizers: tuple[str, str]) -> None:
    study = synthetic_study(optimizers=optimizers, candidate=optimizers[0], baseline=None)
    assert range_curve(make_context(trials, study, chance=CHANCE)) == []
    study = synthetic_study(optimizers=("sgd", "gsam"), candidate="sgd", baseline="gsam")
    rows = range_curve(make_context(trials, study, chance=CHANCE))
    assert [row["change"] for row in rows] == ["whole"] * 3
    assert all(row["difference"] is None and row["reason"] for row in rows)
    assert range_sentence(rows, "sgd", "gsam") == ""


def test_few_points_and_other_ranges(trials: pd.DataFrame) -> None:
    """Too few points give the reason; with other ranges both are compared where both searched."""
    few = trials[(trials["phase"] != "map") | (trials["point"] % 16 < 4)]
    rows = range_curve(make_context(few, synthetic_study(), chance=CHANCE))
    reasons = {row.get("reason") for row in rows if row["difference"] is None}
    assert "fewer than 8 points of the map lie in this box" in reasons
    spaces = dict(synthetic_study().search_spaces)
    narrow = Range(low=0.05, high=8.0, log=True, default=0.5)
    alpha = spaces["gsam"].ranges["alpha"]
    spaces["gsam"] = SearchSpace(optimizer="gsam", ranges={"rho": narrow, "alpha": alpha})
    own = trials[(trials["optimizer"] != "gsam") | (trials["rho"] >= 0.05)]
    study = synthetic_study(search_spaces=spaces)
    context = make_context(own, study, chance=CHANCE)
    rows = range_curve(context)
    assert rows[0]["box"]["rho"] == pytest.approx([0.05, 8.0])
    assert not regrets_of(context).paired
    assert regrets_of(context).difference({}).value == pytest.approx(  # type: ignore[union-attr]
        rows[0]["difference"]
    )


NAMES = ("lower half", "upper half", "middle half", "shifted down by a quarter")


def run_true_differences(repetitions: int) -> None:
    """Against the truth where optimizers differ, with a* known: the error of the means alone."""
    print(f"seed {SEED}, {repetitions} repetitions of a change of unit")  # noqa: T201
    known = dict.fromkeys(range(4), 0.9)
    best = Best(seeds="all seeds", accuracy=known, spread={}, imagined_B=np.zeros(0))
    changes = [{"rho": by_name(name)} for name in NAMES[:3]]
    changes.append({"rho": by_name("middle half"), "alpha": by_name("lower half")})
    truths: list[float] = []
    hits: list[list[bool]] = [[] for _ in changes]
    for repetition in range(repetitions):
        world = unit_change(seed=repetition, points=64, tune=0, misset_seeds=0)
        trials = world.trials(generator=np.random.default_rng([SEED, repetition]))
        empty = make_context(trials.iloc[:0], world.study, chance=CHANCE)
        table = read_table(trials, world.study, chance=CHANCE)
        context = replace(empty, table=table, best=dict.fromkeys(world.study.optimizers, best))
        regrets = regrets_of(context)
        truths = truths or [true_difference(world, regrets.axes, change) for change in changes]
        for hit, change, truth in zip(hits, changes, truths, strict=True):
            leaf = to_leaf(regrets.difference(change), 0.95)
            if leaf["value"] is not None:
                hit.append(leaf["low"] <= truth <= leaf["high"])
    rates = [float(np.mean(hit)) for hit in hits]
    print(truths, rates)  # noqa: T201
    assert min(rates) >= least_coverage(repetitions)


def true_difference(world: World, axes: tuple[Axis, ...], change: dict[str, Change]) -> float:
    means = []
    for optimizer in ("gsam", "adaptive_gsam"):
        settings = world.uniform(optimizer, 2**14)
        expected = np.maximum(world.truths[optimizer].expected(settings, CHANCE), CHANCE)
        unit = {a.name: a.unit(settings[a.name]) for a in axes if a.name in settings}
        means.append(float(np.average(expected, weights=weights(unit, change))))
    return means[0] - means[1]


def test_true_differences_are_covered() -> None:
    run_true_differences(40)


@pytest.mark.slow
def test_true_differences_are_covered_often() -> None:
    run_true_differences(500)


def run_changed_boxes(kind: str, repetitions: int) -> None:
    """Intervals of the difference cover in changed boxes, and an optimizer does not beat itself."""
    print(f"seed {SEED}, {repetitions} repetitions of {kind}")  # noqa: T201
    changes = [{"rho": by_name(name)} for name in NAMES]
    changes.append({"rho": by_name("middle half"), "alpha": by_name("middle half")})
    hits: list[list[bool]] = [[] for _ in changes]
    wins = 0
    for repetition in range(repetitions):
        small = {"points": 64, "tune": 0, "misset_seeds": 0}
        world = self_comparison(kind, seed=repetition, **small)
        trials = world.trials(generator=np.random.default_rng([SEED, repetition]))
        context = make_context(trials, world.study, chance=CHANCE)
        regrets = regrets_of(context)
        for hit, change in zip(hits, changes, strict=True):
            leaf = to_leaf(regrets.difference(change), 0.95)
            hit.append(leaf["low"] <= 0.0 <= leaf["high"])
        lens = {"rho", "own_best", "radius"} if repetition % 5 == 0 else set()
        wins += any(
            row["verdict"] in ("candidate", "baseline")
            for row in (range_curve(context) if lens else [])
            if row["axis"] == "rho"
        )
    rates = [float(np.mean(hit)) for hit in hits]
    print(rates, wins)  # noqa: T201
    assert min(rates) >= least_coverage(repetitions)
    assert wins / (repetitions / 5) <= most_false(repetitions // 5)


def test_an_optimizer_does_not_beat_itself_in_a_changed_box() -> None:
    run_changed_boxes("hill", 30)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hill", "cliff", "seeds"])
def test_changed_boxes(kind: str) -> None:
    run_changed_boxes(kind, 300)
