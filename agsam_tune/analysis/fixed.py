"""A phase of fixed points: each point's accuracy and loss over seeds, and paired differences.

In: a `Context`. Out: the `points` of `summary.json`'s optimizers, comparison entries with the lens
"fixed", and the published numbers beside ours. Must not import torch, Ray or Optuna.

The points are given, so that seeds are all that varies: t-intervals over seeds, paired by seed.
Losses are averaged over the trials that did not diverge, and `n` says how many those were.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.comparisons import Contrast
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import Estimate, difference, to_leaf
from agsam_tune.analysis.leaf import Unknown, null
from agsam_tune.analysis.table import Cells

__all__ = ["fixed_contrasts", "fixed_points", "reference"]

NO_TRIAL = Unknown(reason="no finished trial of this point")


def fixed_points(context: Context, optimizer: str) -> list[dict[str, Any]]:
    """One entry per fixed point of the optimizer: hyperparameters, accuracy and loss leaves."""
    cells = context.table.get(optimizer, "fixed")
    if cells is None:
        return []
    confidence = context.study.analysis.confidence
    return [
        {
            "point": int(point),
            "hyperparameters": {
                name: float(values[row])
                for name, values in cells.settings.items()
                if np.isfinite(values[row])
            },
            "accuracy": to_leaf(_mean(cells.accuracy_PS[row], cells.seeds, high=1.0), confidence),
            "loss": to_leaf(_mean(cells.loss_PS[row], cells.seeds), confidence),
            "failure_rate": float(np.nanmean(cells.failed_PS[row])),
        }
        for row, point in enumerate(cells.points)
    ]


def fixed_contrasts(context: Context, one: str, other: str) -> list[Contrast]:
    """Paired differences of every fixed point of the one with every one of the other."""
    ours, theirs = (context.table.get(name, "fixed") for name in (one, other))
    if ours is None or theirs is None:
        return []
    found = []
    for i, point in enumerate(ours.points):
        for j, opponent in enumerate(theirs.points):
            labels = {"points": [int(point), int(opponent)]}
            for metric in ("accuracy", "loss"):
                estimate = _paired(ours, i, theirs, j, metric)
                contrast = Contrast(lens="fixed", metric=metric, estimate=estimate, labels=labels)
                found.append(contrast)
    return found


def reference(context: Context) -> list[dict[str, Any]]:
    """The study's published numbers, each with our estimates of the same optimizer beside it."""
    published = context.study.reference
    rows = []
    for result in published.results:
        points = fixed_points(context, result.optimizer)
        ours = points[0] if points else None
        absent = null("no fixed point of this optimizer was run")
        rows.append(
            {
                "source": published.source,
                "optimizer": result.optimizer,
                "published": {"accuracy": result.test_accuracy, "loss": result.test_loss},
                "ours": {
                    "accuracy": ours["accuracy"] if ours else absent,
                    "loss": ours["loss"] if ours else absent,
                },
            }
        )
    return rows


def _paired(ours: Cells, i: int, theirs: Cells, j: int, metric: str) -> Estimate | Unknown:
    seeds, a, b = np.intersect1d(ours.seeds, theirs.seeds, return_indices=True)
    if metric == "accuracy":
        one, other = ours.accuracy_PS[i][a], theirs.accuracy_PS[j][b]
    else:
        one, other = ours.loss_PS[i][a], theirs.loss_PS[j][b]
    both = np.isfinite(one) & np.isfinite(other)
    one, other = np.where(both, one, np.nan), np.where(both, other, np.nan)
    high = 1.0 if metric == "accuracy" else np.inf
    return difference(_mean(one, seeds, high=high), _mean(other, seeds, high=high))


def _mean(
    values_S: NDArray[np.float64], seeds: NDArray[np.int64], *, high: float = np.inf
) -> Estimate | Unknown:
    """Of accuracies or losses, which are at least 0 and at most `high`."""
    has = np.isfinite(values_S)
    count = int(has.sum())
    if not count:
        return NO_TRIAL
    mean = float(values_S[has].mean())
    moved_S = np.where(has, values_S - mean, 0.0) * (len(seeds) / count)
    return Estimate(
        value=mean,
        influence_RS=moved_S[None, :],
        clusters=1,
        seeds=count,
        cluster_degrees=0,
        n=count,
        method="t over seeds",
        low=0.0,
        high=high,
    )
