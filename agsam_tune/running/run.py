"""Running a study: the glue between the agenda, an executor, the store and the console.

In: a study and where and how to run it. Out: a run's folder with every result, and an exit
code. Must not import torch; Ray and the report are imported where they are used.

A run is looked at when all trainings of so many replicates are there. `--until-decided` goes on to
the next look, with more replicates, until the claim is decided or no look is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rich.console import Console

from agsam_tune.agenda import Agenda
from agsam_tune.errors import ExitCode, UsageError
from agsam_tune.executors.checks import (
    check_device,
    check_rules,
    device_of,
    own_rules,
    plan,
)
from agsam_tune.executors.data import load_tasks
from agsam_tune.executors.ray_environment import before_ray, check_ray, ray_notes
from agsam_tune.executors.work import ImportPath, Job, Trained, Watcher
from agsam_tune.failures import keep_failures
from agsam_tune.folder import RunFolder
from agsam_tune.manifest import (
    RunManifest,
    begun_with,
    check_data,
    manifest_of,
    new_manifest,
    radius_range_of,
)
from agsam_tune.planning import engine_of, rows_of
from agsam_tune.progress import StudyProgress
from agsam_tune.retrying import set_failed_aside, set_outdated_aside
from agsam_tune.reuse import EarlierRuns, Made, earlier_runs
from agsam_tune.run_storage import asked_storage, location_of, open_store, storage_lock
from agsam_tune.running.end import End, conclude, say
from agsam_tune.running.options import RunOptions
from agsam_tune.signals import first_interrupt
from agsam_tune.store import ResultStore
from agsam_tune.study import Study
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Outcome


def run_study(study: Study, options: RunOptions, console: Console) -> ExitCode:
    """Run a study, or carry it on, and write its report.

    A run never has fewer replicates than it was begun with: what was trained is kept.

    Raises:
        UsageError: the folder, the storage or the task cannot be used; nothing was written.
        RunError: another driver runs this study.
    """
    if options.until_decided and not options.report:
        raise UsageError("until decided: each look is read from its report, so it must be written")
    folder = RunFolder(path=options.out)
    manifest_of(folder, study)
    earlier = earlier_runs(options.reuse, study, folder)
    study = earlier.study
    if options.executor == "ray":
        check_ray(options.address)
    check_rules(study, options.import_path)
    check_device(study, gpus=options.gpus, address=options.address)
    budget = options.time_budget
    deadline = None if budget is None else time.monotonic() + budget
    with folder.driver():
        old, asked = manifest_of(folder, study), study.replicates
        study = begun_with(folder, old, study)
        if study.replicates > asked:
            kept = f"has {study.replicates} replicates already, and keeps them"
            say(console, f"{folder.path}: {kept}; {asked} were asked for")
        location = location_of(folder, old, options.storage)
        with storage_lock(folder, location):
            run = _Run(
                folder=folder,
                options=options,
                location=location,
                earlier=earlier,
                deadline=deadline,
                console=console,
            )
            return run.until_decided(study) if options.until_decided else run.once(study)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run whose folder and storage nobody else writes to.

    Attributes:
        folder, options, console: see `run_study`.
        location: where its results lie.
        earlier: runs that trials are taken over from.
        deadline: `time.monotonic()` after which no pack is started, or None.
    """

    folder: RunFolder
    options: RunOptions
    location: str
    earlier: EarlierRuns
    deadline: float | None
    console: Console

    def once(self, study: Study) -> ExitCode:
        """Train what is left, and report."""
        end = self._train(study, study.name, retry=self.options.retry_failed)
        return conclude(self.folder, end, self.options, self.console)[0]

    def until_decided(self, study: Study) -> ExitCode:
        """Train and report, with more replicates each time, until the claim is decided."""
        manifest, sizes = self.folder.read_manifest(), study.looks
        before = [size for size in (manifest["looks"] if manifest else ()) if size < sizes[0]]
        of = f"of up to {len(before) + len(sizes)}"
        for number, size in enumerate(sizes):
            look = f", look {len(before) + number + 1} {of}: {size} replicates"
            title = study.name + (look if len(before) + len(sizes) > 1 else "")
            at_look = study.model_copy(update={"replicates": size})
            retry = self.options.retry_failed and not number
            end = self._train(at_look, title, retry=retry)
            code, verdict = conclude(self.folder, end, self.options, self.console)
            if not end.is_whole or verdict != "undecided" or size == sizes[-1]:
                break
            if end.without_lengths is not None:  # and so at every look to come
                why = "more replicates cannot decide it without the phase radius"
                say(self.console, f"Undecided at {size} replicates, and {why}")
                break
            following = f"look {len(before) + number + 2} {of}, {sizes[number + 1]} replicates"
            say(self.console, f"Undecided at {size} replicates; next is {following}")
        return code

    def _train(self, study: Study, title: str, *, retry: bool) -> End:
        """Train what is left of so many replicates."""
        tasks = load_tasks(study, self.options.import_path)
        # Before anything is written, since a model that cannot be trained is wrong use.
        job = _job(study, tasks, self.options, self.folder)
        old = self.folder.read_manifest()
        if old is None:
            engine = _plan(job, self.options, self.console)
        else:
            engine = engine_of(self.folder, old, study)
        facts = tasks.facts()
        if old is not None:
            check_data(self.folder, old, facts)
        made = self.earlier.read(facts)
        with closing(open_store(study, self.location)) as store:
            values = old or self._new_manifest(study, facts, engine)
            manifest = RunManifest(self.folder, values)
            manifest.update(study=study.resolved(), data=facts, engine=engine)
            job = replace(job, way=engine["way"])
            return _train(self, job, manifest, store, made, title, retry=retry)

    def _new_manifest(
        self, study: Study, facts: dict[str, Any], engine: dict[str, Any]
    ) -> dict[str, Any]:
        """Its storage is null for the folder's own journal, so that a folder can be moved."""
        return new_manifest(
            study,
            data=facts,
            device=device_of(study),
            engine=engine,
            storage=asked_storage(self.folder, self.options.storage),
            command=self.options.command,
            import_path=self.options.import_path,
        )


