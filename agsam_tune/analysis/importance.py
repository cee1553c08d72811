"""Optuna's importance of each hyperparameter: functional analysis of variance of a forest.

In: an optimizer's `map`. Out: leaves with the range, the sampler and the evaluator named, without
which the number means nothing. Must not import torch or Ray; scikit-learn when called.

fANOVA (F. Hutter, H. Hoos and K. Leyton-Brown, "An efficient approach for assessing hyperparameter
importance", 2014) fits a random forest and takes, tree by tree, the share of the variance of its
prediction over the box that one hyperparameter alone makes. Optuna's `FanovaImportanceEvaluator`
does this with scikit-learn's forest and then divides by the sum over hyperparameters. Here is the
same forest and the same formula, and the same number to rounding (tested): Optuna walks each tree
once for each split, 1 s for 128 points and 16 s for 512; as sums over the leaves' boxes, sorted
once, it takes hundredths of that, which is what makes an interval affordable.

Two things to know about the number. It is of the *linear* range, whatever the hyperparameter's
scale: Optuna gives the forest raw values, so that of rho in [0.005, 8] nine tenths count beyond
0.8. And it is of the points' means and of main effects alone: neither noise nor interactions have
a share. For those see `indices.py`.

Shapes: P points, H hyperparameters, T trees, M nodes of all trees, L leaves of all trees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.estimate import point_means, to_leaf
from agsam_tune.analysis.jackknife import jackknife_groups, jackknifed
from agsam_tune.analysis.leaf import Leaf, Unknown, leaf
from agsam_tune.analysis.noise import SAME
from agsam_tune.analysis.rho_lens import NO_MAP, clipped
from agsam_tune.analysis.surface_fit import LEAST_POINTS
from agsam_tune.analysis.table import Cells
from agsam_tune.analysis.unit_cube import Axis

__all__ = ["fanova", "importances"]

Array = NDArray[np.float64]

#: `FanovaImportanceEvaluator`'s defaults.
_TREES, _DEPTH = 64, 64

#: Trees of the forests without a group: enough for a spread.
_FOLD_TREES = 16


def importances(
    cells: Cells | None,
    axes: tuple[Axis, ...],
    *,
    chance: float,
    sampler: str,
    confidence: float,
    seed: int,
) -> dict[str, Leaf] | Unknown:
    """hyperparameter -> its importance in [0, 1], all together 1; or why there is none.

    Args:
        sampler: what drew the points.
        seed: of the forest.
    """
    if cells is None or cells.n == 0:
        return Unknown(reason=NO_MAP)
    mean_P = point_means(clipped(cells.accuracy_PS, chance))[0]
    rows = np.flatnonzero(np.isfinite(mean_P))
    if len(rows) < LEAST_POINTS:
        return Unknown(reason=f"{len(rows)} points; a forest needs at least {LEAST_POINTS}")
    if np.ptp(mean_P[rows]) < SAME:
        return Unknown(reason="all points have the same accuracy")
    evaluator = f"FanovaImportanceEvaluator(n_trees={_TREES}, max_depth={_DEPTH}, seed={seed})"
    more = {
        "range": {axis.name: [axis.low, axis.high] for axis in axes},
        "sampler": sampler,
        "evaluator": evaluator,
    }
    if len(axes) == 1:
        only = leaf(value=1.0, low=1.0, high=1.0, n=cells.n, method="the only one", **more)
        return {axes[0].name: only}
    axes = tuple(sorted(axes, key=lambda axis: axis.name))  # as Optuna orders them
    value_PH = np.stack([cells.settings[axis.name] for axis in axes], axis=1)
    bounds_H2 = np.array([[axis.low, axis.high] for axis in axes])
    share_H = fanova(value_PH[rows], mean_P[rows], bounds_H2, trees=_TREES, seed=seed)
    group_P = jackknife_groups(cells)[rows]
    left_out_RH = np.array(
        [
            fanova(value_PH[kept], mean_P[kept], bounds_H2, trees=_FOLD_TREES, seed=seed)
            for group in np.unique(group_P)
            if len(kept := rows[group_P != group])
        ]
    )
    method = "Optuna's fANOVA over the linear range"
    return {
        axis.name: to_leaf(
            jackknifed(float(share_H[h]), left_out_RH[:, h], cells.n, method, cells),
            confidence,
            **more,
        )
        for h, axis in enumerate(axes)
    }


def fanova(value_PH: Array, target_P: Array, bounds_H2: Array, *, trees: int, seed: int) -> Array:
    """What `get_param_importances` with a `FanovaImportanceEvaluator` gives, (H,), of sum 1.

    Args:
        value_PH: the points, in the order in which the study has them.
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
