"""What can be said of a run at once: how far it is, and what its last analysis found.

In: a run's folder. Out: one record. Estimates are those of `summary.json`, and only where it is of
as many trials as are stored now. Must not import torch, Ray, Optuna or pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from agsam_tune.analysis.record import Summary
from agsam_tune.errors import UsageError
from agsam_tune.folder import Driver, RunFolder
from agsam_tune.paths import is_url
from agsam_tune.recorded import RecordedRun, recorded_run
from agsam_tune.showing.counts import Count, Ended, collapse_limit, count, ended_trials
from agsam_tune.study import planned_trials


class Progress(StrEnum):
    """Whether more trials come."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run as it is now.

    Attributes:
        folder: its folder.
        study, task: their names.
        optimizers: in the study's order.
        progress: whether more trials come.
        since: when the driver began, the run finished, or the trials were imported; ISO 8601.
        driver: who runs it; where it stopped, who was killed.
        planned: trials that the study has at its present size by (optimizer, phase); None where
            it cannot be said.
        last_stored: when a trial was stored last, where a file says that.
        total: what is stored.
        counts: the same by (optimizer, phase), of which some are stored.
        summary: `summary.json`, where it is of these trials; else None.
        summary_trials: the number of trials that it is of; None without one.
        has_report: whether there is a report, of as many trials as the summary.
    """

    folder: Path
    study: str
    task: str
    optimizers: tuple[str, ...]
    progress: Progress
    since: str | None
    driver: Driver | None
    planned: Mapping[tuple[str, str], int] | None
    last_stored: str | None
    total: Count
    counts: Mapping[tuple[str, str], Count]
    summary: Summary | None
    summary_trials: int | None
    has_report: bool

    @property
    def n_planned(self) -> int | None:
        """Trials of the whole study."""
        return None if self.planned is None else sum(self.planned.values())

    @property
    def verdict(self) -> str | None:
        """The verdict on the claim; None without one, or where it is not known."""
        known = self.summary is not None and self.summary.candidate is not None
        return self.summary.claim.verdict if self.summary is not None and known else None

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON has it, the last analysis as `summary.json` does."""
        total, driver, summary = self.total, self.driver, self.summary
        found = None if summary is None else summary.model_dump(mode="json")
        return {
            "run": str(self.folder),
            "study": self.study,
            "task": self.task,
            "state": self.progress.value,
            "since": self.since,
            "driver": driver
            and {"host": driver.host, "pid": driver.pid, "started": driver.started},
            "stored": total.trials,
            "planned": self.n_planned,
            "last_stored": self.last_stored,
            "diverged": total.diverged,
            "collapsed": total.collapsed,
            "raised": total.raised,
            "analysed": self.summary_trials,
            "verdict": self.verdict,
            "claim": None if summary is None else summary.claim.text,
            "design": found and found["design"],
            "comparisons": found and found["comparisons"],
            "optimizers": {name: self._optimizer(name) for name in self.optimizers},
            "report": str(RunFolder(path=self.folder).report) if self.has_report else None,
        }

    def _optimizer(self, name: str) -> dict[str, Any]:
        """Trials by phase, and estimates where there is an analysis."""
        own = {phase: count for (who, phase), count in self.counts.items() if who == name}
        return {
            "stored": sum(count.trials for count in own.values()),
            "phases": {phase: count.trials for phase, count in own.items()},
            "diverged": sum(count.diverged for count in own.values()),
            "collapsed": sum(count.collapsed for count in own.values()),
            "raised": sum(count.raised for count in own.values()),
            "metrics": None
            if self.summary is None
            else [row.model_dump(mode="json") for row in self.summary.optimizers[name].metrics],
        }


def runs_below(folder: Path) -> list[Path]:
    """The folders in it, at any depth, that have a manifest."""
    return sorted(path.parent for path in folder.rglob(RunFolder(path=folder).manifest.name))


def facts_of(path: Path) -> RunFacts:
    """What is known of a run, whoever runs it now.

    Raises:
        UsageError: the folder holds no run, or its results are gone.
    """
    folder = RunFolder(path=path)
    driver = folder.driver_named()
    # First who runs it: what is stored can only become more.
    progress = _progress(driver)
    run = recorded_run(path)
    if progress is None:
        progress = _progress_of(run)
    trials = _trials(path, run, progress)
    limit = collapse_limit(trials, run.chance)
    summary = _summary(folder)
    analysed = None if summary is None else summary.counts.trainings
    study = run.study
    return RunFacts(
        folder=path,
        study=study.name,
        task=study.task,
        optimizers=study.optimizers,
        progress=progress,
        since=_since(progress, run, driver),
        driver=driver,
        planned=_planned(run),
        last_stored=_last_stored(run),
        total=count(trials, limit),
        counts=_by_phase(run, trials, limit),
        summary=summary if analysed == len(trials) else None,
        summary_trials=analysed,
        has_report=analysed is not None and folder.report.is_file(),
    )


def _progress(driver: Driver | None) -> Progress | None:
    return Progress.RUNNING if driver is not None and driver.works else None


def _progress_of(run: RecordedRun) -> Progress:
    """Of a run that nobody runs."""
    if run.location is None:
        return Progress.IMPORTED
    return Progress.FINISHED if run.manifest.get("finished") else Progress.STOPPED


def _since(progress: Progress, run: RecordedRun, driver: Driver | None) -> str | None:
    if progress is Progress.RUNNING and driver is not None:
        return driver.started
    if progress is Progress.IMPORTED:
        found = run.manifest["imported"].get("at")
    else:
        found = run.manifest.get("finished")
    return None if found is None else str(found)


def _trials(path: Path, run: RecordedRun, progress: Progress) -> list[Ended]:
    begins = progress is Progress.RUNNING and run.location is not None
    if begins and not is_url(str(run.location)) and not Path(str(run.location)).exists():
        return []
    return ended_trials(path, run)


def _by_phase(
    run: RecordedRun, trials: Sequence[Ended], limit: float
) -> dict[tuple[str, str], Count]:
    """In the study's order."""
    some: dict[tuple[str, str], list[Ended]] = {}
    for one in trials:
        some.setdefault((one.optimizer, one.phase), []).append(one)
    order = [(name, phase.name) for name in run.study.optimizers for phase in run.study.phases]
    return {key: count(some[key], limit) for key in order if key in some}


def _planned(run: RecordedRun) -> dict[tuple[str, str], int] | None:
    """None of trials made elsewhere, and of runs of the first design."""
    if run.location is None or run.study.format == 1:
        return None
    planned = planned_trials(run.study)
    known = {key: n for key, n in planned.items() if n is not None}
    return known if len(known) == len(planned) else None


def _summary(folder: RunFolder) -> Summary | None:
    """The summary; None where there is none, or none of this form."""
    try:
        return Summary.model_validate_json(folder.summary.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # somebody else's file, or one of the first design
        return None
    except OSError as error:
        raise UsageError(f"{folder.summary}: cannot be read: {error.strerror}") from error


def _last_stored(run: RecordedRun) -> str | None:
    """When the journal was written to last; databases do not say it cheaply."""
    if run.location is None or is_url(run.location):
        return None
    try:
        changed = Path(run.location).stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
