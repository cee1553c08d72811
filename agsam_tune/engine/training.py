"""Training a pack to the end: the only training.

In: a pack of trials, their tasks and a recipe. Out: an outcome for each trial, in the pack's
order. `lockstep` makes the steps. Must not import Ray or Optuna.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from agsam_tune import __version__
from agsam_tune.engine.checkpoint import Checkpoint, Checkpoints
from agsam_tune.engine.cpu import one_thread
from agsam_tune.engine.evaluation import evaluate_accuracy, mean_loss
from agsam_tune.engine.lockstep import Lockstep
from agsam_tune.engine.record import Record
from agsam_tune.engine.sharpness import measured_sharpness, rows_of
from agsam_tune.engine.ways import pack_model, precision
from agsam_tune.streams import stream_seed
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Task
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Outcome, Pack


def train_pack(
    pack: Pack,
    tasks: Task | Tasks,
    training: Training,
    *,
    study_seed: int,
    device: str = "cpu",
    way: str = "auto",
    sharpness: Sharpness | None = None,
    dtype: torch.dtype = torch.float32,
    checkpoints: Checkpoints | None = None,
) -> tuple[Outcome, ...]:
    """Train every trial of the pack to the end.

    Weights and batches follow from a trial's phase, replicate, index and seed, so that trials of
    different optimizers share them, and no others do. Each row trains on its replicate's data.
    On a CPU a row's bits do not depend on its pack. A row whose weights or loss become
    non-finite is frozen at its last finite weights and recorded as diverged.

    Args:
        pack: trials of one optimizer and phase.
        tasks: data of each replicate, and the model; a task is for all of them.
        training: the recipe; a trial's own lr, momentum and weight_decay come before it.
        study_seed: the study's seed, a coordinate of the random streams.
        device: where to train, as PyTorch names it.
        way: how the models are computed; see `ways`.
        sharpness: what to measure of the final weights, and of the gradients on the way.
        dtype: of weights and data.
        checkpoints: where the pack's checkpoint is written, and carried on from if one was left
            behind; on a CPU the bits are those of a training without a break.
    """
    started = time.perf_counter()
    place, tasks = torch.device(device), as_tasks(tasks)
    with prepared(pack, tasks, training, study_seed, device=place, way=way, dtype=dtype) as run:
        record = Record.empty(
            len(pack.trials),
            run.epochs,
            two_pass=run.rule.ascent is not None,
            like=run.w_KP,
            gradients=sharpness is not None,
        )
        checkpoint = None
        if checkpoints is not None and checkpoints.every:
            facts = _facts(pack, tasks, training, run, study_seed, way=way, sharpness=sharpness)
            checkpoint = Checkpoint(checkpoints, facts, started=started)
            started -= run.carry_on(record, checkpoint)
        for epoch in range(record.closed, run.epochs):
            run.train_epoch(epoch, record, checkpoint)
            record.close_epoch(evaluate_accuracy(run.model, run.w_KP, run.choosing, run.test))
        losses = [mean_loss(run.model, run.loss, run.w_KP, s) for s in (run.test, run.train)]
        record.close(*losses)
        measured: list[dict[str, float]] = []
        if sharpness is not None:
            measured = _sharpness_of_rows(pack, tasks, run, record, sharpness, study_seed)
        if checkpoint is not None:
            checkpoint.remove()
        seconds = (time.perf_counter() - started) / len(pack.trials)
        chance = [(task.choosing.chance, task.test.chance) for task in _tasks_of(pack, tasks)]
        return record.outcomes(
            pack.trials, *losses, chance=chance, seconds=seconds, sharpness=measured
        )


def training_epochs(
    pack: Pack, tasks: Task | Tasks, training: Training
) -> Iterator[tuple[int, list[float]]]:
    """The steps of a training alone, epoch by epoch, without evaluations: to be measured.

    Yields:
        the steps of an epoch and each row's mean loss over them. PyTorch's settings are those
        of a training between two epochs too.
    """
    with prepared(pack, tasks, training, 0, device=torch.device("cpu")) as run:
        two_pass = run.rule.ascent is not None
        for epoch in range(run.epochs):
            record = Record.empty(
                len(pack.trials), 1, two_pass=two_pass, like=run.w_KP, gradients=False
            )
            run.train_epoch(epoch, record)
            steps = run.batches.per_epoch
            yield steps, (record.epoch_MK[0] / steps).tolist()


@contextmanager
def prepared(
    pack: Pack,
    tasks: Task | Tasks,
    training: Training,
    study_seed: int,
    *,
    device: torch.device,
    way: str = "auto",
    dtype: torch.dtype = torch.float32,
) -> Iterator[Lockstep]:
    """A pack before its first step, with PyTorch as a training needs it; as it was, afterwards."""
    tasks = as_tasks(tasks)
    # The first replicate's whichever rows there are: none may depend on its pack.
    model = pack_model(tasks.first, training, way=way, device=device, dtype=dtype)
    # Autograd cannot save tensors of inference mode, which is the faster where it is not asked.
    mode = torch.no_grad if model.records_graph else torch.inference_mode
    with one_thread(), precision(training.precision), mode():
        yield Lockstep.prepare(pack, tasks, training, study_seed, model, device, dtype)


def as_tasks(tasks: Task | Tasks) -> Tasks:
    """The tasks of all replicates."""
    return Tasks.alike(tasks) if isinstance(tasks, Task) else tasks


def _tasks_of(pack: Pack, tasks: Tasks) -> list[Task]:
    """The task of each row."""
    return [tasks[trial.replicate] for trial in pack.trials]


def sharpness_seed(study_seed: int) -> int:
    """Of the start vector of all trials of a study."""
    return stream_seed(study_seed=study_seed, stream="sharpness") >> 65


def _sharpness_of_rows(
    pack: Pack,
    tasks: Tasks,
    run: Lockstep,
    record: Record,
    wanted: Sharpness,
    study_seed: int,
) -> list[dict[str, float]]:
    """Of each row's final weights, on its own data; rows of one data set together."""
    weights = list(zip(rows_of(run.model, run.w_KP), record.alive_K.tolist(), strict=True))
    found: dict[int, dict[str, float]] = {}
    rows_of_task: dict[int, list[int]] = {}
    of_rows = _tasks_of(pack, tasks)
    for row, task in enumerate(of_rows):
        rows_of_task.setdefault(id(task), []).append(row)
    seed, device = sharpness_seed(study_seed), run.w_KP.device
    for rows in rows_of_task.values():
        chosen = [weights[row] for row in rows]
        measured = measured_sharpness(of_rows[rows[0]], chosen, wanted, seed, device)
        found.update(zip(rows, measured, strict=True))
    return [found[row] for row in range(len(weights))]


def _facts(
    pack: Pack,
    tasks: Tasks,
    training: Training,
    run: Lockstep,
    study_seed: int,
    *,
    way: str,
    sharpness: Sharpness | None,
) -> dict[str, Any]:
    """What decides a pack's numbers."""
    # A model may be any function; what its weights begin with tells most of them apart.
    weights = run.w_KP[0].cpu().numpy().tobytes()
    return {
        "agsam_tune": __version__,
        "study_seed": study_seed,
        "data": [tasks.digest(trial.replicate) for trial in pack.trials],
        "trials": pack.to_list(),
        "training": training.model_dump(mode="json"),
        "sharpness": sharpness and sharpness.model_dump(mode="json"),
        "way": way,
        "weights": hashlib.sha256(weights).hexdigest(),
        "device": run.w_KP.device.type,
        "dtype": str(run.w_KP.dtype),
    }
