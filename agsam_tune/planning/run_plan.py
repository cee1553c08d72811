"""The plan of a run: of a study, and of what its folder holds already.

In: a study and where it would run. Out: a `StudyPlan`. Nothing is written. Must not import torch,
Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agsam_tune.agenda import Agenda
from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import check_device, check_rules, machine
from agsam_tune.executors.data import load_tasks
from agsam_tune.folder import RunFolder
from agsam_tune.manifest import another_study, begun_with, manifest_of, radius_range_of
from agsam_tune.planning.engine import engine_of
from agsam_tune.planning.study_plan import StudyPlan, count_plan, study_plan
from agsam_tune.reuse import earlier_runs
from agsam_tune.store import ResultStore, StorageError
from agsam_tune.study import Study
from agsam_tune.trials import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """Where a study would run.

    Attributes:
        out: the run's folder; what it holds is not planned again.
        executor: `ray` or `inline`.
        cpus: cores to use, or None for all.
        gpus: GPUs to use, or None for all.
        import_path: folders in which a user's task is looked for.
        pilot: replicates that a pilot trains; 0 for none, None for up to 4, as many as are trained
            soon.
        reuse: folders of runs whose trials are taken over where the study has the same.
    """

    out: Path
    executor: str = "ray"
    cpus: int | None = None
    gpus: int | None = None
    import_path: tuple[str, ...] = ()
    pilot: int | None = None
    reuse: tuple[Path, ...] = ()


def plan_run(
    study: Study, options: PlanOptions, said: Callable[[str], None] = lambda _: None
) -> StudyPlan:
    """The plan of a study, or of what is left of it.

    Where the folder holds the run of another study, the plan is that of a folder of its own, and
    says so.

    Args:
        study: the study.
        options: where it would run.
        said: told what is being measured.

    Raises:
        UsageError: the folder, the task or the device cannot be used.
    """
    folder = RunFolder(path=options.out)
    other = another_study(folder, study)
    if other is not None:  # a larger study, say: it would run in a folder of its own
        return replace(_plan(study, None, options, said), elsewhere=other)
    return _plan(study, folder, options, said)


def _plan(
    study: Study, folder: RunFolder | None, options: PlanOptions, said: Callable[[str], None]
) -> StudyPlan:
    """The plan; a folder that is None is a new one."""
    manifest = None if folder is None else manifest_of(folder, study)
    earlier = earlier_runs(options.reuse, study, folder)
    study = begun_with(folder, manifest, earlier.study) if folder else earlier.study
    check_rules(study, options.import_path)
    tasks = load_tasks(study, options.import_path)
    there = machine(cpus=options.cpus, gpus=options.gpus)
    stored = _stored(folder, manifest, study) if folder and manifest else ()
    if earlier.runs:
        facts = tasks.facts()
        agenda = Agenda(
            study,
            stored,
            made=earlier.read(facts),
            radius_range=radius_range_of(manifest or {}),
            trivial=facts["chance"],
        )
        agenda.take_over(lambda _: None)
        stored = agenda.outcomes
    engine = engine_of(folder, manifest, study) if folder and manifest else None
    if study.resources.gpus and not there["gpu"]:
        return count_plan(study, stored=stored, engine=engine, no_times="there is no GPU here")
    check_device(study, gpus=options.gpus, address=None)
    return study_plan(
        study,
        tasks,
        there=there,
        stored=stored,
        engine=engine,
        executor=options.executor,
        pilot=options.pilot,
        said=said,
    )


def _stored(folder: RunFolder, manifest: Mapping[str, Any], study: Study) -> Sequence[Outcome]:
    """The outcomes that the folder's run has already."""
    location = manifest.get("storage") or str(folder.journal)
    try:
        return tuple(ResultStore.read(study, location, curves=False).outcomes())
    except StorageError as error:
        raise UsageError(f"{folder.path}: {error}") from error
