"""Candidate minus baseline along one hyperparameter that both have, such as the learning rate.

In: a `Context`. Out: rows of a curve with pointwise intervals. Must not import torch, Ray, Optuna.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from agsam_tune.analysis.comparisons import common_cells, same_settings
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.curves import fit_curve
from agsam_tune.analysis.estimate import difference, point_means, to_leaf
from agsam_tune.analysis.local_linear import Smoother, choose_bandwidth
from agsam_tune.analysis.rho_lens import clipped

__all__ = ["difference_along"]

#: Fewest points that a curve is drawn through.
_FEWEST_POINTS = 8


def difference_along(
    context: Context, hyperparameter: str, positions: int = 25
) -> list[dict[str, Any]]:
    """The difference in mean accuracy at values of one hyperparameter, averaged over the others.

    Both curves are local-linear fits through max(accuracy, chance) of the points that both have,
    in the hyperparameter's own scale and with one bandwidth, so that what the design does to both
    cancels.

    Returns:
        rows with "hyperparameter", "x", "difference", "low", "high" (fractions; pointwise at the
        study's confidence) and "n". Empty without a candidate and a baseline that have the
        hyperparameter in the same range and at least 8 points in common.
    """
    study = context.study
    if study.candidate is None or study.baseline is None:
        return []
    pair = (study.candidate, study.baseline)
    ranges = [study.search_spaces[name].ranges.get(hyperparameter) for name in pair]
    own = ranges[0]
    if own is None or ranges[1] is None or not same_settings(context, *pair):
        return []
    ours, theirs = common_cells([context.table.get(name, "map") for name in pair])
    if ours is None or theirs is None:
        return []
    used_P = np.asarray(ours.present_PS.any(axis=1) & theirs.present_PS.any(axis=1))
    if used_P.sum() < _FEWEST_POINTS:
        return []
    values_P = ours.settings[hyperparameter][used_P]
    x_P = np.log10(values_P) if own.log else values_P
    low, high = (np.log10(own.low), np.log10(own.high)) if own.log else (own.low, own.high)
    floored = [clipped(c.accuracy_PS, context.chance) for c in (ours, theirs)]
    curves = [(x_P, point_means(accuracy_PS)[0][used_P]) for accuracy_PS in floored]
    grid = np.linspace(low, high, positions)
    smoother = Smoother(x_P, grid, choose_bandwidth(curves, float(low), float(high)))
    fits = [
        fit_curve(replace(c, accuracy_PS=a), smoother, used_P)
        for c, a in zip((ours, theirs), floored, strict=True)
    ]
    rows = []
    for g, x in enumerate(grid):
        leaf = to_leaf(difference(fits[0].at(g), fits[1].at(g)), study.analysis.confidence)
        rows.append(
            {
                "hyperparameter": hyperparameter,
                "x": float(10**x if own.log else x),
                "difference": leaf["value"],
                "low": leaf.get("low"),
                "high": leaf.get("high"),
                "n": leaf.get("n", 0),
            }
        )
    return rows
