"""Several studies together: performance against sensitivity, and the claim over tasks.

In: the contexts and summaries of several runs. Out: the comparison's `summary.json`. Must not
import torch, Ray or Optuna.

**Tasks are fixed.** Everything is about the tasks that were run, and says nothing about others:
a mean over two or five tasks has no interval for tasks in general.

**A mean over tasks** of a difference has the error of its parts. The tasks' seeds are their own,
but their designs are this project's same Sobol points, so that what the points do to one task they
may do to the next: contributions are added up replicate by replicate before their spread is taken,
and put beside each other seed by seed. That holds for independent studies too, with fewer degrees
of freedom than they have.

**Scores** are normalised within a task to be 0 at chance and 1 at the best accuracy of any
optimizer there; this scale is taken as known.

Shapes: T tasks, R replicates, S seeds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agsam_tune.analysis.best import Best
from agsam_tune.analysis.claim_across import claim_across
from agsam_tune.analysis.comparisons import Contrast, contrasts, entries
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import Estimate, to_leaf
from agsam_tune.analysis.intervals import Component, p_value
from agsam_tune.analysis.leaf import Leaf, Unknown, leaf, null
from agsam_tune.analysis.tuning_gain import (
    TuningGain,
    gain_difference,
    gain_estimate,
    tuning_gain,
)
from agsam_tune.analysis.worth_tuning import worth_tuning

__all__ = ["TaskRun", "compare_tasks", "mean_over_tasks"]

LENSES = ("rho", "own_best", "radius")
METRIC = "regret_sensitivity"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One run among those that are compared.

    Attributes:
        name: what it is called in the comparison, different for each.
        context: what its estimates are computed from.
        summary: its `summary.json`.
    """

    name: str
    context: Context
    summary: Mapping[str, Any]

    @property
    def scale(self) -> float | None:
        """a* - chance, with the best accuracy of any optimizer; None where there is none."""
        best = self.context.common_best
        above = best.value - self.context.chance if isinstance(best, Best) else 0.0
        return above if above > 0 else None

    @property
    def maps(self) -> bool:
        """Whether a map was run, without which nothing is known of settings in general."""
        cells = self.context.table.cells.items()
        return any(phase == "map" and bool(one.settings) for (_, phase), one in cells)

    @property
    def pair(self) -> tuple[str, str] | None:
        study = self.context.study
        if study.candidate is None or study.baseline is None:
            return None
        return study.candidate, study.baseline


def compare_tasks(runs: Sequence[TaskRun]) -> dict[str, Any]:
    """Everything that is said of several runs together.

    Args:
        runs: two or more; their order is that of the tables.

    Returns:
        the content of `summary.json`: `tasks` (one entry a run), `optimizers` (those that all runs
        with a map have), `comparisons` (candidate - baseline, mean over tasks, by lens, and of the
        hyperparameter sensitivity), `verdicts` and `claim`. Leaves are as in a run's own summary.
    """
    mapped = [run for run in runs if run.maps]
    shared = [name for name in _optimizers(mapped) if all(_has(run, name) for run in mapped)]
    pair = _pair(runs)
    gains = {name: _gain(mapped, name) for name in shared}
    worth = _worth(mapped, shared)
    # What is equivalent by the strictest margin is so by every task's own.
    strictest = min((run.context for run in runs), key=lambda one: one.study.analysis.margin)
    settings = strictest.study.analysis
    rows = [] if pair is None else _comparisons(runs, pair, strictest)
    if pair is not None:
        rows.append(_sensitivity(mapped, pair, gains, settings.confidence))
    tasks = [_task(run, worth.get(run.name, {})) for run in runs]
    judged = [task for task in tasks if task["compared"] and task["pair"] == _listed(pair)]
    return {
        "comparison_of": [run.name for run in runs],
        "candidate": pair and pair[0],
        "baseline": pair and pair[1],
        "control": runs[0].context.study.control,
        "confidence": settings.confidence,
        "margin": settings.margin,
        "tasks": tasks,
        "optimizers": {
            name: {
                "score": _mean_score([task for task in tasks if task["mapped"]], name),
                "hyperparameter_sensitivity": to_leaf(
                    gain_estimate(gains[name]), settings.confidence
                ),
            }
            for name in shared
        },
        "comparisons": rows,
        "verdicts": dict(Counter(task["claim"]["verdict"] for task in judged)),
        "claim": claim_across(tasks, rows, pair),
    }


