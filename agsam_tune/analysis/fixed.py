"""The settings of the phase `fixed`, whose seeds are its replicates.

In: `Data`. Out: rows of each point, contrasts of the pair's points, published numbers beside ours.
Must not import torch, Ray or Optuna.

Shapes: N trainings of one point, S seeds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.analysis.lenses.estimates import mean_estimate
from agsam_tune.analysis.quantities import Quantity, comparison, metric_row
from agsam_tune.analysis.record import Comparison, FixedPoint, Metric, PublishedNumber

__all__ = ["fixed_comparisons", "fixed_points", "published_numbers"]

Array = NDArray[np.float64]


def fixed_points(data: Data) -> list[FixedPoint]:
    """Every point that was trained, with its mean score, collapse rate and loss."""
    confidence = data.study.analysis.confidence
    found = []
    for optimizer in data.study.optimizers:
        for point, (own, loss_N) in _points(data, optimizer).items():
            settings = {name: float(values[0]) for name, values in own.settings.items()}
            found.append(
                FixedPoint(
                    optimizer=optimizer,
                    point=point,
                    hyperparameters={n: v for n, v in settings.items() if np.isfinite(v)},
                    metrics=tuple(
                        metric_row(one, confidence) for one in _quantities(data, own, loss_N)
                    ),
                )
            )
    return found


def fixed_comparisons(data: Data) -> list[Comparison]:
    """Each point of the candidate against each of the baseline, seed by seed."""
    study = data.study
    if study.candidate is None or study.baseline is None:
        return []
    pair = (study.candidate, study.baseline)
    ours, theirs = (_points(data, name) for name in pair)
    several = len(ours) > 1 or len(theirs) > 1
    rows = []
    for i, one in ours.items():
        for j, other in theirs.items():
            seeds = np.intersect1d(one[0].replicate_N, other[0].replicate_N)
            mine, yours = (
                _quantities(data, own.only(which_N), loss_N[which_N])
                for own, loss_N in (one, other)
                for which_N in (np.isin(own.replicate_N, seeds),)
            )
            for a, b in zip(mine, yours, strict=True):
                if a.estimate is None or b.estimate is None:
                    continue
                rows.append(
                    comparison(
                        a,
                        b,
                        pair,
                        paired=data.facts.paired,
                        confidence=study.analysis.confidence,
                        metric=f"{a.metric}, point {i} against {j}" if several else None,
                    )
                )
    return rows


def published_numbers(data: Data, points: list[FixedPoint]) -> list[PublishedNumber]:
    """The study's published numbers, beside its first fixed point of the same optimizer."""
    ours: dict[tuple[str, str], Metric] = {}
    for point in points:
        for row in point.metrics:
            ours.setdefault((point.optimizer, row.metric), row)
    reference = data.study.reference
    found = []
    for result in reference.results:
        numbers = (
            ("test_accuracy", "mean_score", result.test_accuracy),
            ("test_loss", "loss", result.test_loss),
        )
        for name, metric, published in numbers:
            if published is None:
                continue
            own = ours.get((result.optimizer, metric))
            found.append(
                PublishedNumber(
                    source=reference.source,
                    optimizer=result.optimizer,
                    metric="test_accuracy" if name == "test_accuracy" else "test_loss",
                    published=published,
                    ours=own.value if own is not None else None,
                    low=own.low if own is not None else None,
                    high=own.high if own is not None else None,
                )
            )
    return found


def _points(data: Data, optimizer: str) -> dict[int, tuple[PhaseData, Array]]:
    """Each point's trainings, and their losses."""
    trainings = data.get(optimizer, "fixed")
    if trainings is None:
        return {}
    loss_N = data.fixed_losses[optimizer]
    found = {}
    for number in np.unique(trainings.point_N):
        own_N = trainings.point_N == number
        found[int(number)] = (trainings.only(own_N), loss_N[own_N])
    return found


def _quantities(data: Data, own: PhaseData, loss_N: Array) -> list[Quantity]:
    """Over the seeds that ran; the loss over those that did not diverge, and says so."""
    known_N = np.isfinite(loss_N)
    lacking = int((~known_N).sum())
    return [
        _quantity("mean_score", own, own.score_N),
        _quantity("collapse_rate", own, data.collapsed_N(own).astype(float), share=True),
        _quantity(
            "loss",
            own.only(known_N),
            loss_N[known_N],
            reason=f"without {lacking} that diverged or have none" if lacking else None,
        ),
    ]


def _quantity(
    metric: str,
    own: PhaseData,
    value_N: Array,
    *,
    share: bool = False,
    reason: str | None = None,
) -> Quantity:
    if not len(own):
        return Quantity(lens="fixed", metric=metric, estimate=None, reason=reason or "no training")
    members_S, place_N = np.unique(own.replicate_N, return_inverse=True)
    return Quantity(
        lens="fixed",
        metric=metric,
        estimate=mean_estimate(place_N.astype(np.int64), value_N, replicates=len(members_S)),
        trainings=len(own),
        share=share,
        reason=reason,
        members=tuple(members_S.tolist()),
    )
