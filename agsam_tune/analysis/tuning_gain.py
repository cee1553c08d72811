"""Hyperparameter sensitivity: what tuning for each task gains over one setting for all tasks.

In: one optimizer's maps of several tasks. Out: an `Estimate` for each optimizer, that can be
subtracted. Must not import pandas, torch, Ray or Optuna.

    Phi_o = mean_t max_h s_t(h) - max_h mean_t s_t(h)

(J. Adkins, M. Bowling and A. White, "A method for evaluating hyperparameter sensitivity in
reinforcement learning", 2024), with scores s_t(h) = (max(a_t(h), chance_t) - chance_t) /
(a*_t - chance_t) that are 0 at chance and 1 at the best accuracy of any optimizer in task t. Both
maxima are over the settings that all tasks were run at: this project's designs are paired across
tasks, for their streams never hash the task.

The best of many noisy means is best partly by luck, the more so the more there are to choose from:
the first term, with T maxima, more than the second. So both are chosen by validation accuracy on
the even seeds and evaluated on the odd ones, and the reverse. What is estimated is therefore what
tuning gains that chooses by half of the seeds; it tends to Phi of the design as their noise
vanishes, and can be below 0.

The interval has two parts. The tasks are given, and a task's seeds are its own, so that the tasks'
parts are independent. Each is the noise of the settings that were chosen; since t over two to four
seeds says nothing, their variance is pooled over the quarter of the points that are nearest in
score. (What a seed does to all points alike is not in it: it cancels in the gain.) How much
the points that happened to be drawn matter is a jackknife over the design's replicates, that leaves
one out in all tasks at once (B. Efron, 1982); a maximum is not smooth, and the jackknife only
tells the size of this part.

Shapes: T tasks, P common points, S seeds (each task its own number), R replicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import Estimate, point_means
from agsam_tune.analysis.intervals import KNOWN, Component
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.rho_lens import clipped
from agsam_tune.analysis.table import Cells

__all__ = ["TuningGain", "common_rows", "gain_difference", "gain_estimate", "tuning_gain"]

Array = NDArray[np.float64]

#: Fewer settings than these are no map.
LEAST_POINTS = 8

#: Points that a variance over seeds is pooled over, at least.
_LEAST_NEAR = 5

METHOD = "noise of the chosen settings, and a jackknife over replicates; chosen on other seeds"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningGain:
    """Phi of one optimizer, and what its error is made of.

    Attributes:
        value: Phi.
        noise_T: each task's part of its error from seeds, with degrees of freedom.
        without_R: Phi without each replicate.
        n: number of trials.
    """

    value: float
    noise_T: tuple[Component, ...]
    without_R: Array
    n: int


def tuning_gain(
    contexts: Sequence[Context], scales: Sequence[float], optimizer: str
) -> TuningGain | Unknown:
    """Phi of one optimizer over tasks.

    Args:
        contexts: the tasks' studies.
        scales: a*_t - chance_t of each.
        optimizer: one that all of them have.
    """
    if len(contexts) < 2:
        return Unknown(reason="one task: there is no other to tune for")
    cells = [context.map_cells(optimizer) for context in contexts]
    if any(context.is_bare(optimizer) for context in contexts):
        return Unknown(reason="the optimizer has no hyperparameters to tune")
    present = [one for one in cells if one is not None]
    if len(present) < len(cells):
        return Unknown(reason="a task has no finished trial of its map")
    if any(len(np.unique(one.seeds % 2)) < 2 for one in present):
        return Unknown(
            reason="a task has one seed a point: a setting cannot be chosen and judged on the same"
        )
    rows = common_rows(present)
    if isinstance(rows, Unknown):
        return rows
    scored = [
        _Scored(one.only(_rows_mask(one, own)), own, context.chance, scale)
        for one, own, context, scale in zip(present, rows, contexts, scales, strict=True)
    ]
    groups_P = _groups(present, rows)
    everything_P = np.ones(len(groups_P), dtype=bool)
    value, noise = _gain(scored, everything_P)
    without = [_gain(scored, groups_P != group)[0] for group in np.unique(groups_P)]
    return TuningGain(
        value=value,
        noise_T=noise,
        without_R=np.array(without),
        n=sum(int(np.isfinite(one.score_PS).sum()) for one in scored),
    )


def gain_estimate(gain: TuningGain | Unknown) -> Estimate | Unknown:
    """One optimizer's Phi with the parts of its error."""
    return gain if isinstance(gain, Unknown) else _estimate(gain, compares=False)


def gain_difference(one: TuningGain | Unknown, other: TuningGain | Unknown) -> Estimate | Unknown:
    """Phi of `one` minus that of `other`, on the same tasks and replicates."""
    if isinstance(one, Unknown):
        return one
    if isinstance(other, Unknown):
        return other
    if len(one.without_R) != len(other.without_R):
        return Unknown(reason="the two were not run on the same designs")
    both = TuningGain(
        value=one.value - other.value,
        noise_T=one.noise_T + other.noise_T,
        without_R=one.without_R - other.without_R,
        n=one.n + other.n,
    )
    return _estimate(both, compares=True)


def common_rows(cells: Sequence[Cells]) -> list[NDArray[np.int64]] | Unknown:
    """Where each task's map has the settings that all of them have, in one order, (P,) each."""
    keys = [_setting_keys(one) for one in cells]
    common = [key for key in keys[0] if all(key in other for other in keys[1:])]
    if len(common) < LEAST_POINTS:
        return Unknown(
            reason=f"the tasks have {len(common)} settings in common, and at least {LEAST_POINTS} "
            "are needed: their maps need the same study seed, sampler and search space"
        )
    return [np.array([own[key] for key in common]) for own in keys]


