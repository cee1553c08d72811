"""Running a study: the glue between the agenda, an executor, the store and the console.

In: a study and where and how to run it. Out: a run's folder with every result, and an exit
code. Must not import torch; Ray and the report are imported where they are used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from agsam_tune.agenda import Agenda
from agsam_tune.atomic import write_json
from agsam_tune.errors import ExitCode, UsageError
from agsam_tune.executors.checks import (
    check_device,
    check_rules,
    device_of,
    own_rules,
    plan,
)
from agsam_tune.executors.ray_environment import before_ray, check_ray, ray_notes
from agsam_tune.executors.work import ImportPath, Job, Trained, Watcher
from agsam_tune.failures import keep_failures
from agsam_tune.folder import RunFolder, now
from agsam_tune.manifest import manifest_of, new_manifest
from agsam_tune.paths import command_word
from agsam_tune.planning import engine_of, rows_of
from agsam_tune.progress import StudyProgress
from agsam_tune.retrying import set_failed_aside, set_outdated_aside
from agsam_tune.reuse import Made, earlier_runs
from agsam_tune.run_storage import asked_storage, location_of, open_store, storage_lock
from agsam_tune.signals import first_interrupt
from agsam_tune.store import ResultStore
from agsam_tune.study import Study
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Outcome, State

# Phases whose points may be called an optimizer's best.
_CHOOSING = ("map", "tune", "fixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Where and how to run.

    Attributes:
        out: the run's folder.
        storage: where results lie; None for the folder's journal.
        executor: `ray` or `inline`.
        address: of a Ray cluster that exists, or None.
        cpus: cores to use, or None for all.
        gpus: GPUs to use, or None for all.
        time_budget: seconds after which no pack is started, or None.
        import_path: folders in which a user's task is looked for.
        command: the command line, for the manifest.
        report: whether the estimates and the report are written too, not the trials alone.
        reuse: folders of runs whose trials are taken over where the study has the same.
        retry_failed: whether trials that failed before are run again.
    """

    out: Path
    storage: str | None = None
    executor: str = "ray"
    address: str | None = None
    cpus: int | None = None
    gpus: int | None = None
    time_budget: float | None = None
    import_path: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    report: bool = True
    reuse: tuple[Path, ...] = ()
    retry_failed: bool = False


def run_study(study: Study, options: RunOptions, console: Console) -> ExitCode:
    """Run a study, or carry it on, and write its report.

    Raises:
        UsageError: the folder, the storage or the task cannot be used; nothing was written.
        RunError: another driver runs this study.
    """
    folder = RunFolder(path=options.out)
    manifest_of(folder, study)
    earlier = earlier_runs(options.reuse, study, folder)
    study = earlier.study
    if options.executor == "ray":
        check_ray(options.address)
    check_rules(study, options.import_path)
    check_device(study, gpus=options.gpus, address=options.address)
    task = load_task(
        study.task, study.task_options, seed=study.seed, import_path=options.import_path
    )
    with folder.driver():
        old = manifest_of(folder, study)
        location = location_of(folder, old, options.storage)
        with storage_lock(folder, location):
            # Before anything is written, since a model that cannot be trained is wrong use.
            job = _job(study, task, options, folder)
            engine = _plan(job, options, console) if old is None else engine_of(folder, old, study)
            facts = task.facts()
            made = earlier.read(facts)
            with closing(open_store(study, location)) as store:
                manifest = old or _new_manifest(folder, study, options, facts, engine)
                if manifest["data"]["digest"] != facts["digest"]:
                    msg = f"{folder.path}: the task's data are no longer those the run began with"
                    raise UsageError(msg)
                job = replace(job, way=engine["way"])
                manifest = {**manifest, "engine": engine}
                end = _train(folder, job, options, manifest, store, made, console)
            return _conclude(folder, end, options, console)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """What there is when the training ends; little, for the report needs the memory.

    Attributes:
        stored: trials that are stored.
        total: trials of the whole study.
        failed: trials that are stored as FAIL.
        first_failed: the first of them.
        lost: trials tried alone while nothing could be trained.
        reason: why the first of these could not be.
        interrupted: whether the user ended it.
    """

    stored: int
    total: int
    failed: int
    first_failed: Outcome | None
    lost: int
    reason: str
    interrupted: bool

    @classmethod
    def of(cls, agenda: Agenda, *, interrupted: bool) -> _End:
        failed = [o for o in agenda.outcomes if o.state is State.FAIL]
        return cls(
            stored=len(agenda.outcomes),
            total=agenda.total,
            failed=len(failed),
            first_failed=failed[0] if failed else None,
            lost=len(agenda.lost),
            reason=agenda.lost[0][1] if agenda.lost else "",
            interrupted=interrupted,
        )

    def __str__(self) -> str:
        return f"{self.stored} of {self.total} trials are stored"


