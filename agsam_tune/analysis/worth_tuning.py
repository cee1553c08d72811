"""How many hyperparameters are worth tuning for a task, the others left as they are for all.

In: one optimizer's maps of several tasks. Out: leaves. Must not import pandas, torch,
Ray or Optuna.

For each task, the smallest number of hyperparameters that, tuned for that task while the others
stay at the setting that is best on average over all tasks, reach an accuracy near the best (the
"effective hyperparameter dimensionality" of J. Adkins, M. Bowling and A. White, "A method for
evaluating hyperparameter sensitivity in reinforcement learning", 2024, who ask for 95 % of the
tuned score). It needs accuracies off the design: those of a Gaussian process (`surface_fit`), where
that predicts points left out well enough to be used.

A process swings above a plateau that ends in a cliff: fitted to accuracies as they are, its maximum
was up to 13 points above anything measured (gsam_matched on noisy moons), though it predicts
points left out with R² 0.88. Here nothing but the top matters. So all accuracies that are far from
near enough are raised to a floor, which took this to 0.2 points at a loss of 0.5 and 0.7 at one
of 2, and a prediction counts as no more than the best point's accuracy. A number has no interval;
effects below the surface's error are not seen.

Shapes: T tasks, P common points, H hyperparameters, N settings.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import point_means
from agsam_tune.analysis.gaussian_process import Process
from agsam_tune.analysis.leaf import Leaf, Unknown, null
from agsam_tune.analysis.rho_lens import NO_MAP, clipped
from agsam_tune.analysis.surface_fit import LEAST_R2, Fit, box_of, fit_surface
from agsam_tune.analysis.table import Cells
from agsam_tune.analysis.tuning_gain import common_rows
from agsam_tune.analysis.unit_cube import Axis

__all__ = ["SHARE", "worth_tuning"]

Array = NDArray[np.float64]

#: Of the tuned score, what counts as reaching it.
SHARE = 0.95

#: More hyperparameters than these have too many subsets, and no map of them is dense.
MOST_NAMES = 6

#: How deep the floor lies below the best point, in units of the loss that is near enough: less
#: hides the slopes in the noise, more brings the cliffs back.
_DEPTHS = {"margin": 4.0, "share": 2.0}

#: Share of points on the floor from which a surface must say where they are.
_STRUCTURE = 0.05

#: Settings tried: in the whole cube, and along each subset of its sides.
_WHOLE, _SUBSET = 2**12, 2**9

METHOD = "maxima of a Gaussian process near the top"


def worth_tuning(
    contexts: Sequence[Context], scales: Sequence[float], optimizer: str
) -> list[dict[str, Leaf]]:
    """For each task how many hyperparameters are worth tuning, by two measures of near enough.

    Args:
        contexts: the tasks' studies.
        scales: a*_t - chance_t of each.
        optimizer: one that all of them have.

    Returns:
        one dict a task: `margin` (within the study's margin of tuning all) and
        `share` (95 % of its score above chance). Leaves have as `value` the number, and
        `hyperparameters`, the best ones to tune; `accuracies`, the best one reaches with 0, 1, 2, …
        of them, as predicted, none below the floor. Or null with the
        reason.
    """
    reason = _why_not(contexts, optimizer)
    if reason:
        return [_nothing(reason) for _ in contexts]
    cells = [cells for c in contexts if (cells := c.map_cells(optimizer)) is not None]
    rows = common_rows(cells) if len(cells) == len(contexts) else Unknown(reason=NO_MAP)
    if isinstance(rows, Unknown):
        return [_nothing(rows.reason) for _ in contexts]
    means = [
        point_means(clipped(one.accuracy_PS, context.chance))[0]
        for one, context in zip(cells, contexts, strict=True)
    ]
    scores_TP = [
        (mean_P[own] - context.chance) / scale
        for mean_P, own, context, scale in zip(means, rows, contexts, scales, strict=True)
    ]
    common = int(np.argmax(np.mean(scores_TP, axis=0)))
    return [
        _task(context, optimizer, own, int(at[common]), float(np.nanmax(mean_P)))
        for context, own, at, mean_P in zip(contexts, cells, rows, means, strict=True)
    ]


def _why_not(contexts: Sequence[Context], optimizer: str) -> str:
    if len(contexts) < 2:
        return "one task: there is no other that a common setting would serve"
    boxes = [box_of(context, [optimizer]) for context in contexts]
    if not boxes[0]:
        return "the optimizer has no hyperparameters to tune"
    if len(boxes[0]) > MOST_NAMES:
        return f"more than {MOST_NAMES} hyperparameters"
    if any(box != boxes[0] for box in boxes[1:]):
        return "the tasks' search spaces differ"
    return ""


def _task(
    context: Context, optimizer: str, cells: Cells, common: int, top: float
) -> dict[str, Leaf]:
    """Both numbers of one task; `common` is the row of the common setting, `top` the best mean."""
    axes = box_of(context, [optimizer])
    at_H = np.array([float(a.unit(cells.settings[a.name][common])) for a in axes])
    losses = {
        "margin": context.study.analysis.margin,
        "share": (1 - SHARE) * (top - context.chance),
    }
    found = {}
    for key, loss in losses.items():
        floor = max(context.chance, top - _DEPTHS[key] * loss)
        surface = _surface(context, axes, cells, floor)
        if isinstance(surface, Unknown):
            found[key] = null(surface.reason)
        else:
            found[key] = _number(surface, at_H, (floor, top), loss)
    return found


def _surface(context: Context, axes: tuple[Axis, ...], cells: Cells, floor: float) -> Fit | Unknown:
    """The surface of accuracies raised to the floor, or why it cannot be used."""
    raised = replace(cells, accuracy_PS=np.maximum(cells.accuracy_PS, floor))
    margin = context.study.analysis.margin
    fit = fit_surface(raised, cells.settings, axes, chance=floor, margin=margin)
    if isinstance(fit, Unknown):
        return fit
    if not fit.quality.usable:
        return Unknown(reason=f"no usable surface: {fit.quality.reason}")
    # A flat surface is right where all points are alike, and blind where they are not.
    beneath = float(np.mean(point_means(raised.accuracy_PS)[0] <= floor))
    if fit.quality.r2 < LEAST_R2 and beneath > _STRUCTURE:
        return Unknown(reason="noise hides which settings are near enough")
    return fit


def _number(fit: Fit, common_H: Array, limits: tuple[float, float], loss: float) -> Leaf:
    """The smallest number of hyperparameters that come within `loss` of tuning all."""
    best = _reached(fit.process, (), common_H, limits)
    found: list[tuple[float, tuple[int, ...]]] = [(best, ())]
    accuracies = [best]
    for size in range(1, len(fit.axes) + 1):
        subsets = combinations(range(len(fit.axes)), size)
        found.append(max((_reached(fit.process, one, common_H, limits), one) for one in subsets))
        # A larger subset can do what a smaller one can, though other settings of it are tried.
        best = max(best, found[-1][0])
        accuracies.append(best)
    number = next(n for n, accuracy in enumerate(accuracies) if accuracy >= best - loss)
    return {
        "value": number,
        "hyperparameters": [fit.axes[h].name for h in found[number][1]],
        "accuracies": accuracies,
        "n": fit.n,
        "method": METHOD,
    }


def _reached(
    process: Process, chosen: tuple[int, ...], common_H: Array, limits: tuple[float, float]
) -> float:
    """The largest predicted accuracy with the chosen hyperparameters free, within the limits."""
    if not chosen:
        tried_NH = common_H[None]
    elif len(chosen) == len(common_H):
        tried_NH = _cube(len(common_H), _WHOLE)
    else:
        tried_NH = np.repeat(common_H[None], _SUBSET, axis=0)
        tried_NH[:, chosen] = _cube(len(chosen), _SUBSET)
    return float(np.clip(process.predict(tried_NH).max(), *limits))


def _nothing(reason: str) -> dict[str, Leaf]:
    return {"margin": null(reason), "share": null(reason)}


def _cube(dimensions: int, count: int) -> Array:
    """A Sobol design in the unit cube, the same each time, (count, dimensions)."""
    return np.asarray(qmc.Sobol(dimensions, rng=np.random.default_rng(0)).random(count))
