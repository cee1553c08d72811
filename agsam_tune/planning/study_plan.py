"""What a study will take and what it can find, from a few measured steps and a small pilot.

In: a study, and where it would run. Out: a `StudyPlan`. Nothing is stored. Must not import
torch, Ray or Optuna; the engine is imported where it is used.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agsam_tune.agenda import Agenda
from agsam_tune.design import drawn_trials
from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import device_of, plan
from agsam_tune.packs import make_packs
from agsam_tune.planning.pilot import Pilot, run_pilot
from agsam_tune.planning.schedule import Schedule, played_through
from agsam_tune.study import Study
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Outcome, Pack, Trial

# Seconds that a run takes besides its packs: imports, Ray's start and the workers', their end.
_START_UP = {"ray": (7.0, 13.0), "inline": (1.0, 3.0)}
# What a trial costs the driver, in seconds of wall time, and the report: a base and each trial's.
_DRIVER, _REPORT, _REPORT_TRIAL = 0.0008, (5.0, 10.0), 0.0006
# What a step takes besides its passes, and a forward pass, in passes.
_STEP, _FORWARD = 1.1, 0.35
# Packs beside one another slow each other down; a machine is not always as fast as just now.
_FASTER, _SLOWER = 0.93, 1.17


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePlan:
    """What one optimizer does in one phase.

    Attributes:
        phase: its name.
        optimizer: its name.
        points: how many.
        trials: that are left to run.
        packs: they make.
    """

    phase: str
    optimizer: str
    points: int
    trials: int
    packs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What a study will take and what it can find.

    Attributes:
        study: its name.
        stored: trials that are there already.
        trials: trials that are left.
        phases: what is left, by phase and optimizer.
        way: how packs are computed.
        rows: trials of a pack.
        places: packs that are trained at once.
        device: `cpu` or `cuda`.
        seconds_per_trial: of each optimizer, core- or GPU-seconds.
        core_hours: core- or GPU-hours of all packs.
        wall: seconds from the command to the report: least, expected, most.
        memory_mb: of a worker's process, about.
        pilot: what the pilot found, or None: see `Pilot`.
        no_pilot: why there was none.
    """

    study: str
    stored: int
    trials: int
    phases: tuple[PhasePlan, ...]
    way: str
    rows: int
    places: int
    device: str
    seconds_per_trial: Mapping[str, float]
    core_hours: float
    wall: tuple[float, float, float]
    memory_mb: float
    pilot: Pilot | None
    no_pilot: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        from agsam_tune.planning.texts import described

        return described(self)

    def _repr_html_(self) -> str:
        from agsam_tune.planning.texts import as_html

        return as_html(self)


def study_plan(
    study: Study,
    task: Task,
    *,
    stored: Iterable[Outcome] = (),
    engine: Mapping[str, Any] | None = None,
    cores: int | None = None,
    executor: str = "ray",
    pilot: int = 4,
    seconds: float = 0.5,
    report: bool = True,
    said: Callable[[str], None] = lambda _: None,
) -> StudyPlan:
    """What is left of a study, how long it takes, and what it can find.

    Args:
        study: the study.
        task: its task.
        stored: outcomes that are there already.
        engine: the manifest's `engine`, where the run has begun; else it is measured.
        cores: of this machine that are used; None for all.
        executor: `ray` or `inline`.
        pilot: replicates of the map that are trained by the candidate and the baseline to see
            what the study can find; 0 for none.
        seconds: of measuring each optimizer's steps; 0 to reckon from the pass that `engine` was
            found with, which runs nothing of the study.
        report: whether the report's time is counted.
        said: told what is being measured.

    Raises:
        UsageError: the task's model cannot be trained, or a step of it raises.
    """
    stored = tuple(stored)
    said("measuring how packs are computed")
    engine = engine or plan(study, task)
    asked = study.packs.rows
    rows = engine["rows"] if asked == "auto" else asked
    places = 1 if executor == "inline" else _places(study, cores or os.cpu_count() or 1)
    drawn = drawn_trials(study) if seconds or pilot else []
    if seconds:
        times = _measured(study, task, _first_packs(drawn, study, rows), engine, seconds, said)
    else:
        times = _from_one_pass(study, task, engine)

    def lasts(pack: Pack) -> float:
        return len(pack.trials) * times[pack.optimizer]

    schedule = played_through(Agenda(study, stored, rows=rows), places, lasts)
    trials = sum(len(pack.trials) for pack in schedule.packs)
    found, reason = run_pilot(study, task, drawn, engine["way"], pilot, said)
    return StudyPlan(
        study=study.name,
        stored=len(stored),
        trials=trials,
        phases=_phases(study, schedule),
        way=engine["way"],
        rows=rows,
        places=places,
        device=device_of(study),
        seconds_per_trial=times,
        core_hours=schedule.core * study.resources.cpus / 3600,
        wall=_wall(schedule, trials, len(stored), executor, report=report),
        memory_mb=_memory_mb(),
        pilot=found,
        no_pilot=reason,
    )