def _train(
    run: _Run,
    job: Job,
    manifest: RunManifest,
    store: ResultStore,
    made: Made,
    title: str,
    *,
    retry: bool,
) -> End:
    """Run what is left."""
    folder, options, told = run.folder, run.options, partial(say, run.console)
    retried = set_failed_aside(folder, manifest, store, told) if retry else ()
    agenda = Agenda(
        job.study,
        store.outcomes(),
        mended=store.mended(),
        retried=retried,
        rows=rows_of(job.study, manifest["engine"]),
        deadline=run.deadline,
        made=made,
        radius_range=radius_range_of(manifest.values),
        trivial=manifest["data"]["chance"],
        first_look=min([*manifest["looks"], job.study.replicates]),
    )
    set_outdated_aside(agenda, store, told)
    if made.runs:
        manifest.update(reused=made.counted(manifest.values.get("reused", ()), agenda.outcomes))
        _take_over(agenda, manifest, store)
        told(made.told(agenda.outcomes, agenda.total))
    _keep_radius_range(agenda, manifest)
    if not agenda.finished:
        manifest.update(finished=None)
        told(_forecast(job, agenda, manifest, options, title))
    if job.checkpoints is not None:
        job.checkpoints.mkdir(exist_ok=True)
    interrupted = _execute(run, job, agenda, manifest, store, title)
    if agenda.radius_problem is not None:
        told(f"No trials of the phase radius: {agenda.radius_problem}")
    if job.study.packs.rows == "auto":  # the next run begins with what there was memory for
        manifest.update(engine={**manifest["engine"], "rows": agenda.rows})
    if manifest.values.get("reused"):
        manifest.update(reused=made.counted(manifest["reused"], agenda.outcomes))
    end = End.of(agenda, interrupted=interrupted)
    if end.is_whole:
        manifest.complete(job.study.replicates)
        folder.remove_checkpoints()
    return end


def _take_over(agenda: Agenda, manifest: RunManifest, store: ResultStore) -> Sequence[Outcome]:
    """Store what other runs made of the trials that are due, and what of those due by that."""

    def add(outcomes: Sequence[Outcome]) -> None:
        _keep_radius_range(agenda, manifest)
        store.add(outcomes)

    return agenda.take_over(add)


def _keep_radius_range(agenda: Agenda, manifest: RunManifest) -> None:
    """Once it is found it is the run's, however many replicates follow.

    To be kept before a trial of `radius` is stored.
    """
    found = agenda.radius_range
    manifest.update(radius_range=None if found is None else list(found))


def _forecast(
    job: Job, agenda: Agenda, manifest: RunManifest, options: RunOptions, title: str
) -> str:
    from agsam_tune.planning.forecast import forecast

    left = forecast(
        job.study,
        job.tasks,
        stored=agenda.outcomes,
        engine=manifest["engine"],
        cpus=options.cpus,
        gpus=options.gpus,
        address=options.address,
        executor=options.executor,
        report=options.report,
    )
    return f"{title}: {left}"


def _job(study: Study, tasks: Tasks, options: RunOptions, folder: RunFolder) -> Job:
    """What workers are given; how they compute is not known yet."""
    return Job(
        import_path=ImportPath(options.import_path),
        study=study,
        tasks=tasks,
        rules=own_rules(study),
        device=device_of(study),
        way="auto",
        checkpoints=folder.checkpoints if study.packs.checkpoint else None,
    )


def _plan(job: Job, options: RunOptions, console: Console) -> dict[str, Any]:
    """How packs are computed, measured where they will be: on this machine or a cluster's."""
    if options.executor == "inline" or options.address is None:
        return plan(job.study, job.tasks)
    before_ray(address=options.address)
    from agsam_tune.executors.ray_cluster import plan_on_cluster

    return plan_on_cluster(job, options.address, lambda text: say(console, text))


def _execute(
    run: _Run,
    job: Job,
    agenda: Agenda,
    manifest: RunManifest,
    store: ResultStore,
    title: str,
) -> bool:
    """Run what is left; returns whether it was interrupted."""
    options, console = run.options, run.console
    if agenda.finished:
        if len(agenda.outcomes) == agenda.total:
            say(console, f"{title}: all {agenda.total} trials are stored; nothing is left")
        return False
    for note in ray_notes(address=options.address) if options.executor == "ray" else ():
        say(console, note)
    with StudyProgress(title, agenda.planned, agenda.outcomes, console) as progress:

        def deliver(trained: Trained) -> None:
            new = agenda.unknown(trained.outcomes)
            store.add(new)
            keep_failures(run.folder.failures, trained.failures)
            agenda.record(trained.outcomes, fits=trained.fits)
            progress.add([*new, *_take_over(agenda, manifest, store)])
            progress.drop(set_outdated_aside(agenda, store, partial(say, console)))
            _keep_radius_range(agenda, manifest)

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