def _train(
    folder: RunFolder,
    job: Job,
    options: RunOptions,
    manifest: dict[str, Any],
    store: ResultStore,
    made: Made,
    console: Console,
) -> _End:
    """Run what is left."""
    deadline = None if options.time_budget is None else time.monotonic() + options.time_budget
    say = partial(_say, console)
    retried = set_failed_aside(folder, store, say) if options.retry_failed else ()
    agenda = Agenda(
        job.study,
        store.outcomes(),
        mended=store.mended(),
        retried=retried,
        rows=rows_of(job.study, manifest["engine"]),
        deadline=deadline,
        made=made,
    )
    set_outdated_aside(agenda, store, say)
    nothing_left = len(agenda.outcomes) == agenda.total
    if made.runs:
        manifest = made.recorded(manifest, agenda.outcomes)
        write_json(folder.manifest, manifest)
        agenda.take_over(store.add)
        say(made.told(agenda.outcomes, agenda.total))
    if not agenda.finished:
        from agsam_tune.planning.forecast import forecast

        line = forecast(
            job.study,
            job.task,
            stored=agenda.outcomes,
            engine=manifest["engine"],
            cpus=options.cpus,
            gpus=options.gpus,
            address=options.address,
            executor=options.executor,
            report=options.report,
        )
        say(line)
    if job.checkpoints is not None:
        job.checkpoints.mkdir(exist_ok=True)
    interrupted = _execute(folder, job, options, agenda, store, console)
    if job.study.packs.rows == "auto":  # the next run begins with what there was memory for
        manifest = {**manifest, "engine": {**manifest["engine"], "rows": agenda.rows}}
    manifest = made.recorded(manifest, agenda.outcomes)
    if len(agenda.outcomes) == agenda.total:
        finished = manifest["finished"] if nothing_left else None
        manifest = {**manifest, "finished": finished or now()}
        folder.remove_checkpoints()
    if manifest != folder.read_manifest():
        write_json(folder.manifest, manifest)
    return _End.of(agenda, interrupted=interrupted)


def _job(study: Study, task: Task, options: RunOptions, folder: RunFolder) -> Job:
    """What workers are given; how they compute is not known yet."""
    return Job(
        import_path=ImportPath(options.import_path),
        study=study,
        task=task,
        rules=own_rules(study),
        device=device_of(study),
        way="auto",
        checkpoints=folder.checkpoints if study.packs.checkpoint else None,
    )


def _plan(job: Job, options: RunOptions, console: Console) -> dict[str, Any]:
    """How packs are computed, measured where they will be: on this machine or a cluster's."""
    if options.executor == "inline" or options.address is None:
        return plan(job.study, job.task)
    before_ray(address=options.address)
    from agsam_tune.executors.ray_cluster import plan_on_cluster

    return plan_on_cluster(job, options.address, lambda text: _say(console, text))


def _new_manifest(
    folder: RunFolder,
    study: Study,
    options: RunOptions,
    facts: dict[str, Any],
    engine: dict[str, Any],
) -> dict[str, Any]:
    """A new manifest, written. Its storage is null for the folder's own journal, so that a
    folder can be moved or copied."""
    manifest = new_manifest(
        study,
        data=facts,
        device=device_of(study),
        engine=engine,
        storage=asked_storage(folder, options.storage),
        command=options.command,
        import_path=options.import_path,
    )
    write_json(folder.manifest, manifest)
    return manifest