def _setting_keys(cells: Cells) -> dict[tuple[float, ...], int]:
    """Setting → row of its point, for points with trials; numbers to ten digits."""
    has_P = cells.present_PS.any(axis=1)
    columns = [cells.settings[name] for name in sorted(cells.settings)]
    return {
        tuple(float(f"{column[row]:.10g}") for column in columns): int(row)
        for row in np.flatnonzero(has_P)
    }


def _rows_mask(cells: Cells, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen_P = np.isin(np.arange(len(cells.points)), rows)
    return np.repeat(chosen_P[:, None], len(cells.seeds), axis=1)


def _groups(cells: Sequence[Cells], rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The replicate of each common point, or a number of its own where tasks do not agree, (P,)."""
    labels = [one.replicate_P[own] for one, own in zip(cells, rows, strict=True)]
    agree = all(one.has_replicates for one in cells) and all(
        np.array_equal(labels[0], other) for other in labels[1:]
    )
    return labels[0] if agree else np.arange(len(rows[0]))


class _Scored:
    """One task's scores at the common points.

    Attributes:
        score_PS: normalised test accuracies, NaN without a trial.
        choose_HP: mean validation accuracies, normalised alike, on the even and the odd seeds.
        judge_HP: mean scores on the same.
        halves_HS: which seeds are even, and which odd.
    """

    def __init__(self, cells: Cells, rows: NDArray[np.int64], chance: float, scale: float) -> None:
        self.score_PS = (clipped(cells.accuracy_PS, chance)[rows] - chance) / scale
        known_PS = np.where(
            np.isfinite(cells.validation_PS), cells.validation_PS, cells.accuracy_PS
        )
        choose_PS = (np.maximum(known_PS[rows], chance) - chance) / scale
        even_S = cells.seeds % 2 == 0
        self.halves_HS = (even_S, ~even_S)
        self.choose_HP = tuple(_means(choose_PS[:, half_S]) for half_S in self.halves_HS)
        self.judge_HP = tuple(_means(self.score_PS[:, half_S]) for half_S in self.halves_HS)
        self._mean_P, self._deviation_PS = point_means(self.score_PS)

    def noise_around(self, row: int) -> tuple[float, float]:
        """The variance of one trial over seeds among the points of like score, and its degrees."""
        near = max(_LEAST_NEAR, len(self._mean_P) // 4)
        chosen = np.argsort(np.abs(self._mean_P - self._mean_P[row]), kind="stable")[:near]
        has_PS = np.isfinite(self.score_PS[chosen])
        own_PS = np.where(has_PS, self.score_PS[chosen] - self._mean_P[chosen, None], 0.0)
        count_S = has_PS.sum(axis=0)
        common_S = own_PS.sum(axis=0) / np.maximum(count_S, 1)
        rest_PS = np.where(has_PS, own_PS - common_S, 0.0)
        degrees = int(has_PS.sum()) - len(chosen) - int((count_S > 0).sum()) + 1
        return float(np.sum(rest_PS**2)) / max(degrees, 1), float(max(degrees, 1))


def _means(values_PS: Array) -> Array:
    """Means over the seeds that there are, -inf without any, (P,)."""
    has_PS = np.isfinite(values_PS)
    count_P = has_PS.sum(axis=1)
    means_P = np.where(has_PS, values_PS, 0.0).sum(axis=1) / np.maximum(count_P, 1)
    return np.where(count_P > 0, means_P, -np.inf)


def _gain(
    scored: Sequence[_Scored], keep_P: NDArray[np.bool_]
) -> tuple[float, tuple[Component, ...]]:
    """Phi over the points where `keep_P` is true, and each task's part of its error from seeds."""
    tasks = len(scored)
    total, variance_T = 0.0, np.zeros(tasks)
    degrees_T = np.full(tasks, KNOWN)
    for choosing, judging in ((0, 1), (1, 0)):
        # A point that a half did not run can be neither chosen nor judged there.
        judged_P = np.logical_and.reduce([np.isfinite(one.judge_HP[judging]) for one in scored])
        usable_P = keep_P & judged_P
        choose_TP = np.where(usable_P, np.stack([one.choose_HP[choosing] for one in scored]), -1e9)
        common = int(np.argmax(choose_TP.mean(axis=0)))
        for task, one in enumerate(scored):
            own = int(np.argmax(choose_TP[task]))
            judge_P = one.judge_HP[judging]
            total += float(judge_P[own] - judge_P[common]) / (2 * tasks)
            # Where they are the same, another choice by noise would have gained or lost as much.
            for row in (own, common):
                noise, degrees = one.noise_around(row)
                seeds = int(np.isfinite(one.score_PS[row, one.halves_HS[judging]]).sum())
                variance_T[task] += noise / seeds / (2 * tasks) ** 2
                degrees_T[task] = min(degrees_T[task], degrees)
    parts = zip(variance_T, degrees_T, strict=True)
    return total, tuple(Component(variance=float(v), degrees=float(d)) for v, d in parts)


def _estimate(gain: TuningGain, *, compares: bool) -> Estimate:
    parts, R = list(gain.noise_T), len(gain.without_R)
    if R > 1:
        off_R = gain.without_R - gain.without_R.mean()
        parts.append(Component(variance=(R - 1) / R * float(np.sum(off_R**2)), degrees=R - 1))
    return Estimate(
        value=gain.value,
        influence_RS=np.zeros((0, 0)),
        clusters=1,
        seeds=1,
        cluster_degrees=0,
        n=gain.n,
        method=METHOD,
        extra=tuple(parts),
        compares=compares,
    )
