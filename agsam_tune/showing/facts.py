"""What can be said of a run at once: how far it is, and what its last analysis found.

In: a run's folder. Out: one record. Estimates are those of `summary.json`, and only where it is of
as many trials as are stored now. Must not import torch, Ray, Optuna or pandas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.folder import Driver, RunFolder
from agsam_tune.paths import is_url
from agsam_tune.recorded import RecordedRun, recorded_run
from agsam_tune.showing.counts import Count, count_trials
from agsam_tune.study import planned_trials

_LEAF = ("value", "low", "high", "reason")


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
        progress: whether more trials come.
        since: when the driver began, the run finished, or the trials were imported; ISO 8601.
        driver: who runs it; where it stopped, who was killed.
        planned: trials of the whole study; None where it cannot be said.
        last_stored: when a trial was stored last, where a file says that.
        counts: what is stored, by optimizer.
        summary: `summary.json`, where it is of these trials; else None.
        summary_trials: the number of trials that it is of; None without one.
        has_report: whether there is a report, of as many trials as the summary.
        has_claim: whether the study can judge a claim.
    """

    folder: Path
    study: str
    task: str
    progress: Progress
    since: str | None
    driver: Driver | None
    planned: int | None
    last_stored: str | None
    counts: Mapping[str, Count]
    summary: Mapping[str, Any] | None
    summary_trials: int | None
    has_report: bool
    has_claim: bool

    @property
    def total(self) -> Count:
        """The counts of all optimizers together."""
        rows = self.counts.values()
        return Count(
            trials=sum(row.trials for row in rows),
            diverged=sum(row.diverged for row in rows),
            failed=sum(row.failed for row in rows),
            raised=sum(row.raised for row in rows),
        )

    @property
    def verdict(self) -> str | None:
        """The verdict on the claim; None without one, or where it is not known."""
        claim = (self.summary or {}).get("claim") or {}
        return claim.get("verdict") if self.has_claim else None

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON has it; `optimizers` has estimates where there is an analysis."""
        total, driver = self.total, self.driver
        claim = (self.summary or {}).get("claim") or {}
        return {
            "run": str(self.folder),
            "study": self.study,
            "task": self.task,
            "state": self.progress.value,
            "since": self.since,
            "driver": driver
            and {"host": driver.host, "pid": driver.pid, "started": driver.started},
            "stored": total.trials,
            "planned": self.planned,
            "last_stored": self.last_stored,
            "diverged": total.diverged,
            "failed": total.failed,
            "raised": total.raised,
            "analysed": self.summary_trials,
            "confidence": (self.summary or {}).get("confidence"),
            "verdict": self.verdict,
            "claim": claim.get("text"),
            "optimizers": {name: self._optimizer(name) for name in self.counts},
            "report": str(RunFolder(path=self.folder).report) if self.has_report else None,
        }

    def estimates(self, optimizer: str) -> dict[str, Any]:
        """The own best setting and its accuracy, what the box gives, and the fixed points; empty
        without a summary."""
        if self.summary is None:
            return {}
        found = (self.summary.get("optimizers") or {}).get(optimizer) or {}
        metrics = found.get("metrics") or {}
        rho, own_best = metrics.get("rho") or {}, metrics.get("own_best") or {}
        return {
            "best": (found.get("best_point") or {}).get("hyperparameters"),
            "best_accuracy": _leaf(own_best.get("best_accuracy")),
            "mean_accuracy": _leaf(rho.get("mean_accuracy")),
            "regret_sensitivity": _leaf(rho.get("regret_sensitivity")),
            "fixed": [
                {"setting": point["hyperparameters"], "accuracy": _leaf(point["accuracy"])}
                for point in found.get("points") or ()
            ],
        }

    def _optimizer(self, name: str) -> dict[str, Any]:
        count = self.counts[name]
        return {
            "stored": count.trials,
            "diverged": count.diverged,
            "failed": count.failed,
            "raised": count.raised,
            **self.estimates(name),
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
    counts = _counts(path, run, progress)
    summary, analysed = _summary(folder)
    current = analysed == sum(count.trials for count in counts.values())
    planned = None if run.location is None else list(planned_trials(run.study).values())
    study = run.study
    return RunFacts(
        folder=path,
        study=study.name,
        task=study.task,
        progress=progress,
        since=_since(progress, run, driver),
        driver=driver,
        planned=None if planned is None or None in planned else sum(n or 0 for n in planned),
        last_stored=_last_stored(run),
        counts=counts,
        summary=summary if current else None,
        summary_trials=analysed,
        has_report=analysed is not None and folder.report.is_file(),
        has_claim=bool(study.candidate) and any(phase.name != "fixed" for phase in study.phases),
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


def _counts(path: Path, run: RecordedRun, progress: Progress) -> dict[str, Count]:
    begins = progress is Progress.RUNNING and run.location is not None
    if begins and not is_url(str(run.location)) and not Path(str(run.location)).exists():
        return {name: Count() for name in run.study.optimizers}
    return count_trials(path, run)


def _summary(folder: RunFolder) -> tuple[dict[str, Any] | None, int | None]:
    """The summary, and the number of trials that it is of."""
    try:
        summary = json.loads(folder.summary.read_text("utf-8"))
        return summary, int(summary["n_trials"]) + int(summary["n_raised"])
    except FileNotFoundError:
        return None, None
    except (ValueError, KeyError, TypeError):  # somebody else's file
        return None, None
    except OSError as error:
        raise UsageError(f"{folder.summary}: cannot be read: {error.strerror}") from error


def _leaf(leaf: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: leaf[key] for key in _LEAF if key in leaf} if leaf else {"value": None}


def _last_stored(run: RecordedRun) -> str | None:
    """When the journal was written to last; databases do not say it cheaply."""
    if run.location is None or is_url(run.location):
        return None
    try:
        changed = Path(run.location).stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
