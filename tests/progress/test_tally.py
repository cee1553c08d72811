"""Counts, bests and medians are those of all trials, at a cost that does not grow with them."""

import random
import statistics
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from agsam_tune.progress.tally import Histogram, Tally
from agsam_tune.trials import Outcome, State, Trial


def _outcome(
    point: int, seed: int, accuracy: float, *, phase: str = "map", failed: bool = False
) -> Outcome:
    trial = Trial(
        optimizer="gsam",
        phase=phase,
        replicate=0,
        index=point,
        point=point,
        seed=seed,
        hyperparameters=(),
    )
    state = State.FAIL if failed else State.COMPLETE
    return Outcome(trial=trial, state=state, val_accuracy=accuracy, diverged=accuracy == 0.5)


def test_a_best_is_of_points_that_are_meant_to_be_good() -> None:
    tally = Tally()
    tally.add([_outcome(0, 0, 0.7), _outcome(1, 0, 0.5), _outcome(0, 0, 1.0, phase="off")])
    assert tally.best == {"gsam": 0.7}
    tally.add([_outcome(0, 0, 0.8, phase="tune"), _outcome(2, 0, 0.6)])
    assert tally.best == {"gsam": 0.8}
    assert tally.done == {("map", "gsam"): 3, ("off", "gsam"): 1, ("tune", "gsam"): 1}
    assert (tally.diverged, tally.failed) == (1, 0)


def test_a_trial_that_failed_is_done_and_has_no_accuracy() -> None:
    tally = Tally()
    tally.add([_outcome(0, 0, float("nan"), failed=True)])
    assert (tally.failed, tally.done.total(), tally.best) == (1, 1, {})
    assert tally.median("gsam") != tally.median("gsam")
    assert tally.median("unheard") != tally.median("unheard")


def test_what_is_run_again_is_counted_no_more() -> None:
    tally, again = Tally(), [_outcome(0, 0, 0.5), _outcome(0, 1, 0.9)]
    tally.add([*again, _outcome(1, 0, 0.7), _outcome(2, 0, float("nan"), failed=True)])
    tally.drop([*again, _outcome(2, 0, float("nan"), failed=True)])
    assert (tally.diverged, tally.failed, tally.done.total()) == (0, 0, 1)
    assert tally.median("gsam") == 0.7
    assert tally.best == {"gsam": 0.9}


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1001])
def test_the_running_median_is_the_median(n: int) -> None:
    rng, histogram, numbers = random.Random(n), Histogram(), []
    for _ in range(n):
        numbers.append(rng.random())
        histogram.add(numbers[-1])
        assert histogram.median() == pytest.approx(statistics.median(numbers), abs=0.0005)
    histogram.add(float("nan"))
    assert histogram.median() == pytest.approx(statistics.median(numbers), abs=0.0005)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_the_ends_are_exact(fraction: float) -> None:
    histogram = Histogram()
    histogram.add(fraction)
    assert histogram.median() == fraction


def test_the_last_trial_of_many_costs_what_the_first_did() -> None:
    tally, lines = Tally(), 0

    def count(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        nonlocal lines
        lines += 1
        return count

    def cost(point: int) -> int:
        """Lines of Python that a point's trials take."""
        nonlocal lines
        lines, before = 0, sys.gettrace()
        sys.settrace(count)
        try:
            tally.add([_outcome(point, seed, 0.8) for seed in range(4)])
            tally.median("gsam")
        finally:
            sys.settrace(before)
        return lines

    tally.add(_outcome(0, s, 0.8) for s in range(4))
    first = cost(1)
    tally.add(_outcome(p, s, 0.8) for p in range(2, 1000) for s in range(4))
    assert first > 1000
    assert cost(1000) == first
