"""Around an optimizer's own best, and around its default: descriptive, no part of the claim.

In: `Data` and the replicates' own bests. Out: quantities. Must not import torch, Ray or Optuna.

What is off at a training of `misset` is read from its settings beside its replicate's own best: a
single hyperparameter by one of a few factors, or all of them by any.

Shapes: N trainings of `misset`, H hyperparameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import LENGTH, Data, PhaseData
from agsam_tune.analysis.lenses.estimates import Estimate, difference, mean_estimate
from agsam_tune.analysis.measured import tuned
from agsam_tune.analysis.own_best import OwnBests
from agsam_tune.analysis.quantities import Quantity
from agsam_tune.analysis.reach import Reach
from agsam_tune.analysis.record import LensName, OwnBest
from agsam_tune.study import MISSET_FACTORS, Range

__all__ = [
    "Misset",
    "around_best",
    "around_default",
    "clipped_share",
    "misset_of",
    "own_best_record",
]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The base optimizer alone, as studies call it.
_BARE = "sgd"

#: Settings that differ by less, relatively, are the same.
_SAME = 1e-6
#: Factors that differ by less are.
_SAME_FACTOR = 1e-3

_CLIPPED_IN = ("off", "radius", "misset")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Misset:
    """The trainings of `misset` beside the own bests that they are around.

    Attributes:
        trainings: those whose replicate has an own best.
        best_N: the test score of that.
        all_off_N: whether all hyperparameters are off.
        alone: (hyperparameter, factor) → which trainings have it alone off by that.
    """

    trainings: PhaseData
    best_N: Array
    all_off_N: Flags
    alone: Mapping[tuple[str, float], Flags]


def misset_of(data: Data, optimizer: str, own: OwnBests | None) -> Misset | None:
    """The trainings of `misset` by what is off, or None where there are none."""
    trainings = data.get(optimizer, "misset")
    if trainings is None or own is None:
        return None
    trainings = trainings.only(np.isin(trainings.replicate_N, own.replicate_R))
    if not len(trainings):
        return None
    at_N = np.searchsorted(own.replicate_R, trainings.replicate_N)
    off_HN, ratio = [], {}
    for name, best_R in own.settings.items():
        value_N, best_N = trainings.settings[name], best_R[at_N]
        off_HN.append(np.abs(value_N - best_N) > _SAME * np.abs(best_N))
        # No factor leads away from 0, so there it is the default that is multiplied.
        default = data.study.search_spaces[optimizer].ranges[name].default
        around_N = np.where(best_N == 0, default, best_N)
        ratio[name] = value_N / np.where(around_N == 0, np.nan, around_N)
    count_N = np.sum(off_HN, axis=0)
    alone: dict[tuple[str, float], Flags] = {}
    any_alone_N = np.zeros(len(trainings), dtype=bool)
    for name, off_N in zip(own.settings, off_HN, strict=True):
        for factor in MISSET_FACTORS:
            by_N = np.abs(ratio[name] / factor - 1) < _SAME_FACTOR
            alone[name, factor] = off_N & (count_N == 1) & by_N
            any_alone_N |= alone[name, factor]
    # One that a limit holds back has a factor of its own, and is no draw of all.
    several_N = count_N > 1 if len(own.settings) > 1 else ~any_alone_N
    return Misset(trainings=trainings, best_N=own.score_R[at_N], all_off_N=several_N, alone=alone)


def around_best(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    """The own best's test score, and what is lost around it."""
    own = reach.own.get(optimizer)
    if own is None:
        return []
    reached = tuned(data, optimizer)
    found = [
        Quantity(
            lens="around_best", metric="tuned", estimate=reached, trainings=len(own.replicate_R)
        )
    ]
    misset = misset_of(data, optimizer, own)
    if misset is None:
        return found
    at, lost_N = misset.trainings, misset.best_N - misset.trainings.score_N
    for metric, value_N, share in (
        ("score", at.score_N, False),
        ("regret", lost_N, False),
        ("collapse_rate", data.collapsed_N(at).astype(float), True),
        *(
            (f"share_within_{epsilon:g}", (lost_N <= epsilon).astype(float), True)
            for epsilon in data.study.analysis.epsilons
        ),
    ):
        found.append(_of_some("around_best", metric, at, value_N, misset.all_off_N, share=share))
    return found + [
        _of_some("around_best", f"misset_penalty_{factor:g}_{name}", at, lost_N, which_N)
        for name in own.settings
        for factor, which_N in _alone_within(misset, name)
    ]


