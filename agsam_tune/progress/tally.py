"""How many trials are done, and how good they are, kept up to date trial by trial.

In: outcomes. Out: counts, bests and medians. What a trial costs does not grow with the number
of trials. Imports the standard library only.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import accumulate

from agsam_tune.trials import Outcome, State

# A tenth of a point, the last digit that is shown.
_BINS = 1000
# Phases whose points may be called an optimizer's best; elsewhere something is off on purpose.
_CHOOSING = frozenset({"map", "tune", "fixed"})


class Tally:
    """Trials done by (phase, optimizer), those that diverged or failed, and their accuracies.

    Attributes:
        done: finished trials by (phase, optimizer).
        diverged: trials that diverged.
        failed: trials that could not be run.
        best: of each optimizer, the best validation accuracy of a training.
    """

    def __init__(self) -> None:
        self._accuracies: dict[str, Histogram] = defaultdict(Histogram)
        self.done: Counter[tuple[str, str]] = Counter()
        self.diverged = self.failed = 0
        self.best: dict[str, float] = {}

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count finished trials."""
        for outcome in outcomes:
            trial = outcome.trial
            self.done[trial.phase, trial.optimizer] += 1
            self.diverged += outcome.diverged
            if outcome.state is State.FAIL:
                self.failed += 1
                continue
            self._accuracies[trial.optimizer].add(outcome.val_accuracy)
            if trial.phase in _CHOOSING:
                best = self.best.get(trial.optimizer, outcome.val_accuracy)
                self.best[trial.optimizer] = max(best, outcome.val_accuracy)

    def drop(self, outcomes: Iterable[Outcome]) -> None:
        """Count trials no more. A best stays, as what was once seen."""
        for outcome in outcomes:
            trial = outcome.trial
            self.done[trial.phase, trial.optimizer] -= 1
            self.diverged -= outcome.diverged
            if outcome.state is State.FAIL:
                self.failed -= 1
            else:
                self._accuracies[trial.optimizer].add(outcome.val_accuracy, times=-1)

    def median(self, optimizer: str) -> float:
        """The median validation accuracy of the optimizer's trials; NaN before the first."""
        found = self._accuracies.get(optimizer)
        return math.nan if found is None else found.median()


class Histogram:
    """Fractions, rounded to a thousandth, and their running median."""

    def __init__(self) -> None:
        self._counts = [0] * (_BINS + 1)
        self._n = 0

    def add(self, fraction: float, *, times: int = 1) -> None:
        """Count a number from 0 to 1 so many times; NaN is passed over."""
        if not math.isnan(fraction):
            self._counts[min(max(round(fraction * _BINS), 0), _BINS)] += times
            self._n += times

    def median(self) -> float:
        """NaN where there is nothing."""
        if not self._n:
            return math.nan
        wanted = ((self._n + 1) // 2, self._n // 2 + 1)
        lower, upper = (
            next(i for i, seen in enumerate(accumulate(self._counts)) if seen >= rank)
            for rank in wanted
        )
        return (lower + upper) / 2 / _BINS
