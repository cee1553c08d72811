"""How a study's packs are computed on a device: the way that is fastest, and how many rows.

In: a task, a recipe, a device. Out: a plan, found by measuring for a moment. Must not import
Ray or Optuna.

The plan is made once a run and kept in its manifest, since the ways round differently: a
run has the same numbers whichever worker trains a trial, and when it is carried on.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor

from agsam_tune.engine.compiled.rows import CompiledRows
from agsam_tune.engine.cpu import one_thread
from agsam_tune.engine.devices import synchronise
from agsam_tune.engine.evaluation import CHUNK
from agsam_tune.engine.inspection import ModelError, raised
from agsam_tune.engine.layout import row_aligned
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.engine.sharpness import check_sharpness
from agsam_tune.engine.training import as_tasks
from agsam_tune.engine.ways import pack_model, possible_ways, precision, task_blueprint
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Split, Task
from agsam_tune.tasks.tasks import Tasks

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
# Matrices of a step besides the weights and one gradient: running means, the other gradient,
# the ascent step, the direction, and what they are made from.
_MORE_MATRICES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How packs are computed.

    Attributes:
        way: see `ways`.
        rows: trials of a pack.
        seconds: for each way that was measured, seconds of one loss and gradient of one row
            on one batch; empty where nothing was measured.
        refused: for each way that the model does not take, what it raised.
    """

    way: str
    rows: int
    seconds: dict[str, float]
    refused: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(
    tasks: Task | Tasks,
    training: Training,
    *,
    device: str,
    way: str,
    rows: int | str,
    share: float = 1.0,
    sharpness: Sharpness | None = None,
) -> Plan:
    """The plan for a study.

    Args:
        tasks: data of each replicate, and the model; a task is for all of them.
        training: the recipe.
        device: where packs are trained, as PyTorch names it. Where this process has no such
            device, nothing is measured.
        way: as the study has it; `auto` is chosen by measuring.
        rows: as the study has it; `auto` is chosen by what fits the cache or the GPU's
            memory, and so that a pack takes two minutes at most.
        share: of the GPU's memory that a pack may take.
        sharpness: what is to be measured of the final weights; tried on the initial ones.

    Raises:
        ModelError: the model cannot be trained, or not in this way, or its sharpness cannot be
            measured.
    """
    tasks, place = as_tasks(tasks), torch.device(device)
    task = tasks.first
    absent = place.type == "cuda" and not torch.cuda.is_available()
    possible = possible_ways(task_blueprint(task), training, device=place)
    ways = possible if way == "auto" else (way,)
    if sharpness is not None:
        check_sharpness(task, sharpness, torch.device("cpu") if absent else place)
    if absent:
        model = pack_model(
            task, training, way=ways[0], device=torch.device("cpu"), dtype=torch.float32
        )
        size = rows if isinstance(rows, int) else _cached_rows(model, ways[0])
        return Plan(way=ways[0], rows=size, seconds={}, refused={})
    with one_thread(), precision(training.precision), torch.no_grad():
        candidates, refused = _measured(tasks, training, ways, place, rows, share)
    if place.type == "cuda":
        torch.cuda.empty_cache()  # the workers of this card need it
    chosen, *others = candidates
    for name in others:
        if candidates[name].seconds * _CLEARLY_FASTER < candidates[chosen].seconds:
            chosen = name
    size = candidates[chosen].rows
    if not isinstance(rows, int):
        passes = 4 * training.epochs * -(-len(task.train.y) // training.batch_size)
        fitting = int(_LONGEST_PACK_SECONDS / (passes * candidates[chosen].seconds))
        size = min(size, max(fitting, 1))
    seconds = {name: candidate.seconds for name, candidate in candidates.items()}
    return Plan(way=chosen, rows=size, seconds=seconds, refused=refused)


def _measured(
    tasks: Tasks,
    training: Training,
    ways: tuple[str, ...],
    device: torch.device,
    rows: int | str,
    share: float,
) -> tuple[dict[str, _Candidate], dict[str, str]]:
    """The ways that the model takes, and for each other one what it raised.

    Raises:
        ModelError: there is none that it takes.
    """
    candidates: dict[str, _Candidate] = {}
    refused: dict[str, str] = {}
    for way in ways:
        try:
            candidates[way] = _Candidate.measured(tasks, training, way, device, rows, share)
        except ModelError:
            raise
        except Exception as error:
            # Such as vmap, which does not know every operation; another way may.
            refused[way] = raised(error)
            if way == ways[-1] and not candidates:
                msg = f"the model cannot be computed in the way {way!r}: {refused[way]}"
                raise ModelError(msg) from error
    return candidates, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A way that was measured: how many rows a pack has in it, and seconds of a row's pass."""

    rows: int
    seconds: float

    @classmethod
    def measured(
        cls,
        tasks: Tasks,
        training: Training,
        way: str,
        device: torch.device,
        rows: int | str,
        share: float,
    ) -> Self:
        sample = _Sample.of(tasks.first, training, way, device)
        if isinstance(sample.model, CompiledRows):
            # Here and once, lest every worker does it.
            sample.model.compile(torch.float32)
        if isinstance(rows, int):
            size = rows
        elif device.type == "cuda":
            size = _rows_that_fit(sample, _bytes_of(tasks), device, share)
        else:
            size = _cached_rows(sample.model, way)
        return cls(rows=size, seconds=_seconds(sample, min(size, _MOST_ROWS), device))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sample:
    """A model and a few examples to compute it on."""

    model: PackModel
    x_ND: Tensor
    y_N: Tensor
    batch: int

    @classmethod
    def of(cls, task: Task, training: Training, way: str, device: torch.device) -> Self:
        model = pack_model(task, training, way=way, device=device, dtype=torch.float32)
        few = max(training.batch_size, CHUNK)
        part = task.train.part(few)
        x_ND = model.flat(torch.as_tensor(part.x, device=device))
        batch = min(training.batch_size, len(part.y))
        return cls(model=model, x_ND=x_ND, y_N=torch.as_tensor(part.y, device=device), batch=batch)

    def train(self, rows: int) -> None:
        """Losses and gradients of `rows` rows on one batch."""
        w_KP, x_BD = self._weights(rows), self.x_ND[: self.batch]
        x_KBD = row_aligned((rows, *x_BD.shape), x_BD).copy_(x_BD.expand(rows, *x_BD.shape))
        y_KB = self.y_N[: self.batch].expand(rows, -1).contiguous()
        noise = [0] * rows if self.model.stochastic else None
        self.model.loss_and_gradient(w_KP, x_KBD, y_KB, torch.zeros_like(w_KP), noise)

    def evaluate(self, rows: int) -> None:
        """Logits of `rows` rows on as many examples as are evaluated at a time."""
        self.model.logits(self._weights(rows), self.x_ND[:CHUNK])

    def _weights(self, rows: int) -> Tensor:
        return torch.full((rows, self.model.width), 0.01, device=self.x_ND.device)


def _seconds(sample: _Sample, rows: int, device: torch.device) -> float:
    """Seconds of one pass of one row: the fastest of several, after one to warm up."""
    sample.train(rows)
    best, end = float("inf"), time.perf_counter() + _MEASURED_SECONDS
    while best == float("inf") or time.perf_counter() < end:
        synchronise(device)
        started = time.perf_counter()
        sample.train(rows)
        synchronise(device)
        best = min(best, time.perf_counter() - started)
    return best / rows


def _cached_rows(model: PackModel, way: str) -> int:
    """Rows of a pack that are fast on a CPU."""
    if way == "rows":
        return _ROWS_ONE_BY_ONE
    return min(max(_CACHED_WEIGHTS // model.width, 4), _MOST_ROWS)


def _bytes_of(tasks: Tasks) -> tuple[int, int]:
    """Bytes of data on the device: for all rows, and for each, which may have its own."""
    every, first = ({id(s.x) for s in _splits(task)} for task in (tasks.found[-1], tasks.first))
    arrays = {id(split.x): split.x.nbytes for split in _splits(tasks.first)}
    shared = sum(arrays[number] for number in every & first)
    # Besides inputs a place in them and a label of each example, both int64.
    own = sum(arrays[number] for number in first - every)
    own += sum(16 * len(split.y) for split in _splits(tasks.first))
    return (shared, own) if len(tasks.found) > 1 else (shared + own, 0)


def _splits(task: Task) -> tuple[Split, ...]:
    return (task.train, task.test, *([] if task.validation is None else [task.validation]))


def _rows_that_fit(
    sample: _Sample, data: tuple[int, int], device: torch.device, share: float
) -> int:
    """Rows whose step and evaluation take at most a pack's share of the GPU's free memory.

    One row and five are measured; what each more row takes is their difference.

    Args:
        sample: the model and a few examples.
        data: bytes of data that lie there too, for all rows and for each.
        device: the GPU.
        share: of its memory that a pack may take.
    """
    peaks = []
    for rows in (1, 5):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        sample.train(rows)
        sample.evaluate(rows)
        torch.cuda.synchronize(device)
        peaks.append(torch.cuda.max_memory_allocated(device))
    each = (peaks[1] - peaks[0]) / 4 + _MORE_MATRICES * sample.model.width * 4
    for_all, own = data
    each += own
    free, _ = torch.cuda.mem_get_info(device)
    fitting = int((_MEMORY_SHARE * min(share, 1.0) * free - for_all) / each)
    return min(max(fitting, 1), _MOST_GPU_ROWS)
