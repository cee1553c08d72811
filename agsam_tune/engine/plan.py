"""How a study's packs are computed on a device: the way that is fastest, and how many rows.

In: a task, a recipe, a device. Out: a plan, found by measuring for a moment. Must not import
Ray or Optuna.

The plan is made once a run and kept in its manifest, since the ways round differently: a
run has the same numbers whichever worker trains a trial, and when it is carried on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from agsam_tune.engine.cpu import one_thread
from agsam_tune.engine.evaluation import Evaluation
from agsam_tune.engine.layout import row_aligned
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.engine.ways import pack_model, possible_ways, precision, task_blueprint
from agsam_tune.study import Training
from agsam_tune.tasks.task import Task

# A way must be this much faster than a surer one to be taken in its place, so that two
# measurements seldom choose differently.
_CLEARLY_FASTER = 1.5
# Rows of a stacked pack whose weights stay in a core's cache (moons: 64 rows of 2,300).
_CACHED_WEIGHTS, _MOST_ROWS = 1 << 18, 64
# Row by row, more rows are no faster; a few make a pack worth its way to a worker.
_ROWS_ONE_BY_ONE = 8
# What is lost when a worker is killed, and waited for at the end.
_LONGEST_PACK_SECONDS = 120.0
_MEASURED_SECONDS = 0.25
_MEMORY_SHARE, _MOST_GPU_ROWS = 0.7, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How packs are computed.

    Attributes:
        way: see `ways`.
        rows: trials of a pack.
        seconds: for each way that was measured, seconds of one loss and gradient of one row
            on one batch; empty where nothing was measured.
    """

    way: str
    rows: int
    seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(
    task: Task, training: Training, *, device: str, way: str, rows: int | str, share: float = 1.0
) -> Plan:
    """The plan for a study.

    Args:
        task: data and model.
        training: the recipe.
        device: where packs are trained, as PyTorch names it. Where this process has no such
            device, nothing is measured.
        way: as the study has it; `auto` is chosen by measuring.
        rows: as the study has it; `auto` is chosen by what fits the cache or the GPU's
            memory, and so that a pack takes two minutes at most.
        share: of the GPU's memory that a pack may take.

    Raises:
        ModelError: the model cannot be trained, or not in this way.
    """
    place = torch.device(device)
    possible = possible_ways(task_blueprint(task), training, device=place)
    ways = possible if way == "auto" else (way,)
    if place.type == "cuda" and not torch.cuda.is_available():
        model = pack_model(
            task, training, way=ways[0], device=torch.device("cpu"), dtype=torch.float32
        )
        return Plan(way=ways[0], rows=_auto_rows(model, ways[0], rows), seconds={})
    with one_thread(), precision(training.precision), torch.no_grad():
        trials = {name: _Trial.of(task, training, name, place, rows, share) for name in ways}
        seconds = {name: trial.seconds() for name, trial in trials.items()}
    chosen = ways[0]
    for name in ways[1:]:
        if seconds[name] * _CLEARLY_FASTER < seconds[chosen]:
            chosen = name
    passes = 4 * training.epochs * -(-len(task.train.y) // training.batch_size)
    fitting = max(int(_LONGEST_PACK_SECONDS / (passes * seconds[chosen])), 1)
    size = trials[chosen].rows if isinstance(rows, int) else min(trials[chosen].rows, fitting)
    return Plan(way=chosen, rows=size, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A way that is being measured: a pack of `rows` rows on the first batch."""

    rows: int
    step: Callable[[int], None]
    device: torch.device

    @classmethod
    def of(
        cls,
        task: Task,
        training: Training,
        way: str,
        device: torch.device,
        rows: int | str,
        share: float,
    ) -> _Trial:
        model = pack_model(task, training, way=way, device=device, dtype=torch.float32)
        step = _steps(model, task, training, device)
        size = _auto_rows(model, way, rows)
        if device.type == "cuda" and not isinstance(rows, int):
            size = _rows_that_fit(step, device, share)
        return cls(rows=size, step=step, device=device)

    def seconds(self) -> float:
        """Seconds of one pass of one row: the fastest of several, after one to warm up."""
        rows = min(self.rows, _MOST_ROWS)
        self.step(rows)
        best, end = float("inf"), time.perf_counter() + _MEASURED_SECONDS
        while best == float("inf") or time.perf_counter() < end:
            started = time.perf_counter()
            self.step(rows)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            best = min(best, time.perf_counter() - started)
        return best / rows


def _steps(
    model: PackModel, task: Task, training: Training, device: torch.device
) -> Callable[[int], None]:
    """A function that computes losses and gradients of K rows on the first batch."""
    train = Evaluation.of(task.train, model, device, torch.float32)
    x_BD, y_B = (part[: training.batch_size] for part in (train.x_ND, train.y_N))

    def step(rows: int) -> None:
        w_KP = torch.full((rows, model.width), 0.01, device=device)
        x_KBD = row_aligned((rows, *x_BD.shape), x_BD).copy_(x_BD.expand(rows, *x_BD.shape))
        noise = [0] * rows if model.stochastic else None
        y_KB = y_B.expand(rows, -1).contiguous()
        model.loss_and_gradient(w_KP, x_KBD, y_KB, torch.zeros_like(w_KP), noise)

    return step


def _auto_rows(model: PackModel, way: str, rows: int | str) -> int:
    if isinstance(rows, int):
        return rows
    if way == "rows":
        return _ROWS_ONE_BY_ONE
    return min(max(_CACHED_WEIGHTS // model.width, 4), _MOST_ROWS)


def _rows_that_fit(step: Callable[[int], None], device: torch.device, share: float) -> int:
    """Rows whose step takes at most `share` of what is free of the GPU's memory.

    A step of one row and one of five are measured; what each more row takes is their
    difference. Running means, both gradients and the ascent step are among what is left.
    """
    peaks = []
    for rows in (1, 5):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        step(rows)
        torch.cuda.synchronize(device)
        peaks.append(torch.cuda.max_memory_allocated(device))
    each = max((peaks[1] - peaks[0]) / 4, 1.0)
    free, _ = torch.cuda.mem_get_info(device)
    fitting = int(_MEMORY_SHARE * min(share, 1.0) * free / each)
    return min(max(fitting, 1), _MOST_GPU_ROWS)
