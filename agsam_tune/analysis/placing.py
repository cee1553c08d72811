"""How good an optimizer is placed well for each task, and what one placement for all loses.

In: the trainings of the phase `key` of several tasks. Out: two numbers with intervals. Must not
import torch, Ray or Optuna.

After J. Adkins, M. Bowling and A. White, "A method for evaluating hyperparameter sensitivity in
reinforcement learning", 2024, with the placement c of the key in place of all settings:

    performance = mean_t max_c s_t(c),    Φ = mean_t max_c s_t(c) − max_c mean_t s_t(c),

where s_t(c) is the mean over half a decade of task t's curve of `key`, 0 at the trivial score and 1
at the task's best. Placements are chosen on one half of the replicates and measured on the other,
and conversely, so that luck does not count as gain; Φ can then be a little below 0. The interval is
the jackknife's over the replicates of each task, tasks as independent.

Shapes: T tasks, R replicates, C placements.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import Data
from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.lenses.own_scale import BEST_WIDTH
from agsam_tune.analysis.record_across import Number

__all__ = ["placed"]

Array = NDArray[np.float64]


def placed(
    tasks: Sequence[Data], scales: Sequence[float], optimizer: str, *, confidence: float
) -> tuple[Number, Number]:
    """Performance and Φ of one optimizer.

    Args:
        tasks: the tasks' trainings.
        scales: best − trivial of each.
        optimizer: one that all of them have.
    """
    found = _halves(tasks, scales, optimizer)
    if isinstance(found, str):
        return Number(value=None, reason=found), Number(value=None, reason=found)
    means, without = found
    value = _measured(means)
    left_out: list[list[Array]] = [[], []]
    for t, halves in enumerate(without):
        changed = [
            _measured(
                [
                    *means[:t],
                    np.where(np.arange(2)[:, None] == half, own_C, means[t]),
                    *means[t + 1 :],
                ]
            )
            for half, own_RC in enumerate(halves)
            for own_C in own_RC
        ]
        for k in (0, 1):
            left_out[k].append(np.array([one[k] for one in changed]))
    numbers = []
    for k in (0, 1):
        interval = Estimate(value=value[k], left_out=tuple(left_out[k])).interval(1 - confidence)
        numbers.append(Number(value=value[k], low=interval.low, high=interval.high))
    return numbers[0], numbers[1]


def _halves(
    tasks: Sequence[Data], scales: Sequence[float], optimizer: str
) -> tuple[list[Array], list[list[Array]]] | str:
    """Window means (2, C) of each task's halves, and (R, C) of each half without a replicate."""
    keys = {data.study.key for data in tasks}
    key = next(iter(keys))
    if len(keys) > 1 or key is None:
        return "the tasks have no common key"
    own = [data.get(optimizer, "key") for data in tasks]
    present = [one for one in own if one is not None and key in one.settings]
    if len(present) < len(tasks):
        return "a task has no trainings of its phase key"
    x = [np.log10(one.settings[key]) for one in present]
    low, high = max(float(one.min()) for one in x), min(float(one.max()) for one in x)
    if high - low < 2 * BEST_WIDTH:
        return "the tasks' ranges of the key have too little in common"
    means, without = [], []
    for data, one, x_N, scale in zip(tasks, present, x, scales, strict=True):
        parts = [_half(one.replicate_N, half) for half in (0, 1)]
        if min(len(np.unique(r)) for _, r in parts) < 2:
            return "a task has fewer than four replicates"
        score_N = (one.score_N - data.facts.trivial) / scale
        curves = [
            KeyCurve(r, x_N[n], score_N[n], low=low, high=high, replicates=int(r.max()) + 1)
            for n, r in parts
        ]
        means.append(np.stack([c.window_means(BEST_WIDTH, low, high)[1] for c in curves]))
        without.append([c.window_means_left_out(BEST_WIDTH, low, high) for c in curves])
    return means, without


def _half(replicate_N: NDArray[np.int64], half: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which trainings are of the even (0) or the odd (1) replicates, and those numbered anew."""
    own_N = replicate_N % 2 == half
    return own_N, np.unique(replicate_N[own_N], return_inverse=True)[1]


def _measured(means: Sequence[Array]) -> tuple[float, float]:
    """Performance and Φ, chosen on each half and measured on the other."""
    mean_T2C = np.stack(means)
    performance = gain = 0.0
    for choosing, judging in ((0, 1), (1, 0)):
        common = int(np.argmax(mean_T2C[:, choosing].mean(axis=0)))
        own_T = np.argmax(mean_T2C[:, choosing], axis=1)
        reached_T = mean_T2C[np.arange(len(own_T)), judging, own_T]
        performance += float(reached_T.mean()) / 2
        gain += float(np.mean(reached_T - mean_T2C[:, judging, common])) / 2
    return performance, gain
