"""How a run ends: what there is, what is reported of it, what is said, the exit code.

In: what there is when the training ends. Out: an exit code, and the claim's verdict. Must not
import torch or Ray; the report is imported where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from agsam_tune.agenda import Agenda
from agsam_tune.errors import ExitCode, UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.paths import command_word
from agsam_tune.running.options import RunOptions
from agsam_tune.trials import Outcome, State


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What there is when the training ends; little, for the report needs the memory.

    Attributes:
        stored: trials that are stored.
        total: trials of the whole study.
        failed: trials that are stored as FAIL.
        first_failed: the first of them.
        lost: trials tried alone while nothing could be trained.
        reason: why the first of these could not be.
        interrupted: whether the user ended it.
        without_lengths: why there are no trials of `radius`, however many replicates there are;
            None where there are, or are none to be.
    """

    stored: int
    total: int
    failed: int
    first_failed: Outcome | None
    lost: int
    reason: str
    interrupted: bool
    without_lengths: str | None

    @classmethod
    def of(cls, agenda: Agenda, *, interrupted: bool) -> End:
        failed = [o for o in agenda.outcomes if o.state is State.FAIL]
        return cls(
            stored=len(agenda.outcomes),
            total=agenda.total,
            failed=len(failed),
            first_failed=failed[0] if failed else None,
            lost=len(agenda.lost),
            reason=agenda.lost[0][1] if agenda.lost else "",
            interrupted=interrupted,
            without_lengths=agenda.radius_problem,
        )

    @property
    def is_whole(self) -> bool:
        """Whether all trials of this many replicates are there."""
        return self.stored == self.total

    def __str__(self) -> str:
        return f"{self.stored} of {self.total} trials are stored"


def conclude(
    folder: RunFolder, end: End, options: RunOptions, console: Console
) -> tuple[ExitCode, str | None]:
    """Report on what there is, and say what is missing; returns the claim's verdict too."""
    verdict = None
    try:
        # Whoever interrupts does not want to wait for a report.
        if end.stored:
            report = options.report and not end.interrupted
            verdict = _write_results(folder, console, report=report)
    except KeyboardInterrupt:
        later = f"{_report_command(folder)} writes the report"
        say(console, f"Stopped while the report was written. {end}; {later}")
        return ExitCode.STOPPED, None
    except UsageError as error:  # the storage is away, now that all is in it
        later = f"{_report_command(folder)} writes the report when it can be read"
        _complain(console, f"{end}, but cannot be read now: {error}; {later}")
        return ExitCode.STOPPED if end.interrupted else ExitCode.FAILURE, None
    return _exit_code(folder, end, console), verdict


def _write_results(folder: RunFolder, console: Console, *, report: bool) -> str | None:
    """The trials, and the report where it is wanted; returns the claim's verdict then."""
    # Here, since it takes its time, and memory, to import.
    from agsam_tune.reporting import report_run, write_trials

    if not report:
        write_trials(folder.path)
        say(console, f"Trials: {folder.trials}; for a report: {_report_command(folder)}")
        return None
    claim = report_run(folder.path).claim
    say(console, claim.text)
    say(console, f"Report: {folder.report}")
    return claim.verdict


def _report_command(folder: RunFolder) -> str:
    return f"agsam-tune report {command_word(folder.path)}"


def _exit_code(folder: RunFolder, end: End, console: Console) -> ExitCode:
    if end.lost:
        what = (
            f"Nothing could be trained: of {end.lost} trials tried alone, the first: {end.reason}"
        )
        _complain(console, what)
        _complain(console, f"{end}; the same command tries again")
        return ExitCode.FAILURE
    if end.interrupted or end.stored < end.total:
        say(console, f"Stopped. {end}; the same command carries on")
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
    say(Console(stderr=True) if console.quiet else console, text)


def say(console: Console, text: str) -> None:
    """Print one line as it is, however long."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)
