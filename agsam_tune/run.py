"""Running a study: the glue between the agenda, an executor, the store and the console.

In: a study and where and how to run it. Out: a run's folder with every result, and an exit
code. Must not import torch; Ray is imported where it is used.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from agsam_tune.agenda import Agenda
from agsam_tune.atomic import write_json
from agsam_tune.errors import ExitCode, UsageError
from agsam_tune.executors.signals import interrupt_on_sigterm
from agsam_tune.executors.work import Job, check_rules
from agsam_tune.folder import RunFolder, now
from agsam_tune.manifest import new_manifest
from agsam_tune.progress import StudyProgress
from agsam_tune.reporting import report_run
from agsam_tune.store import ResultStore, StorageMismatchError, default_location
from agsam_tune.study import Study, changed_keys
from agsam_tune.tasks.loading import load_task
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


def run_study(study: Study, options: RunOptions, console: Console) -> ExitCode:
    """Run a study, or carry it on, and write its report.

    Raises:
        UsageError: the folder, the storage or the task cannot be used; nothing was written.
        RunError: another driver runs this study.
    """
    folder = RunFolder(path=options.out)
    _check_same_study(folder, study)
    check_rules(study)
    facts = load_task(
        study.task, study.task_options, seed=study.seed, import_path=options.import_path
    ).facts()
    folder.create()
    with folder.driver_lock():
        manifest = _opened_manifest(folder, study, options, facts)
        store = _open_store(study, manifest["storage"])
        deadline = None
        if options.time_budget is not None:
            deadline = time.monotonic() + options.time_budget
        agenda = Agenda(study, store.outcomes(), deadline=deadline)
        interrupted = _execute(study, options, agenda, store, console)
        if len(agenda.outcomes) == agenda.total:
            manifest["finished"] = now()
            write_json(folder.manifest, manifest)
        if agenda.outcomes:
            summary = report_run(folder.path)
            _print_result(console, folder, summary)
        return _conclude(agenda, console, interrupted=interrupted)


def _check_same_study(folder: RunFolder, study: Study) -> None:
    """Raise UsageError where the folder belongs to another study or was changed."""
    manifest = folder.read_manifest()
    if manifest is None or manifest.get("study_hash") == study.hash:
        return
    stored: dict[str, Any] = manifest.get("study", {})
    changed = changed_keys(stored, study.resolved())
    msg = (
        f"{folder.path}: holds a run of another study, {stored.get('name', 'without a name')}; "
        "what was changed: " + "; ".join(changed) + ". Choose another folder with --out, or "
        "restore these keys to carry on"
    )
    raise UsageError(msg)


def _opened_manifest(
    folder: RunFolder, study: Study, options: RunOptions, facts: dict[str, Any]
) -> dict[str, Any]:
    """The manifest that is there, or a new one, written."""
    old = folder.read_manifest()
    storage = options.storage or default_location(folder.path.resolve())
    if old is not None:
        if options.storage is not None and old["storage"] != options.storage:
            msg = f"{folder.path}: its results lie in {old['storage']}, not in {options.storage}"
            raise UsageError(msg)
        if old["data"]["digest"] != facts["digest"]:
            msg = f"{folder.path}: the task's data are no longer those that the run began with"
            raise UsageError(msg)
        # A folder that was moved takes its journal along.
        return {**old, "storage": options.storage or _moved(old["storage"], storage)}
    device = "cuda" if study.resources.gpus else "cpu"
    manifest = new_manifest(
        study, data=facts, device=device, storage=storage, command=options.command
    )
    write_json(folder.manifest, manifest)
    return manifest


def _moved(recorded: str, here: str) -> str:
    is_gone = "://" not in recorded and not Path(recorded).exists() and Path(here).exists()
    return here if is_gone else recorded


def _open_store(study: Study, location: str) -> ResultStore:
    try:
        return ResultStore.open(study, location)
    except StorageMismatchError as error:
        raise UsageError(f"{location}: {error}") from error


def _execute(
    study: Study, options: RunOptions, agenda: Agenda, store: ResultStore, console: Console
) -> bool:
    """Run what is left; returns whether it was interrupted."""
    if agenda.finished:
        return False
    device = "cuda" if study.resources.gpus else "cpu"
    job = Job(study=study, device=device, import_path=options.import_path)
    seeds = {str(phase.name): phase.seeds for phase in study.phases if phase.name in _CHOOSING}
    with StudyProgress(study.name, agenda.total, seeds, agenda.outcomes, console) as progress:

        def deliver(outcomes: list[Outcome]) -> None:
            new = agenda.record(outcomes)
            store.add(new)
            progress.add(new)

        interrupt_on_sigterm()
        try:
            if options.executor == "inline":
                from agsam_tune.executors.inline import run_inline

                run_inline(agenda, job, deliver)
            else:
                from agsam_tune.executors.ray_tune import run_ray

                run_ray(
                    agenda,
                    job,
                    deliver,
                    cpus=options.cpus,
                    gpus=options.gpus,
                    address=options.address,
                )
        except KeyboardInterrupt:
            return True
    return not agenda.finished


def _print_result(console: Console, folder: RunFolder, summary: dict[str, Any]) -> None:
    claim = summary.get("claim") or {}
    if claim.get("text"):
        console.print(claim["text"], soft_wrap=True, markup=False)
    console.print(f"Report: {folder.report}", soft_wrap=True, markup=False)


def _conclude(agenda: Agenda, console: Console, *, interrupted: bool) -> ExitCode:
    done, failed = len(agenda.outcomes), [o for o in agenda.outcomes if o.state is State.FAIL]
    again = f"{done} of {agenda.total} trials are stored; the same command carries on"
    if agenda.lost:
        console.print(f"{len(agenda.lost)} packs could not be run: {again}", soft_wrap=True)
        return ExitCode.FAILURE
    if interrupted or done < agenda.total:
        console.print(f"Stopped: {again}", soft_wrap=True)
        return ExitCode.STOPPED
    if failed:
        console.print(
            f"{len(failed)} trials raised, the first: {failed[0].error}",
            soft_wrap=True,
            markup=False,
        )
        return ExitCode.FAILURE
    return ExitCode.DONE


def command_line() -> tuple[str, ...]:
    """The command line as it was given."""
    return ("agsam-tune", *sys.argv[1:])
