"""Importances as Optuna has them: PED-ANOVA, which optuna-dashboard draws, and fANOVA.

In: an optimizer's `map`. Out: rows of the record. The only module of the analysis that imports
Optuna; scikit-learn when called. Must not import torch or Ray.

PED-ANOVA (S. Watanabe, A. Bansal and F. Hutter, "PED-ANOVA: efficiently quantifying hyperparameter
importance in arbitrary subspaces", 2023) asks how far the best tenth of the trials is from being
spread as all trials are. It is Optuna's evaluator itself.

fANOVA (F. Hutter, H. Hoos and K. Leyton-Brown, "An efficient approach for assessing hyperparameter
importance", 2014) fits a random forest and takes, tree by tree, the share of the variance of its
prediction over the box that one hyperparameter alone makes. Optuna's `FanovaImportanceEvaluator`
does this with scikit-learn's forest and then divides by the sum over hyperparameters. Here is the
same forest and the same formula, and the same number to rounding (tested): Optuna walks each tree
once for each split, 1 s for 128 points and 16 s for 512; as sums over the leaves' boxes, sorted
once, it takes hundredths of that, which is what makes an interval affordable.

Intervals leave out a group of replicates at a time.

Shapes: P points, H hyperparameters, T trees, M nodes of all trees, L leaves of all trees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import PhaseData
from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.record import Importance
from agsam_tune.analysis.unit_cube import Axis

__all__ = ["fanova", "importances", "ped_anova"]

Array = NDArray[np.float64]

LEAST_POINTS = 16

#: `FanovaImportanceEvaluator`'s defaults.
_TREES, _DEPTH = 64, 64

#: Trees of the forests without a group: enough for a spread.
_FOLD_TREES = 16

#: Most groups of replicates that are left out in turn.
_MOST_GROUPS = 8

#: (hyperparameters (P, H), scores (P,), trees) → shares (H,).
_Shares = Callable[[Array, Array, int], Array]


def importances(
    trainings: PhaseData | None, axes: Sequence[Axis], *, confidence: float, seed: int
) -> tuple[Importance, ...]:
    """Both importances of each hyperparameter in [0, 1], each method's together 1.

    Args:
        trainings: of the map; first seeds are used.
        axes: the search space.
        seed: of the forest.
    """
    names = sorted(axis.name for axis in axes)  # as Optuna orders them
    own = sorted(axes, key=lambda axis: axis.name)
    first = None if trainings is None else trainings.first_seeds
    reason = _why_not(first)
    if first is None or reason is not None:
        return tuple(
            _row(method, name, None, None, reason) for method in _METHODS for name in names
        )
    value_PH = np.stack([first.settings[name] for name in names], axis=1)
    group_P = first.replicate_N % _MOST_GROUPS
    return tuple(
        _row(method, name, estimate, confidence, None)
        for method in _METHODS
        for name, estimate in zip(
            names,
            _estimates(_shares(method, own, seed % 2**32), value_PH, first.score_N, group_P),
            strict=True,
        )
    )


_METHODS = ("ped_anova", "fanova")


def _shares(method: str, axes: Sequence[Axis], seed: int) -> _Shares:
    if len(axes) == 1:
        return lambda value_PH, score_P, trees: np.ones(1)  # noqa: ARG005
    if method == "ped_anova":
        return lambda value_PH, score_P, trees: ped_anova(value_PH, score_P, axes)  # noqa: ARG005
    bounds_H2 = np.array([[axis.low, axis.high] for axis in axes])
    return lambda value_PH, score_P, trees: fanova(
        value_PH, score_P, bounds_H2, trees=trees, seed=seed
    )


def _why_not(first: PhaseData | None) -> str | None:
    if first is None or not len(first):
        return "no trainings of the phase map"
    if len(first) < LEAST_POINTS:
        return f"{len(first)} points; an importance needs at least {LEAST_POINTS}"
    if np.ptp(first.score_N) == 0:
        return "all points have the same score"
    return None


def _estimates(
    shares: _Shares, value_PH: Array, score_P: Array, group_P: NDArray[np.int64]
) -> list[Estimate]:
    """Of each hyperparameter, with the values without each group of replicates."""
    whole_H = shares(value_PH, score_P, _TREES)
    groups = np.unique(group_P)
    without = [whole_H]
    if len(groups) > 1:
        without = [
            shares(value_PH[kept], score_P[kept], _FOLD_TREES)
            for kept in (group_P != group for group in groups)
            if np.ptp(score_P[kept]) > 0
        ]
    left_out_RH = np.stack(without)
    return [
        Estimate(value=float(value), left_out=(left_out_R,))
        for value, left_out_R in zip(whole_H, left_out_RH.T, strict=True)
    ]


def _row(
    method: str, name: str, estimate: Estimate | None, confidence: float | None, reason: str | None
) -> Importance:
    interval = None
    if estimate is not None and confidence is not None and estimate.degrees >= 1:
        interval = estimate.interval(1 - confidence)
    return Importance.model_validate(
        {
            "method": method,
            "hyperparameters": (name,),
            "value": None if estimate is None else estimate.value,
            "low": None if interval is None else max(interval.low, 0.0),
            "high": None if interval is None else min(interval.high, 1.0),
            "reason": reason,
        }
    )


def ped_anova(value_PH: Array, score_P: Array, axes: Sequence[Axis]) -> Array:
    """What Optuna's `PedAnovaImportanceEvaluator` gives, (H,), of sum 1; 0 where it finds nothing.

    Args:
        value_PH: the points.
        score_P: higher is better.
        axes: of the search space, in the order of the columns.
    """
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution

    distributions: dict[str, BaseDistribution] = {
        axis.name: FloatDistribution(axis.low, axis.high, log=axis.log) for axis in axes
    }
    trials = [
        optuna.trial.create_trial(
            params={
                axis.name: float(np.clip(value, axis.low, axis.high))
                for axis, value in zip(axes, value_H, strict=True)
            },
            distributions=distributions,
            value=float(score),
        )
        for value_H, score in zip(value_PH, score_P, strict=True)
    ]
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    found = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
    )
    share_H = np.array([found.get(axis.name, 0.0) for axis in axes])
    return np.asarray(np.nan_to_num(share_H))


def fanova(value_PH: Array, target_P: Array, bounds_H2: Array, *, trees: int, seed: int) -> Array:
    """What `get_param_importances` with a `FanovaImportanceEvaluator` gives, (H,), of sum 1.

    Args:
        value_PH: the points, in the order in which the study has them, in linear units.
        target_P: their values, not all equal.
        bounds_H2: the lowest and highest value of each hyperparameter, in the order of names that
            Optuna has (alphabetical), for the same forest.
        seed: of the forest, as the evaluator's.
    """
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=trees, max_depth=_DEPTH, random_state=seed)
    forest.fit(value_PH, target_P)
    leaves = _leaves([estimator.tree_ for estimator in forest.estimators_], bounds_H2)
    total_T = _variance(leaves.value_L, leaves.side_LH.prod(axis=1), leaves.tree_L, trees)
    share_HT = [_marginal_variance(leaves, h, trees) for h in range(len(bounds_H2))]
    varied_T = total_T > 0
    raw_H = np.array([np.mean(share_T[varied_T] / total_T[varied_T]) for share_T in share_HT])
    return np.asarray(raw_H / raw_H.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaves:
    """The leaves of a forest: prediction, tree, and box in the unit cube."""

    value_L: Array
    tree_L: NDArray[np.int64]
    low_LH: Array
    high_LH: Array

    @property
    def side_LH(self) -> Array:
        return np.asarray(self.high_LH - self.low_LH)


def _leaves(trees: Sequence[Any], bounds_H2: Array) -> _Leaves:
    """All leaves with their boxes, all trees descended at once, level by level."""
    count_T = np.array([tree.node_count for tree in trees])
    start_M = np.repeat(np.cumsum(count_T) - count_T, count_T)
    tree_M = np.repeat(np.arange(len(trees)), count_T)
    feature_M = np.concatenate([tree.feature for tree in trees])
    left_M = np.concatenate([tree.children_left for tree in trees]) + start_M
    right_M = np.concatenate([tree.children_right for tree in trees]) + start_M
    threshold_M = np.concatenate([tree.threshold for tree in trees])
    value_M = np.concatenate([tree.value[:, 0, 0] for tree in trees])
    low_H, range_H = bounds_H2[:, 0], bounds_H2[:, 1] - bounds_H2[:, 0]
    low_MH, high_MH = np.zeros((len(tree_M), len(low_H))), np.ones((len(tree_M), len(low_H)))
    level = np.cumsum(count_T) - count_T
    while len(level):
        level = level[feature_M[level] >= 0]
        split = feature_M[level]
        cut = (threshold_M[level] - low_H[split]) / range_H[split]
        for child in (left_M[level], right_M[level]):
            low_MH[child], high_MH[child] = low_MH[level], high_MH[level]
        high_MH[left_M[level], split] = cut
        low_MH[right_M[level], split] = cut
        level = np.concatenate([left_M[level], right_M[level]])
    ends = feature_M < 0
    return _Leaves(
        value_L=value_M[ends], tree_L=tree_M[ends], low_LH=low_MH[ends], high_LH=high_MH[ends]
    )


def _marginal_variance(leaves: _Leaves, h: int, trees: int) -> Array:
    """The variance of each tree's prediction averaged over all but one hyperparameter, (T,)."""
    rest_L = np.delete(leaves.side_LH, h, axis=1).prod(axis=1)
    at = np.concatenate([leaves.low_LH[:, h], leaves.high_LH[:, h]])
    tree = np.concatenate([leaves.tree_L, leaves.tree_L])
    change = np.concatenate([leaves.value_L * rest_L, -leaves.value_L * rest_L])
    order = np.lexsort((at, tree))
    width = np.diff(at[order])
    within = np.diff(tree[order]) == 0
    level = np.cumsum(change[order])[:-1]
    return _variance(level[within], width[within], tree[order][:-1][within], trees)


def _variance(value: Array, weight: Array, tree: NDArray[np.int64], trees: int) -> Array:
    """The weighted variance within each tree, (T,)."""
    total_T = np.bincount(tree, weight, trees)
    mean_T = np.bincount(tree, weight * value, trees) / total_T
    return np.asarray(np.bincount(tree, weight * (value - mean_T[tree]) ** 2, trees) / total_T)