def _execute(
    folder: RunFolder,
    job: Job,
    options: RunOptions,
    agenda: Agenda,
    store: ResultStore,
    console: Console,
) -> bool:
    """Run what is left; returns whether it was interrupted."""
    study = job.study
    if agenda.finished:
        if len(agenda.outcomes) == agenda.total:
            _say(console, f"{study.name}: all {agenda.total} trials are stored; nothing is left")
        return False
    for note in ray_notes(address=options.address) if options.executor == "ray" else ():
        _say(console, note)
    seeds = {str(phase.name): phase.seeds for phase in study.phases if phase.name in _CHOOSING}
    with StudyProgress(study.name, agenda.planned, seeds, agenda.outcomes, console) as progress:

        def deliver(trained: Trained) -> None:
            new = agenda.unknown(trained.outcomes)
            store.add(new)
            keep_failures(folder.failures, trained.failures)
            agenda.record(trained.outcomes, fits=trained.fits)
            progress.add([*new, *agenda.take_over(store.add)])
            progress.drop(set_outdated_aside(agenda, store, partial(_say, console)))

        def stop() -> bool:
            agenda.stop()
            return progress.stop()

        try:
            with first_interrupt(stop):
                _train_packs(job, options, agenda, deliver, progress)
        except KeyboardInterrupt:
            return True
    return agenda.stopped or not agenda.finished


def _train_packs(
    job: Job,
    options: RunOptions,
    agenda: Agenda,
    deliver: Callable[[Trained], None],
    watcher: Watcher,
) -> None:
    """Let the executor that was asked for train what the agenda hands out."""
    if options.executor == "inline":
        from agsam_tune.executors.inline import run_inline

        run_inline(agenda, job, deliver, watcher)
        return
    before_ray(address=options.address)
    from agsam_tune.executors.ray_tune import run_ray

    run_ray(
        agenda,
        job,
        deliver,
        watcher,
        cpus=options.cpus,
        gpus=options.gpus,
        address=options.address,
    )


def _conclude(folder: RunFolder, end: _End, options: RunOptions, console: Console) -> ExitCode:
    """Report on what there is, and say what is missing."""
    try:
        # Whoever interrupts does not want to wait for a report.
        if end.stored:
            _write_results(folder, console, report=options.report and not end.interrupted)
    except KeyboardInterrupt:
        later = f"{_report_command(folder)} writes the report"
        _say(console, f"Stopped while the report was written. {end}; {later}")
        return ExitCode.STOPPED
    except UsageError as error:  # the storage is away, now that all is in it
        later = f"{_report_command(folder)} writes the report when it can be read"
        _complain(console, f"{end}, but cannot be read now: {error}; {later}")
        return ExitCode.STOPPED if end.interrupted else ExitCode.FAILURE
    return _exit_code(folder, end, console)


def _write_results(folder: RunFolder, console: Console, *, report: bool) -> None:
    # Here, since it takes its time, and memory, to import.
    from agsam_tune.reporting import report_run, write_trials

    if not report:
        write_trials(folder.path)
        _say(console, f"Trials: {folder.trials}; for a report: {_report_command(folder)}")
        return
    claim = report_run(folder.path).get("claim") or {}
    if claim.get("text"):
        _say(console, claim["text"])
    _say(console, f"Report: {folder.report}")


def _report_command(folder: RunFolder) -> str:
    return f"agsam-tune report {command_word(folder.path)}"


def _exit_code(folder: RunFolder, end: _End, console: Console) -> ExitCode:
    if end.lost:
        what = (
            f"Nothing could be trained: of {end.lost} trials tried alone, the first: {end.reason}"
        )
        _complain(console, what)
        _complain(console, f"{end}; the same command tries again")
        return ExitCode.FAILURE
    if end.interrupted or end.stored < end.total:
        _say(console, f"Stopped. {end}; the same command carries on")
        return ExitCode.STOPPED
    if end.first_failed:
        first, plural = end.first_failed, "" if end.failed == 1 else "s"
        is_traced = folder.failures.exists()
        traced = f". What was raised, where: {folder.failures}" if is_traced else ""
        what = f"{end.failed} trial{plural} failed, the first, of {first.trial.optimizer}"
        _complain(
            console,
            f"{what}: {first.error}. They are stored as FAIL; when the cause is mended, the same "
            f"command with --retry-failed runs them again{traced}",
        )
        return ExitCode.FAILURE
    return ExitCode.DONE


def _complain(console: Console, text: str) -> None:
    """Say what went wrong, on a quiet console too."""
    _say(Console(stderr=True) if console.quiet else console, text)


def _say(console: Console, text: str) -> None:
    """Print one line as it is, however long."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)
