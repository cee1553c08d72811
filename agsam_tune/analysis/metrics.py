"""The metrics of each lens, of one optimizer.

In: `Data` and what the optimizers reach. Out: quantities. All are of single trainings, so that
means and shares have one meaning at any number of seeds. Must not import torch, Ray or Optuna.

Shapes: N trainings of one optimizer in one phase, R replicates, G points of a curve's grid.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.lenses.own_scale import OwnScale, own_scale
from agsam_tune.analysis.measured import (
    curve_of,
    factors_of,
    key_curve,
    key_range,
    log_key,
    mean_of,
    minus,
)
from agsam_tune.analysis.quantities import Quantity
from agsam_tune.analysis.reach import Reach
from agsam_tune.analysis.record import LensName

__all__ = ["NARROW_FACTOR", "common_box", "lens_quantities", "placed", "scale_of"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The smaller factor that own_scale is shown for besides.
NARROW_FACTOR = 3.0

#: Trainings for each decade of the key below which a curve of them would say nothing.
_ENOUGH = 10


def lens_quantities(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    """What is said of an optimizer in `same_setting`, `own_scale` and `equal_radius`."""
    return [
        *_same_setting(data, optimizer, reach),
        *_own_scale(data, optimizer, reach),
        *_equal_radius(data, optimizer, reach),
    ]


def scale_of(data: Data, optimizer: str, reach: Reach) -> OwnScale | None:
    """One optimizer on its own scale, or None where its trainings cannot say."""
    off, box, best = (
        key_curve(data, optimizer, "off"),
        data.study.key_box,
        reach.best.get(optimizer),
    )
    if off is None or box is None or best is None:
        return None
    return _scale(off, best, box, data.study.factor)


def placed(data: Data, optimizer: str, scale: OwnScale) -> PhaseData | None:
    """The trainings of `off` within F of the placement that the other half of replicates chose."""
    trainings = data.get(optimizer, "off")
    if trainings is None:
        return None
    x_N, half_N = log_key(data, trainings), trainings.replicate_N % 2
    centre_N = np.asarray(scale.placements)[1 - half_N]
    return trainings.only(np.abs(x_N - centre_N) <= np.log10(data.study.factor))


def common_box(data: Data) -> dict[str, tuple[float, float]] | None:
    """hyperparameter → the range that both of the pair search; None where their boxes agree."""
    study = data.study
    if study.candidate is None or study.baseline is None:
        return None
    ours, theirs = (study.search_spaces[name].ranges for name in (study.candidate, study.baseline))
    both = {
        name: (max(ours[name].low, theirs[name].low), min(ours[name].high, theirs[name].high))
        for name in ours
        if name in theirs
    }
    same = all(
        (ours[name].low, ours[name].high) == (theirs[name].low, theirs[name].high) for name in both
    )
    return None if same else both


def _same_setting(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    own = data.get(optimizer, "map")
    if own is None:
        return []
    score = mean_of(data, optimizer, own, own.score_N)
    found = _judged("same_setting", data, optimizer, own, score, reach)
    box = common_box(data)
    if box is not None and optimizer in (data.study.candidate, data.study.baseline):
        inside_N = np.ones(len(own), dtype=bool)
        for name, (low, high) in box.items():
            inside_N &= (own.settings[name] >= low) & (own.settings[name] <= high)
        part = own.only(inside_N)
        found.append(
            Quantity(
                lens="same_setting",
                metric="mean_score_common_box",
                estimate=mean_of(data, optimizer, part, part.score_N) if len(part) else None,
                trainings=len(part),
                reason=None if len(part) else "no training lies in the part that both boxes share",
            )
        )
    return found


def _equal_radius(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    trainings = data.get(optimizer, "radius")
    if trainings is None:
        return []
    score = mean_of(data, optimizer, trainings, trainings.score_N)
    return _judged("equal_radius", data, optimizer, trainings, score, reach)


def _own_scale(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    scale = scale_of(data, optimizer, reach)
    own = placed(data, optimizer, scale) if scale is not None else None
    if scale is None or own is None:
        return []
    found = _judged("own_scale", data, optimizer, own, scale.score, reach)
    where = [10**x for x in scale.placements]
    found.append(
        Quantity(
            lens="own_scale",
            metric="placement",
            estimate=Estimate(
                value=float(np.sqrt(where[0] * where[1])),
                left_out=(np.full(data.replicates[optimizer], np.nan),),
            ),
            trainings=len(own),
            reason=f"{where[0]:.2g} and {where[1]:.2g} as each half of the replicates chose it",
        )
    )
    found += _narrower(data, optimizer, reach)
    key = key_curve(data, optimizer, "key")
    return found + (_tolerances(data, optimizer, key, scale.best) if key is not None else [])


def _judged(
    lens: LensName,
    data: Data,
    optimizer: str,
    own: PhaseData,
    score: Estimate,
    reach: Reach,
) -> list[Quantity]:
    """What every lens has: its two numbers, and shares of its trainings."""
    best, n = reach.best.get(optimizer), len(own)
    named = "robust_score" if lens == "own_scale" else "mean_score"
    found = [
        Quantity(lens=lens, metric=metric, estimate=score, trainings=n)
        for metric in ("score", named)
    ]
    if best is not None:
        bounded = data.get(optimizer, "key") is None and own.settings
        found.append(
            Quantity(
                lens=lens,
                metric="best",
                estimate=best,
                trainings=reach.best_trainings[optimizer],
                reason="a lower bound, of the map: it has no phase key" if bounded else None,
            )
        )
        found.append(Quantity(lens=lens, metric="regret", estimate=best - score, trainings=n))
    if reach.common is not None:
        whose, common = reach.common
        lost = common - score if whose == optimizer else minus(data, common, score)
        found.append(Quantity(lens=lens, metric="common_regret", estimate=lost, trainings=n))
    if not n:
        return found
    if best is not None:
        found += [
            Quantity(
                lens=lens,
                metric=f"share_within_{epsilon:g}",
                estimate=_share_above(own, best, epsilon),
                trainings=n,
                share=True,
            )
            for epsilon in data.study.analysis.epsilons
        ]
    collapsed = mean_of(data, optimizer, own, data.collapsed_N(own).astype(float))
    found.append(
        Quantity(lens=lens, metric="collapse_rate", estimate=collapsed, trainings=n, share=True)
    )
    return found


def _share_above(own: PhaseData, best: Estimate, epsilon: float) -> Estimate:
    """P(u ≥ best − ε), where leaving a replicate out moves the best too."""
    left_R = best.left_out[0] - epsilon
    R, r_N = len(left_R), own.replicate_N
    ordered_N, n = np.sort(own.score_N), len(own)
    above_R = n - np.searchsorted(ordered_N, left_R, side="left")
    own_above_R = np.bincount(r_N, weights=own.score_N >= left_R[r_N], minlength=R)
    rest_R = n - np.bincount(r_N, minlength=R)
    value = float(np.mean(own.score_N >= best.value - epsilon))
    without_R = np.where(rest_R > 0, (above_R - own_above_R) / np.maximum(rest_R, 1), value)
    return Estimate(value=value, left_out=(without_R,))


def _narrower(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    """own_scale for F = 3, from the draws whose factors all lie within it."""
    trainings, box, ends = data.get(optimizer, "off"), data.study.key_box, key_range(data, "off")
    best = reach.best.get(optimizer)
    if trainings is None or box is None or ends is None or best is None:
        return []
    if data.study.factor <= NARROW_FACTOR:
        return []
    within_N = np.ones(len(trainings), dtype=bool)
    for factor_N in factors_of(data, optimizer, trainings).values():
        within_N &= np.maximum(factor_N, 1 / np.maximum(factor_N, 1e-300)) <= NARROW_FACTOR + 1e-9
    own = trainings.only(within_N)
    names = [f"{metric}_factor_{NARROW_FACTOR:g}" for metric in ("score", "regret")]
    curve, needed = None, math.ceil(_ENOUGH * (ends[1] - ends[0]))
    if len(own) >= needed:
        curve = curve_of(data, optimizer, own, log_key(data, own), ends)
    if curve is None:
        why = (
            f"in {len(own)} draws the other hyperparameters are off by up to {NARROW_FACTOR:g}×; "
            f"it needs at least {needed}"
        )
        return [
            Quantity(lens="own_scale", metric=name, estimate=None, reason=why) for name in names
        ]
    scale = _scale(curve, best, box, NARROW_FACTOR)
    return [
        Quantity(lens="own_scale", metric=name, estimate=estimate, trainings=len(own))
        for name, estimate in zip(names, (scale.score, scale.regret), strict=True)
    ]


def _tolerances(data: Data, optimizer: str, key: KeyCurve, best: Estimate) -> list[Quantity]:
    """Decades of the key over which its curve stays within ε of best."""
    trainings = data.get(optimizer, "key")
    found = []
    for epsilon in data.study.analysis.epsilons:
        lengths = _length_above(key.curve_G, best.value - epsilon, key.grid_G)
        left_R = _length_above(
            key.curves_left_out_RG, best.left_out[0][:, None] - epsilon, key.grid_G
        )
        ends = key.curve_G[[0, -1]] >= best.value - epsilon
        found.append(
            Quantity(
                lens="own_scale",
                metric=f"tolerance_decades_{epsilon:g}",
                estimate=Estimate(value=float(lengths), left_out=(left_R,)),
                trainings=0 if trainings is None else len(trainings),
                reason="at least: it goes on beyond the keys that were tried"
                if ends.any()
                else None,
            )
        )
    return found


def _length_above(curve: Array, threshold: Array | float, grid_G: Array) -> Array:
    """How long curves (…, G), lines between grid points, are at or above a threshold (…, 1)."""
    above = curve - threshold
    start, end = above[..., :-1], above[..., 1:]
    span = np.abs(end - start)
    higher = np.maximum(start, end)
    share = np.clip(higher / np.where(span > 0, span, 1.0), 0.0, 1.0)
    share = np.where(span > 0, share, (start >= 0).astype(float))
    return np.asarray((share * np.diff(grid_G)).sum(axis=-1))


def _scale(off: KeyCurve, best: Estimate, box: tuple[float, float], factor: float) -> OwnScale:
    low, high = float(np.log10(box[0])), float(np.log10(box[1]))
    return own_scale(best, off, box=(low, high), factor=factor)