def mean_over_tasks(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates of different tasks, with what their designs have in common.

    Contributions of replicates with the same number are added, those of seeds are not: no two
    tasks share a seed's weights or batches.
    """
    T = len(estimates)
    influences = [one.influence_RS for one in estimates]
    rows = max(len(own_RS) for own_RS in influences)
    total = sum(own_RS.shape[1] for own_RS in influences)
    blocks = [
        # A mean over all columns is the mean over tasks of each task's mean over its own.
        np.pad(own_RS, ((0, rows - len(own_RS)), (0, 0))) * (total / (T * max(own_RS.shape[1], 1)))
        for own_RS in influences
    ]
    choices = [one.imagined_B for one in estimates if len(one.imagined_B)]
    widest = max(estimates, key=lambda one: float(np.ptp(one.values_P)) if one.values_P.size else 0)
    return replace(
        estimates[0],
        value=float(np.mean([one.value for one in estimates])),
        influence_RS=np.concatenate(blocks, axis=1),
        clusters=min(one.clusters for one in estimates),
        seeds=sum(one.seeds for one in estimates),
        cluster_degrees=min(one.cluster_degrees for one in estimates),
        n=sum(one.n for one in estimates),
        method=f"mean over {T} tasks; {estimates[0].method}",
        best_terms=tuple((w / T, best) for one in estimates for w, best in one.best_terms),
        imagined_B=np.sum(choices, axis=0) / T if choices else np.zeros(0),
        extra=_of_the_mean([part for one in estimates for part in one.extra], T),
        common=_of_the_mean([part for one in estimates for part in one.common], T),
        bias=float(np.mean([one.bias for one in estimates])),
        least_variance=float(np.mean([one.least_variance for one in estimates])),
        unseen=float(np.mean([one.unseen for one in estimates])),
        compares=any(one.compares for one in estimates),
        step=max(one.step for one in estimates),
        values_P=widest.values_P,
        low=float(np.mean([one.low for one in estimates])),
        high=float(np.mean([one.high for one in estimates])),
    )


def _of_the_mean(parts: Sequence[Component], tasks: int) -> tuple[Component, ...]:
    return tuple(replace(part, variance=part.variance / tasks**2) for part in parts)


def _comparisons(
    runs: Sequence[TaskRun], pair: tuple[str, str], strictest: Context
) -> list[dict[str, Any]]:
    """Candidate - baseline over the tasks that compare these two, as entries with verdicts."""
    ours = [run for run in runs if run.pair == pair]
    found = {run.name: _by_lens(run, pair) for run in ours}
    rows = []
    for lens in LENSES:
        known = {
            name: own[lens] for name, own in found.items() if not isinstance(own[lens], Unknown)
        }
        estimates = [one for one in known.values() if isinstance(one, Estimate)]
        mean: Estimate | Unknown = Unknown(reason="no task has an estimate")
        if estimates:
            mean = mean_over_tasks(estimates)
        without = [name for name in found if name not in known]
        labels = {"tasks": list(known), "without": without}
        rows.append(Contrast(lens=lens, metric=METRIC, estimate=mean, labels=labels))
    return entries(rows, *pair, strictest)


def _sensitivity(
    runs: Sequence[TaskRun],
    pair: tuple[str, str],
    gains: Mapping[str, TuningGain | Unknown],
    confidence: float,
) -> dict[str, Any]:
    """The difference in Phi as an entry; less is better, and the margin is not in its unit."""
    nothing = Unknown(reason="not all tasks have both optimizers")
    estimate = gain_difference(*(gains.get(name, nothing) for name in pair))
    found = to_leaf(estimate, confidence)
    row = {
        "candidate": pair[0],
        "baseline": pair[1],
        "lens": "tasks",
        "metric": "hyperparameter_sensitivity",
        "difference": found["value"],
        "low": found.get("low"),
        "high": found.get("high"),
        "p_value": None,
        "verdict": "undecided",
        "tasks": [run.name for run in runs],
        "without": [],
    }
    if isinstance(estimate, Unknown) or found["value"] is None:
        return row | {"reason": found["reason"]}
    parts = estimate.components(confidence)
    p = None if isinstance(parts, Unknown) else p_value(parts, estimate.value)
    verdict = "undecided"
    if p is not None and p < 1 - confidence:
        verdict = "candidate" if estimate.value < 0 else "baseline"
    return row | {
        "p_value": p,
        "verdict": verdict,
        "n": estimate.n,
        "method": estimate.method,
    }


def _by_lens(run: TaskRun, pair: tuple[str, str]) -> dict[str, Estimate | Unknown]:
    found = {
        contrast.lens: contrast.estimate
        for contrast in contrasts(run.context, *pair)
        if contrast.metric == METRIC
    }
    nothing = Unknown(reason="the task has no such phase")
    return {lens: found.get(lens, nothing) for lens in LENSES}


def _task(run: TaskRun, worth: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What is known of one task."""
    context, scale = run.context, run.scale
    best = context.common_best
    claim = run.summary.get("claim") or {}
    comparisons = [
        row
        for row in run.summary.get("comparisons") or ()
        if row["metric"] == METRIC and row["lens"] in LENSES
    ]
    return {
        "name": run.name,
        "study": context.study.name,
        "task": context.study.task,
        "pair": _listed(run.pair),
        "n_trials": context.table.n_trials,
        "n_diverged": context.table.n_diverged,
        "chance": context.chance,
        "best_accuracy": best.value if isinstance(best, Best) else None,
        "claim": {key: claim.get(key) for key in ("verdict", "text")},
        "mapped": run.maps,
        "compared": any(row["difference"] is not None for row in comparisons),
        "comparisons": comparisons,
        "optimizers": {
            name: _optimizer(run, name, scale) | {"worth_tuning": worth.get(name)}
            for name in context.study.optimizers
        },
    }


def _optimizer(run: TaskRun, name: str, scale: float | None) -> dict[str, Any]:
    """Performance and sensitivity of one optimizer in one task, as it is and normalised."""
    metrics = run.summary["optimizers"][name]["metrics"]
    found = {
        "best_accuracy": metrics["own_best"]["best_accuracy"],
        **{f"{METRIC}_{lens}": metrics[lens][METRIC] for lens in LENSES},
    }
    start = {"best_accuracy": run.context.chance}
    return {
        **found,
        "normalised": {
            key: _normalised(own, start.get(key, 0.0), scale) for key, own in found.items()
        },
    }


def _normalised(own: Leaf, start: float, scale: float | None) -> Leaf:
    if own["value"] is None:
        return own
    if scale is None:
        return null("no optimizer of the task is above chance")
    ends = {key: (own[key] - start) / scale for key in ("value", "low", "high")}
    return leaf(**ends, n=own["n"], method=f"{own['method']}; the scale taken as known")


def _mean_score(tasks: Sequence[Mapping[str, Any]], name: str) -> Leaf:
    """The mean over tasks of the normalised accuracy at each task's own best."""
    scores = [task["optimizers"][name]["normalised"]["best_accuracy"] for task in tasks]
    missing = [
        f"{task['name']}: {own['reason']}"
        for task, own in zip(tasks, scores, strict=True)
        if own["value"] is None
    ]
    if missing:
        return null("; ".join(missing))
    value = float(np.mean([own["value"] for own in scores]))
    # Fresh seeds of a task are its own: half widths add in squares, as parts of an error do.
    halves = [(own["high"] - own["low"]) / 2 for own in scores]
    half = float(np.sqrt(np.sum(np.square(halves)))) / len(scores)
    return leaf(
        value=value,
        low=value - half,
        high=value + half,
        n=sum(own["n"] for own in scores),
        method="mean over tasks; the scales taken as known",
    )


def _gain(runs: Sequence[TaskRun], name: str) -> TuningGain | Unknown:
    scales = [run.scale for run in runs]
    known = [scale for scale in scales if scale is not None]
    if len(known) < len(scales):
        return Unknown(reason="in a task no optimizer is known to be above chance")
    return tuning_gain([run.context for run in runs], known, name)


def _worth(
    runs: Sequence[TaskRun], names: Sequence[str]
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """run → optimizer → how many of its hyperparameters are worth tuning there."""
    contexts, scales = [run.context for run in runs], [run.scale or 1.0 for run in runs]
    found = {name: worth_tuning(contexts, scales, name) for name in names}
    return {run.name: {name: found[name][t] for name in names} for t, run in enumerate(runs)}


def _optimizers(runs: Sequence[TaskRun]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.context.study.optimizers))


def _has(run: TaskRun, name: str) -> bool:
    return name in run.context.study.optimizers


def _pair(runs: Sequence[TaskRun]) -> tuple[str, str] | None:
    """The candidate and baseline of most runs; of equally many, the first run's."""
    pairs = Counter(run.pair for run in runs if run.pair is not None)
    return pairs.most_common(1)[0][0] if pairs else None


def _listed(pair: tuple[str, str] | None) -> list[str] | None:
    return None if pair is None else list(pair)
