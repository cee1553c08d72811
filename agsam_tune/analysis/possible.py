"""Intervals and curves of mean scores, cut to what a mean score can be.

In: a record. Out: the same, where no interval of a score leaves [trivial, 1] for an accuracy, or
falls below trivial for another metric. Must not import torch, Ray or Optuna.

A training counts as no worse than trivial, so that no mean of them is either: the part of an
interval beyond cannot hold the truth, and without it the interval holds the truth as often.
Verdicts are made from differences, and their intervals stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from agsam_tune.analysis.record import Curve, Metric, PublishedNumber, Summary, TuningRow

__all__ = ["cut_to_possible"]

_Row = TypeVar("_Row", Metric, TuningRow, PublishedNumber)

#: Beginnings of the names of metrics that are mean scores.
_SCORES = ("score", "mean_score", "robust_score", "best", "tuned")


def cut_to_possible(found: Summary) -> Summary:
    """The record with its scores' intervals within what is possible, and its curves."""
    least = found.design.trivial
    most = 1.0 if found.design.metric == "accuracy" else math.inf

    def metrics(rows: Iterable[Metric]) -> tuple[Metric, ...]:
        return tuple(
            _cut(row, row.value, least, most) if row.metric.startswith(_SCORES) else row
            for row in rows
        )

    optimizers = {
        name: one.model_copy(
            update={
                "metrics": metrics(one.metrics),
                "curves": tuple(_cut_curve(curve, least, most) for curve in one.curves),
            }
        )
        for name, one in found.optimizers.items()
    }
    return found.model_copy(
        update={
            "optimizers": optimizers,
            "tuning": tuple(
                row if row.optimizer is None else _cut(row, row.value, least, most)
                for row in found.tuning
            ),
            "fixed": tuple(
                point.model_copy(update={"metrics": metrics(point.metrics)})
                for point in found.fixed
            ),
            "published": tuple(
                _cut(row, row.ours, least, most) if row.metric == "test_accuracy" else row
                for row in found.published
            ),
        }
    )


def _cut(row: _Row, value: float | None, least: float, most: float) -> _Row:
    if value is None or row.low is None or row.high is None:
        return row
    ends = _ends(value, row.low, row.high, least, most)
    return row.model_copy(update=dict(zip(("low", "high"), ends, strict=True)))


def _cut_curve(curve: Curve, least: float, most: float) -> Curve:
    """All curves of the record are of mean scores; the lines of their fit may overshoot too."""
    cut = {
        name: tuple(min(max(y, least), most) for y in getattr(curve, name))
        for name in ("mean", "low", "high")
    }
    return curve.model_copy(update=cut)


def _ends(value: float, low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """The ends, cut; never past the value, which stays what other rows are made from."""
    return min(max(low, least), value), max(min(high, most), value)
