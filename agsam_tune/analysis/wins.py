"""How often a training of the candidate does better than one of the baseline.

In: `Data` with the pair's common trainings. Out: net wins: P(candidate better) − P(baseline
better), so that exchanging the two changes the sign alone. Must not import torch, Ray or Optuna.

Where both share points, draws and seeds, a training is compared with its like; on each one's own
scale, and between runs of different designs, every training with every other (H. B. Mann and D. R.
Whitney, 1947), and the jackknife leaves out replicates.

Shapes: N trainings of the candidate, M of the baseline; R and S replicates.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.measured import mean_of
from agsam_tune.analysis.metrics import placed, scale_of
from agsam_tune.analysis.quantities import Quantity, finite, interval_of
from agsam_tune.analysis.reach import Reach
from agsam_tune.analysis.record import Comparison, LensName

__all__ = ["net_wins", "win_row", "win_share"]

Array = NDArray[np.float64]


def net_wins(data: Data, pair: tuple[str, str], reach: Reach) -> list[Quantity]:
    """Net wins of the first of the pair in each lens that has trainings of both."""
    found = []
    lenses: tuple[tuple[LensName, str], ...] = (
        ("same_setting", "map"),
        ("own_scale", "off"),
        ("equal_radius", "radius"),
    )
    for lens, phase in lenses:
        sides = [_trainings(data, name, phase, reach) for name in pair]
        if sides[0] is None or sides[1] is None:
            continue
        alike = phase != "off" and data.facts.paired
        if alike:
            sign_N = np.sign(sides[0].score_N - sides[1].score_N)
            estimate = mean_of(data, pair[0], sides[0], sign_N)
        else:
            R, S = (data.replicates[name] for name in pair)
            estimate = _of_all(sides[0], sides[1], R, S, paired=data.facts.paired)
        found.append(
            Quantity(
                lens=lens,
                metric="win_probability",
                estimate=estimate,
                trainings=len(sides[0]) + len(sides[1]),
            )
        )
    return found


def win_share(net: Quantity, *, first: bool) -> Quantity:
    """The probability that one of the two does better, ties being half a win of each."""
    if net.estimate is None:
        return net
    turn = 1.0 if first else -1.0
    left_out = tuple((1 + turn * part) / 2 for part in net.estimate.left_out)
    value = (1 + turn * net.estimate.value) / 2
    return replace(net, estimate=Estimate(value=value, left_out=left_out), share=True)


def win_row(net: Quantity, pair: tuple[str, str], confidence: float) -> Comparison:
    """The candidate's probability minus the baseline's."""
    estimate = net.estimate
    low, high = -math.inf, math.inf
    if estimate is not None:
        ours = interval_of(win_share(net, first=True), 1 - confidence)
        theirs = interval_of(win_share(net, first=False), 1 - confidence)
        low, high = ours.low - theirs.high, ours.high - theirs.low
    return Comparison(
        lens=net.lens,
        metric=net.metric,
        candidate=pair[0],
        baseline=pair[1],
        estimate=None if estimate is None else estimate.value,
        low=finite(low),
        high=finite(high),
        replicates=0 if estimate is None else min(len(part) for part in estimate.left_out),
    )


def _trainings(data: Data, optimizer: str, phase: str, reach: Reach) -> PhaseData | None:
    if phase == "off":
        scale = scale_of(data, optimizer, reach)
        own = placed(data, optimizer, scale) if scale is not None else None
    else:
        own = data.get(optimizer, phase)
    return own if own is not None and len(own) else None


def _of_all(ours: PhaseData, theirs: PhaseData, R: int, S: int, *, paired: bool) -> Estimate:
    """Net wins over all pairs of trainings, and without each replicate; in whole numbers."""
    wins_R = _net_by_replicate(ours, theirs.score_N, R)
    losses_S = _net_by_replicate(theirs, ours.score_N, S)
    n_R = np.bincount(ours.replicate_N, minlength=R)
    m_S = np.bincount(theirs.replicate_N, minlength=S)
    n, m, total = len(ours), len(theirs), wins_R.sum()
    value = float(total / (n * m))

    def without(wins: Array, pairs: NDArray[np.int64]) -> Array:
        return np.where(pairs > 0, wins / np.maximum(pairs, 1), value)

    if not paired:
        left = (without(total - wins_R, (n - n_R) * m), without(total + losses_S, n * (m - m_S)))
        return Estimate(value=value, left_out=left)
    within_R = np.array(
        [
            np.sign(
                ours.score_N[ours.replicate_N == r][:, None]
                - theirs.score_N[theirs.replicate_N == r]
            ).sum()
            for r in range(R)
        ]
    )
    # Without replicate r neither its row nor its column of pairs counts; their crossing is in both.
    rest_R = without(total - wins_R + losses_S + within_R, (n - n_R) * (m - m_S))
    return Estimate(value=value, left_out=(rest_R,))


def _net_by_replicate(own: PhaseData, other_M: Array, replicates: int) -> Array:
    """How many more of the others each replicate's trainings beat than lose to."""
    ordered_M = np.sort(other_M)
    below_N = np.searchsorted(ordered_M, own.score_N, side="left")
    above_N = len(ordered_M) - np.searchsorted(ordered_M, own.score_N, side="right")
    net_N = (below_N - above_N).astype(np.float64)
    return np.asarray(np.bincount(own.replicate_N, weights=net_N, minlength=replicates), float)