def _places(study: Study, cores: int) -> int:
    """How many packs are trained at once on so many cores."""
    return max(int(cores / study.resources.cpus + 1e-9), 1) if study.resources.cpus else 1


def _first_packs(drawn: Sequence[Trial], study: Study, rows: int) -> list[Pack]:
    """A pack of each optimizer, as large as there is one."""
    found: dict[str, Pack] = {}
    for pack in make_packs(drawn, rows):
        best = found.get(pack.optimizer)
        if best is None or len(pack.trials) > len(best.trials):
            found[pack.optimizer] = pack
    return [found[name] for name in study.optimizers if name in found]


def _measured(
    study: Study,
    task: Task,
    packs: Sequence[Pack],
    engine: Mapping[str, Any],
    seconds: float,
    said: Callable[[str], None],
) -> dict[str, float]:
    """Seconds of a trial of each optimizer, from a few steps of a pack."""
    from agsam_tune.engine import pack_time  # imports torch

    times = {}
    for pack in packs:
        said(f"measuring {pack.optimizer}")
        try:
            found = pack_time(
                pack,
                task,
                study.training,
                study_seed=study.seed,
                device=device_of(study),
                way=engine["way"],
                sharpness=study.sharpness,
                seconds=seconds,
            )
        except Exception as error:
            # Whatever a step of a user's own code raises; in a run it is the trial's outcome.
            msg = f"{pack.optimizer}: a step raised {type(error).__name__}: {error}"
            raise UsageError(msg) from error
        times[pack.optimizer] = found.seconds / found.rows
    return times


def _from_one_pass(study: Study, task: Task, engine: Mapping[str, Any]) -> dict[str, float]:
    """The same from the seconds of one loss and gradient; without what [sharpness] takes.

    Raises:
        UsageError: they are not known.
    """
    from agsam_tune.optimizers import rule  # imports torch

    one = engine.get("seconds", {}).get(engine["way"])
    if one is None:
        raise UsageError("a pass was not measured")
    recipe, n = study.training, len(task.train.y)
    tested = len(task.test.y) + (0 if task.validation is None else len(task.validation.y))
    times = {}
    for name in study.optimizers:
        known = rule(name)
        epochs = recipe.epochs * known.epoch_factor
        passes = epochs * -(-n // recipe.batch_size) * (1 if known.ascent is None else 2)
        evaluated = (epochs * tested + n + len(task.test.y)) / min(recipe.batch_size, n)
        times[name] = one * (_STEP * passes + _FORWARD * evaluated)
    return times


def _phases(study: Study, schedule: Schedule) -> tuple[PhasePlan, ...]:
    packs: dict[tuple[str, str], list[Pack]] = {}
    for pack in schedule.packs:
        packs.setdefault((pack.phase, pack.optimizer), []).append(pack)
    return tuple(
        PhasePlan(
            phase=phase.name,
            optimizer=optimizer,
            points=len({trial.point for pack in found for trial in pack.trials}),
            trials=sum(len(pack.trials) for pack in found),
            packs=len(found),
        )
        for phase in study.phases
        for optimizer in study.optimizers
        if (found := packs.get((phase.name, optimizer)))
    )


def _wall(
    schedule: Schedule, trials: int, stored: int, executor: str, *, report: bool
) -> tuple[float, float, float]:
    """Seconds from the command to the report: least, expected, most."""
    low, high = _START_UP[executor] if trials else (1.0, 2.0)
    if report:
        low += _REPORT[0] + _REPORT_TRIAL * (trials + stored)
        high += _REPORT[1] + _REPORT_TRIAL * (trials + stored)
    trained = schedule.wall + _DRIVER * trials
    least, most = low + _FASTER * trained, high + _SLOWER * trained
    return least, (least + most) / 2, most


def _memory_mb() -> float:
    """The most that this process took, which has done what a worker does."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
