"""Several studies together: what each says, and what may be averaged over them.

In: the summaries of several runs. Out: a `TaskComparison`. Must not import torch, Ray or Optuna.

Everything is about the tasks that were run: a mean over two or five has no interval for tasks in
general. Averaged is what has one meaning for all: `mean_score` and `common_regret`, which is
against the best of all optimizers, as shares of best − trivial of the task (taken as known). The
regret against an optimizer's *own* best is never averaged: one whose own best collapses has nothing
to lose, and won by that once.

Studies of one seed share points and draws across tasks, so their errors may be alike. So the
interval of a mean is the mean of the intervals, which covers however they hang together: of normal
errors, the standard error of a mean is at most the mean of the standard errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agsam_tune.analysis.data import Data
from agsam_tune.analysis.placing import placed
from agsam_tune.analysis.record import Comparison, LensName, Summary
from agsam_tune.analysis.record_across import (
    Number,
    OptimizerAcross,
    Pooled,
    TaskComparison,
    TaskRow,
)

__all__ = ["TaskRun", "compare_tasks"]

Pair = tuple[str, str]
_METRICS: tuple[Literal["mean_score"], Literal["common_regret"]] = ("mean_score", "common_regret")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One run among those that are compared.

    Attributes:
        name: what it is called in the comparison, different for each.
        summary: its record.
        data: its trainings; without them nothing is said of performance against sensitivity.
    """

    name: str
    summary: Summary
    data: Data | None = None

    @property
    def pair(self) -> Pair | None:
        candidate, baseline = self.summary.candidate, self.summary.baseline
        return None if candidate is None or baseline is None else (candidate, baseline)

    @property
    def scale(self) -> Number:
        """best − trivial, or why it cannot serve."""
        design = self.summary.design
        if design.best is None:
            return Number(value=None, reason="the best score is not known")
        scale = design.best - design.trivial
        if scale <= design.margin:
            return Number(value=None, reason="no optimizer does better than trivial")
        return Number(value=scale)


def compare_tasks(runs: Sequence[TaskRun]) -> TaskComparison:
    """Everything that is said of several runs together.

    Args:
        runs: two or more; their order is that of the tables.
    """
    pairs = Counter(run.pair for run in runs if run.pair is not None)
    pair = pairs.most_common(1)[0][0] if pairs else None
    rows = [_task(run) for run in runs]
    ours = [
        row for run, row in zip(runs, rows, strict=True) if pair is not None and run.pair == pair
    ]
    verdicts = Counter(str(row.claim.verdict) for row in ours)
    notes = ["The tasks are those that were run; nothing is said about others."]
    others = [run.name for run in runs if pair is not None and run.pair != pair]
    if others:
        notes.append(f"Not about these two, so in no mean: {', '.join(others)}.")
    return TaskComparison(
        comparison_of=tuple(run.name for run in runs),
        candidate=pair and pair[0],
        baseline=pair and pair[1],
        tasks=tuple(rows),
        pooled=() if pair is None else _pooled(ours, pair),
        optimizers=_plane(runs),
        verdicts=dict(verdicts),
        text=_text(pair, verdicts),
        notes=tuple(notes),
    )


def _task(run: TaskRun) -> TaskRow:
    summary, design, scale = run.summary, run.summary.design, run.scale
    comparisons = tuple(
        row for row in summary.comparisons if (row.candidate, row.baseline) == run.pair
    )
    return TaskRow(
        name=run.name,
        study=summary.study,
        task=summary.task,
        candidate=summary.candidate,
        baseline=summary.baseline,
        replicates=design.replicates,
        trainings=summary.counts.trainings,
        diverged=summary.counts.diverged,
        trivial=design.trivial,
        best=design.best,
        scale=scale,
        claim=summary.claim,
        comparisons=comparisons,
        normalised=tuple(_normalised(row, scale) for row in comparisons if row.metric in _METRICS),
    )


def _normalised(row: Comparison, scale: Number) -> Comparison:
    own = {"verdict_low": None, "verdict_high": None, "verdict": None}
    if scale.value is None:
        numbers = {"estimate": None, "low": None, "high": None, "reason": scale.reason}
        return row.model_copy(update=own | numbers)
    parts = {name: getattr(row, name) for name in ("estimate", "low", "high")}
    divided = {k: None if v is None else v / scale.value for k, v in parts.items()}
    return row.model_copy(update=own | divided)


def _pooled(tasks: Sequence[TaskRow], pair: Pair) -> tuple[Pooled, ...]:
    """A line for each lens and metric that two tasks or more have."""
    found = []
    lenses: dict[LensName, None] = {row.lens: None for task in tasks for row in task.normalised}
    for lens in lenses:
        for metric in _METRICS:
            rows = {
                task.name: next(
                    (r for r in task.normalised if (r.lens, r.metric) == (lens, metric)), None
                )
                for task in tasks
            }
            line = _mean(lens, metric, pair, rows)
            found += [line] if line is not None else []
    return tuple(found)


def _mean(
    lens: LensName,
    metric: Literal["mean_score", "common_regret"],
    pair: Pair,
    rows: dict[str, Comparison | None],
) -> Pooled | None:
    known = {name: r for name, r in rows.items() if r is not None and r.estimate is not None}
    if len(known) < 2:
        return None
    low = [row.low for row in known.values() if row.low is not None]
    high = [row.high for row in known.values() if row.high is not None]
    bounded = len(low) == len(high) == len(known)
    return Pooled(
        lens=lens,
        metric=metric,
        candidate=pair[0],
        baseline=pair[1],
        estimate=float(np.mean([row.estimate for row in known.values()])),
        low=float(np.mean(low)) if bounded else None,
        high=float(np.mean(high)) if bounded else None,
        tasks=tuple(known),
        without=tuple(
            f"{name}: {(row.reason if row else None) or 'it has no such number'}"
            for name, row in rows.items()
            if name not in known
        ),
    )


def _plane(runs: Sequence[TaskRun]) -> dict[str, OptimizerAcross]:
    """Every optimizer that all runs have, in the order of the first."""
    shared = [
        name
        for name in runs[0].summary.optimizers
        if all(name in run.summary.optimizers for run in runs)
    ]
    data = [run.data for run in runs]
    scales = [run.scale.value for run in runs]
    confidence = max(run.summary.design.confidence for run in runs)
    found = {}
    for name in shared:
        known = [one for one in data if one is not None]
        sizes = [one for one in scales if one is not None]
        if len(known) < len(runs) or len(sizes) < len(runs):
            reason = "in a task no optimizer does better than trivial"
            if len(known) < len(runs):
                reason = "the trainings of a task are not at hand"
            performance = sensitivity = Number(value=None, reason=reason)
        else:
            performance, sensitivity = placed(known, sizes, name, confidence=confidence)
        found[name] = OptimizerAcross(performance=performance, sensitivity=sensitivity)
    return found


def _text(pair: Pair | None, verdicts: Counter[str]) -> str:
    if pair is None:
        return "No study names a candidate and a baseline, so there is no claim to judge."
    total = sum(verdicts.values())
    parts = [f"{word.replace('_', ' ')} in {count}" for word, count in verdicts.most_common()]
    tasks = "task" if total == 1 else "tasks"
    said = " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
    return f"That {pair[0]} is more robust than {pair[1]}: {said} of {total} {tasks}."
