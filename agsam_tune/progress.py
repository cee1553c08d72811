"""What the console shows while a study runs: one line that is kept up to date.

In: how many trials there are, and outcomes. Out: a Rich progress line on a terminal, else a
plain line now and then. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from agsam_tune.trials import Outcome, State

_PLAIN_SECONDS = 15.0


class StudyProgress:
    """Trials done of all, trials a second, time left, diverged so far, best of each optimizer.

    Args:
        title: what runs.
        total: trials of the whole study.
        seeds: trials of a point, for the phases whose points may be called best.
        stored: outcomes of an earlier start; they count as done, not for the rate.
        console: where to print.
    """

    def __init__(
        self,
        title: str,
        total: int,
        seeds: Mapping[str, int],
        stored: Iterable[Outcome],
        console: Console,
    ) -> None:
        self._console = console
        self._total = total
        self._seeds = seeds
        self._started = self._printed = time.monotonic()
        self._before = self._done = self._diverged = self._failed = 0
        self._scores: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        self._best: dict[str, float] = {}
        self._shown = -1
        # What is narrow keeps its width; a small terminal cuts the list of the best.
        digits = len(str(total))
        self._bar = Progress(
            TextColumn("[bold]{task.description}", table_column=_kept(len(title))),
            BarColumn(bar_width=10, table_column=_kept(10)),
            MofNCompleteColumn(table_column=_kept(2 * digits + 1)),
            TextColumn("{task.fields[rate]}", table_column=_kept(6)),
            TimeRemainingColumn(compact=True, table_column=_kept(5)),
            TextColumn(
                "{task.fields[notes]}",
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            console=console,
            disable=not console.is_terminal,
            expand=True,
        )
        self._task = self._bar.add_task(title, total=total, rate="", notes="")
        self._count(stored)
        self._before = self._done
        self._show()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if not self._console.is_terminal and self._shown != self._done:
            self._console.print(self._line(), soft_wrap=True)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count finished trials and show them."""
        self._count(outcomes)
        self._show()

    def _count(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            trial = outcome.trial
            self._done += 1
            self._diverged += outcome.diverged
            if outcome.state is State.FAIL:
                self._failed += 1
                continue
            self._scores[trial.optimizer, trial.phase, trial.point].append(outcome.val_accuracy)
        # Of points with all their seeds, so that one lucky seed is not a best.
        for (optimizer, phase, _), scores in self._scores.items():
            if len(scores) == self._seeds.get(phase):
                mean = sum(scores) / len(scores)
                self._best[optimizer] = max(self._best.get(optimizer, 0.0), mean)

    def _show(self) -> None:
        notes = self._notes() if self._done > self._before else "starting"
        self._bar.update(self._task, completed=self._done, rate=self._rate(), notes=notes)
        due = time.monotonic() - self._printed >= _PLAIN_SECONDS
        if due and not self._console.is_terminal:
            self._printed = time.monotonic()
            self._shown = self._done
            self._console.print(self._line(), soft_wrap=True)

    def _per_second(self) -> float:
        return (self._done - self._before) / max(time.monotonic() - self._started, 1e-9)

    def _rate(self) -> str:
        return f"{self._per_second():.1f}/s" if self._done > self._before else "–/s"

    def _notes(self) -> str:
        failed = f", {self._failed} failed to run" if self._failed else ""
        best = "  ".join(f"{name} {100 * best:.1f}%" for name, best in self._best.items())
        return f"{self._diverged} diverged{failed} · best validation {best or '–'}"

    def _line(self) -> str:
        rate = self._per_second()
        minutes, seconds = divmod(round((self._total - self._done) / rate) if rate else 0, 60)
        time_left = f"{minutes}m{seconds:02d}s left" if rate else "– left"
        return f"{self._done}/{self._total} trials, {self._rate()}, {time_left}, {self._notes()}"


def _kept(width: int) -> Column:
    return Column(no_wrap=True, min_width=width)
