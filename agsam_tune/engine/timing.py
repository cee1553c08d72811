"""How long a pack takes, from a few of its steps.

In: a pack, its tasks and a recipe. Out: seconds. Nothing is trained to the end. Must not import
Ray or Optuna.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import torch

from agsam_tune.engine.devices import synchronise
from agsam_tune.engine.evaluation import mean_loss
from agsam_tune.engine.lockstep import Lockstep
from agsam_tune.engine.record import Record
from agsam_tune.engine.sharpness import measured_sharpness, rows_of
from agsam_tune.engine.training import as_tasks, prepared, sharpness_seed
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Task
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Pack

_FEW, _MANY, _STEPS = 32, 1024, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTime:
    """Where the time of a pack goes.

    Attributes:
        rows: trials of the pack.
        prepare: seconds before its first step.
        step: seconds of a step of all rows.
        steps: of a training.
        evaluate: seconds of computing one example with all rows.
        evaluations: examples that a training computes without a step.
        sharpness: seconds of measuring the final weights of all rows.
    """

    rows: int
    prepare: float
    step: float
    steps: int
    evaluate: float
    evaluations: int
    sharpness: float

    @property
    def seconds(self) -> float:
        """Of the whole pack."""
        trained = self.steps * self.step + self.evaluations * self.evaluate
        return self.prepare + trained + self.sharpness


def pack_time(
    pack: Pack,
    tasks: Task | Tasks,
    training: Training,
    *,
    study_seed: int,
    device: str = "cpu",
    way: str = "auto",
    sharpness: Sharpness | None = None,
    seconds: float = 0.5,
) -> PackTime:
    """Measure a pack's steps for about so many seconds, and what follows them a little.

    Args:
        pack: the trials; rows that diverge early are faster than others.
        tasks: data of each replicate, and the model; a task is for all of them.
        training: the recipe.
        study_seed: the study's seed.
        device: where to train, as PyTorch names it.
        way: how the models are computed.
        sharpness: what is to be measured of the final weights.
        seconds: of steps, about; three are made in any case, and a training's at most.
    """
    started = time.perf_counter()
    place, tasks = torch.device(device), as_tasks(tasks)
    with prepared(pack, tasks, training, study_seed, device=place, way=way) as run:
        prepare = time.perf_counter() - started
        record = Record.empty(
            len(pack.trials), run.epochs, two_pass=run.rule.ascent is not None, like=run.w_KP,
            gradients=sharpness is not None,
        )  # fmt: skip
        step = _seconds_of_a_step(run, record, place, seconds)
        evaluate = _seconds_of_an_example(run, place, seconds)
        measured = 0.0
        if sharpness is not None:
            first = [(next(rows_of(run.model, run.w_KP)), True)]
            started = time.perf_counter()
            task = tasks[pack.trials[0].replicate]
            measured_sharpness(task, first, sharpness, sharpness_seed(study_seed), place)
            measured = (time.perf_counter() - started) * len(pack.trials)
        splits = {id(split): len(split) for split in (run.test, run.choosing)}
        return PackTime(
            rows=len(pack.trials),
            prepare=prepare,
            step=step,
            steps=run.epochs * run.batches.per_epoch,
            evaluate=evaluate,
            evaluations=run.epochs * sum(splits.values()) + len(run.test) + len(run.train),
            sharpness=measured,
        )


def _seconds_of_a_step(
    run: Lockstep, record: Record, device: torch.device, seconds: float
) -> float:
    """The mean over steps, after one to warm up."""
    times: list[float] = []
    epochs = (run.batches.epoch(epoch) for epoch in range(run.epochs))
    for batch in itertools.chain.from_iterable(epochs):
        synchronise(device)
        started = time.perf_counter()
        run.take_step(batch, record)
        synchronise(device)
        times.append(time.perf_counter() - started)
        if len(times) > _STEPS and sum(times) >= seconds:
            break
    return sum(times[1:]) / (len(times) - 1) if len(times) > 1 else times[0]


def _seconds_of_an_example(run: Lockstep, device: torch.device, seconds: float) -> float:
    """Of evaluating it with all rows: of a few examples, and of more where these are fast."""

    def each(examples: int) -> float:
        synchronise(device)
        started = time.perf_counter()
        mean_loss(run.model, run.loss, run.w_KP, run.test, examples)
        synchronise(device)
        return (time.perf_counter() - started) / min(examples, len(run.test))

    each(_FEW)  # code may have to be loaded for it
    found = each(_FEW)
    return each(_MANY) if found * _MANY <= seconds else found