def _alone_within(misset: Misset, name: str) -> Iterator[tuple[float, Flags]]:
    """F → which trainings have a hyperparameter alone off by up to F, upwards or downwards."""
    for most in (factor for factor in MISSET_FACTORS if factor > 1):
        within = [
            which_N
            for (own, factor), which_N in misset.alone.items()
            if own == name and max(factor, 1 / factor) <= most * (1 + _SAME_FACTOR)
        ]
        yield most, np.any(within, axis=0)


def around_default(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    """The published default's score and regret, and the share of the box that is better."""
    trainings, own = data.get(optimizer, "default"), data.get(optimizer, "map")
    if trainings is None:
        return []
    every_N = np.ones(len(trainings), dtype=bool)
    score = _of_some("around_default", "score", trainings, trainings.score_N, every_N)
    found, best = [score], reach.best.get(optimizer)
    if best is not None and score.estimate is not None:
        all_there = len(score.members or ()) == data.replicates[optimizer]
        lost = difference(best, score.estimate, paired=all_there)
        found.append(replace(score, metric="regret", estimate=lost))
    if own is None or not data.study.search_spaces[optimizer].names:
        return found
    R = data.replicates[optimizer]
    count_R = np.bincount(trainings.replicate_N, minlength=R)
    sum_R = np.bincount(trainings.replicate_N, weights=trainings.score_N, minlength=R)
    mean_R = sum_R / np.maximum(count_R, 1)
    known_N = count_R[own.replicate_N] > 0
    better_N = (own.score_N > mean_R[own.replicate_N]).astype(float)
    found.append(_of_some("around_default", "share_better", own, better_N, known_N, share=True))
    return found


def own_best_record(data: Data, optimizer: str, reach: Reach) -> OwnBest | None:
    """What a search reaches, in the middle over replicates; None without hyperparameters."""
    own = reach.own.get(optimizer)
    if own is None or not own.settings:
        return None
    return OwnBest(
        replicates=len(own.replicate_R),
        hyperparameters={name: float(np.median(v)) for name, v in own.settings.items()},
        spread={
            name: (float(np.quantile(v, 0.25)), float(np.quantile(v, 0.75)))
            for name, v in own.settings.items()
        },
        helps=_helps(data, optimizer),
    )


def clipped_share(data: Data, optimizer: str) -> float:
    """The share of mis-set trainings in which a limit of the rule held a hyperparameter back."""
    space, clipped = data.study.search_spaces[optimizer], []
    for phase in _CLIPPED_IN:
        trainings = data.get(optimizer, phase)
        if trainings is None:
            continue
        at_limit_N = np.zeros(len(trainings), dtype=bool)
        for name, own in space.ranges.items():
            if phase != "radius" or name != LENGTH:
                at_limit_N |= _at_limit(name, own, trainings.settings[name])
        clipped.append(at_limit_N)
    return float(np.concatenate(clipped).mean()) if clipped else 0.0


def _at_limit(name: str, own: Range, value_N: Array) -> Flags:
    """Which values stand where nothing may go beyond, to single precision."""
    low, high = (own.clipped(name, end) for end in (-np.inf, np.inf))
    # A factor does not lead to 0, so who stands there was there before.
    at_low_N = value_N <= low * (1 + _SAME) if low > 0 else np.zeros(len(value_N), dtype=bool)
    return np.asarray((at_low_N | (value_N >= high * (1 - _SAME))) & (low < own.default < high))


def _helps(data: Data, optimizer: str) -> bool | None:
    """Whether its own best beats the base optimizer alone, beyond what replicates vary by."""
    ours, bare = tuned(data, optimizer), None
    if optimizer != _BARE and _BARE in data.study.optimizers:
        bare = tuned(data, _BARE)
    if ours is None or bare is None or not data.facts.paired:
        return None
    gained = ours - bare
    interval = gained.interval(1 - data.study.analysis.confidence)
    return interval.low > 0 if np.isfinite(interval.low) else None


def _of_some(
    lens: LensName,
    metric: str,
    trainings: PhaseData,
    value_N: Array,
    which_N: Flags,
    *,
    share: bool = False,
) -> Quantity:
    """The mean over some trainings, whose replicates alone make its interval."""
    if not which_N.any():
        return Quantity(lens=lens, metric=metric, estimate=None, reason="no such training")
    members_R, place_N = np.unique(trainings.replicate_N[which_N], return_inverse=True)
    estimate: Estimate = mean_estimate(
        place_N.astype(np.int64), value_N[which_N], replicates=len(members_R)
    )
    return Quantity(
        lens=lens,
        metric=metric,
        estimate=estimate,
        trainings=int(which_N.sum()),
        share=share,
        members=tuple(members_R.tolist()),
    )
