"""The forecast of a pack's time against its training, on a clock that moves with the work alone."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor

from agsam_tune.engine import pack_time, timing, train_pack, training
from agsam_tune.engine.evaluation import Evaluation
from agsam_tune.engine.lockstep import Lockstep
from agsam_tune.study import Sharpness
from tests.engine.problems import RECIPE, a_pack, blobs

STEP = 0.125


class Clock:
    """Seconds that pass in a pack's parts; `cold` ones besides when a part is first reached."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cold = 0.0
        self.steps = 0
        self._reached: set[str] = set()

    def perf_counter(self) -> float:
        return self.now

    def taking(self, part: str, made: Callable[..., Any], seconds: Callable[..., float]) -> Any:
        def slower(*arguments: Any) -> Any:
            self.now += seconds(*arguments) + (0.0 if part in self._reached else self.cold)
            self._reached.add(part)
            self.steps += part == "step"
            return made(*arguments)

        return slower


def _share_of_examples(split: Evaluation, most: int | None) -> float:
    return (len(split) if most is None else min(most, len(split))) / 1024


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    step = clock.taking("step", Lockstep.take_step, lambda *_: STEP)
    example = clock.taking("example", Evaluation._chunks, _share_of_examples)
    prepare = clock.taking("prepare", Lockstep.prepare, lambda *_: 4.0)
    monkeypatch.setattr(Lockstep, "take_step", step)
    monkeypatch.setattr(Evaluation, "_chunks", example)
    monkeypatch.setattr(Lockstep, "prepare", staticmethod(prepare))
    measure = training.measured_sharpness

    def sharpness(task: Any, weights: Iterable[tuple[Tensor, bool]], *rest: Any) -> Any:
        measured = list(weights)
        clock.now += 0.5 * len(measured)
        return measure(task, measured, *rest)

    for module in (timing, training):
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module, "measured_sharpness", sharpness)
    return clock


@pytest.mark.parametrize("optimizer", ["sgd", "gsam", "sgd_2x"])
@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("sharpness", [None, Sharpness(examples=20, max_iterations=2)])
def test_it_is_the_time_of_the_training(
    clock: Clock, optimizer: str, validated: bool, sharpness: Sharpness | None
) -> None:
    """But for the code that is loaded when a step or an example is first computed."""
    task = blobs() if validated else replace(blobs(), validation=None)
    pack = a_pack(optimizer, 3)
    clock.cold = 32.0
    forecast = pack_time(pack, task, RECIPE, study_seed=0, sharpness=sharpness)
    prepared = forecast.prepare - clock.cold
    outcomes = train_pack(pack, task, RECIPE, study_seed=0, sharpness=sharpness)
    assert (forecast.rows, prepared, forecast.step) == (3, 4.0, STEP)
    assert forecast.seconds - clock.cold == pytest.approx(outcomes[0].seconds * 3, rel=1e-12)


@pytest.mark.parametrize(("seconds", "made"), [(0.0, 4), (6 * STEP, 6), (1e9, 2 * 7)])
def test_a_few_steps_are_made_for_it(clock: Clock, seconds: float, made: int) -> None:
    """Three after the first, more until they have taken so long, never more than a training's."""
    pack_time(a_pack("gsam", 2), blobs(), RECIPE, study_seed=0, seconds=seconds)
    assert clock.steps == made


def test_a_training_of_one_step_is_forecast(clock: Clock) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1, "batch_size": 10_000})
    found = pack_time(a_pack("gsam", 2), blobs(), recipe, study_seed=0)
    assert (found.steps, found.step) == (1, STEP)
