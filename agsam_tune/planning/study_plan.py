"""What a study will take and what it can find, from a few measured steps and a small pilot.

In: a study, and where it would run. Out: a `StudyPlan`. Nothing is stored. Must not import
torch, Ray or Optuna; the engine is imported where it is used.
"""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from agsam_tune.design import drawn_trials
from agsam_tune.executors.checks import check_fits, device_of, packs_at_once, plan
from agsam_tune.planning.alike import unlike_searches
from agsam_tune.planning.costs import Costs, from_one_pass, measured
from agsam_tune.planning.engine import rows_of
from agsam_tune.planning.pilot import Pilot, run_pilot
from agsam_tune.planning.schedule import Schedule, play
from agsam_tune.study import Phase, Study, planned_trials
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Outcome, Pack

# Seconds that a run takes besides its packs: imports, Ray's start and the workers', their end.
_START_UP = {"ray": (7.0, 13.0), "inline": (1.0, 3.0)}
# What a trial costs the driver, in seconds of wall time, and the report: a base and each trial's.
_DRIVER, _REPORT, _REPORT_TRIAL = 0.0008, (5.0, 10.0), 0.0006
# Replicates that fill packs to be measured.
_DRAWN = 4
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
class LookPlan:
    """What one more look takes, beyond the one before.

    Attributes:
        replicates: of all that are there then.
        phases: what is added, by phase and optimizer.
        trials: that are added.
        packs: they make.
        hours: core- or GPU-hours of them, or None.
    """

    replicates: int
    phases: tuple[PhasePlan, ...]
    trials: int
    packs: int
    hours: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What a study will take and what it can find.

    Attributes:
        study: its name.
        replicates: of the look that is planned.
        stored: trials that are there already.
        trials: trials that are left.
        phases: what is left, by phase and optimizer.
        looks: what --until-decided would add while the claim is undecided.
        way: how packs are computed; None where nothing is left, or where it is not known here.
        rows: trials of a whole pack.
        places: packs that are trained at once; 0 where that is not known here.
        device: `cpu` or `cuda`.
        seconds_per_trial: of each optimizer, core- or GPU-seconds; empty where not known.
        hours: core- or GPU-hours of all packs, or None.
        wall: seconds from the command to the report: least, expected, most; or None.
        with_sharpness: whether what `[sharpness]` takes is in these, where the study has it.
        memory_mb: of a worker's process, about; None where this process had held more before.
        gpu_memory_mb: of a pack on its GPU; None without one.
        no_times: why there are no times; "" where there are.
        pilot: what the pilot found, or None: see `Pilot`.
        no_pilot: why there was none.
        unlike: what the optimizers are not searched alike in, a sentence each.
        elsewhere: why this cannot run in the folder that was asked for; None where it can.
    """

    study: str
    replicates: int
    stored: int
    trials: int
    phases: tuple[PhasePlan, ...]
    looks: tuple[LookPlan, ...] = ()
    way: str | None = None
    rows: int
    places: int = 0
    device: str
    seconds_per_trial: Mapping[str, float]
    hours: float | None = None
    wall: tuple[float, float, float] | None = None
    with_sharpness: bool = True
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    no_times: str = ""
    pilot: Pilot | None = None
    no_pilot: str = ""
    unlike: tuple[str, ...] = ()
    elsewhere: str | None = None

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
    tasks: Tasks,
    *,
    there: Mapping[str, float],
    stored: Iterable[Outcome] = (),
    engine: Mapping[str, Any] | None = None,
    executor: str = "ray",
    pilot: int | None = None,
    seconds: float = 0.5,
    report: bool = True,
    said: Callable[[str], None] = lambda _: None,
) -> StudyPlan:
    """What is left of a study, how long it takes, and what it can find.

    Args:
        study: the study.
        tasks: the data of its replicates.
        there: the cores and GPUs that are used, as `checks.machine` has them.
        stored: outcomes that are there already.
        engine: the manifest's `engine`, where the run has begun; else it is measured.
        executor: `ray` or `inline`.
        pilot: replicates that the candidate and the baseline train to see what the study can
            find; 0 for none; None for up to 4, as many as take two minutes at most.
        seconds: of measuring each optimizer's steps; 0 to reckon from the pass that `engine` was
            found with, which runs nothing of the study.
        report: whether the report's time is counted.
        said: told what is being measured.

    Raises:
        UsageError: the task's model cannot be trained, a step of it raises, or a pack needs more
            than there is.
    """
    stored = tuple(stored)
    if executor == "ray":
        check_fits(study.resources, there)
    counted = _counted(study, stored, rows_of(study, engine), no_times="")
    if not counted.trials:
        return counted
    before = _peak_mb()
    said("measuring how packs are computed")
    engine = engine or plan(study, tasks)
    rows = rows_of(study, engine)
    way, device = engine["way"], device_of(study)
    if seconds:
        drawn = drawn_trials(study.model_copy(update={"replicates": min(study.replicates, _DRAWN)}))
        costs = measured(study, tasks, drawn, rows=rows, way=way, seconds=seconds, said=said)
    else:
        costs = from_one_pass(study, tasks, engine)
    peak, gpu = _peak_mb(), _gpu_memory_mb(device) if seconds else None
    places = 1 if executor == "inline" else packs_at_once(study.resources, there)
    timed = _timed(study, stored, costs, rows, places, executor, report=report)
    found, reason = run_pilot(
        study, tasks, stored, costs, rows=rows, way=way, wanted=pilot, said=said
    )
    return replace(
        timed,
        way=way,
        with_sharpness=study.sharpness is None or bool(seconds),
        memory_mb=peak if peak > before else None,
        gpu_memory_mb=gpu,
        pilot=found,
        no_pilot=reason,
    )


def count_plan(
    study: Study,
    *,
    stored: Iterable[Outcome] = (),
    engine: Mapping[str, Any] | None = None,
    no_times: str,
) -> StudyPlan:
    """What is left of a study, without times: for machines that are not this one.

    Args:
        study: the study.
        stored: outcomes that are there already.
        engine: the manifest's `engine`, where the run has begun.
        no_times: why there are none.
    """
    return _counted(study, tuple(stored), rows_of(study, engine), no_times=no_times)


def _timed(
    study: Study,
    stored: tuple[Outcome, ...],
    costs: Costs,
    rows: int,
    places: int,
    executor: str,
    *,
    report: bool,
) -> StudyPlan:
    """What is left, and how long it takes where packs cost so much."""

    def lasts(pack: Pack) -> float:
        return costs[pack.optimizer].seconds(len(pack.trials))

    schedule = play(study, stored, rows, places, lasts)
    trials = sum(len(pack.trials) for pack in schedule.packs)
    device = device_of(study)
    share = study.resources.gpus if device == "cuda" else study.resources.cpus
    return StudyPlan(
        study=study.name,
        replicates=study.replicates,
        stored=len(stored),
        trials=trials,
        phases=_phases(study, schedule),
        looks=_later_looks(study, rows, costs, share),
        rows=rows,
        places=places,
        device=device,
        seconds_per_trial={name: cost.trial for name, cost in costs.items()},
        hours=schedule.core * share / 3600,
        unlike=unlike_searches(study),
        wall=_wall(schedule, trials, len(stored), executor, report=report),
    )


def _counted(study: Study, stored: tuple[Outcome, ...], rows: int, *, no_times: str) -> StudyPlan:
    schedule = play(study, stored, rows, 1, lambda _: 0.0)
    return StudyPlan(
        study=study.name,
        replicates=study.replicates,
        stored=len(stored),
        trials=sum(len(pack.trials) for pack in schedule.packs),
        phases=_phases(study, schedule),
        looks=_later_looks(study, rows, {}, 0.0),
        rows=rows,
        device=device_of(study),
        seconds_per_trial={},
        no_times=no_times,
        no_pilot=no_times or "nothing is left to run",
        unlike=unlike_searches(study),
    )


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


def _later_looks(study: Study, rows: int, costs: Costs, share: float) -> tuple[LookPlan, ...]:
    """What each later look adds: whole replicates, which all have as many trials."""
    found = []
    for before, size in pairwise(study.looks):
        new = planned_trials(study.model_copy(update={"replicates": size - before}))
        phases = tuple(
            PhasePlan(
                phase=phase.name,
                optimizer=optimizer,
                points=_points(study, optimizer, phase) * (size - before),
                trials=trials,
                packs=math.ceil(trials / rows),
            )
            for phase in study.phases
            for optimizer in study.optimizers
            if phase.name != "fixed" and (trials := new.get((optimizer, phase.name)))
        )
        seconds = sum(phase.trials * costs[phase.optimizer].trial for phase in phases if costs)
        found.append(
            LookPlan(
                replicates=size,
                phases=phases,
                trials=sum(phase.trials for phase in phases),
                packs=sum(phase.packs for phase in phases),
                hours=seconds * share / 3600 if costs else None,
            )
        )
    return tuple(found)


def _points(study: Study, optimizer: str, phase: Phase) -> int:
    """Points of a replicate."""
    return (phase.points or 1) if study.search_spaces[optimizer].names else 1


def _wall(
    schedule: Schedule, trials: int, stored: int, executor: str, *, report: bool
) -> tuple[float, float, float]:
    """Seconds from the command to the report: least, expected, most."""
    low, high = _START_UP[executor]
    if report:
        low += _REPORT[0] + _REPORT_TRIAL * (trials + stored)
        high += _REPORT[1] + _REPORT_TRIAL * (trials + stored)
    trained = schedule.wall + _DRIVER * trials
    least, most = low + _FASTER * trained, high + _SLOWER * trained
    return least, (least + most) / 2, most


def _peak_mb() -> float:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _gpu_memory_mb(device: str) -> float | None:
    if device != "cuda":
        return None
    from agsam_tune.engine import peak_gpu_memory  # imports torch

    return peak_gpu_memory() / (1 << 20)
