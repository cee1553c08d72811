"""The tables behind the figures: accuracy along one coordinate, with pointwise intervals.

In: a `Context`. Out: long data frames, one row per optimizer and position; the
columns of each are in its docstring. Accuracies are fractions. Must not import torch, Ray, Optuna.

All intervals are pointwise, at the study's confidence, by the same clustering over replicates and
seeds as the estimates of `summary.json`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.analysis.comparisons import common_cells
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.curves import Curve, fit_curve
from agsam_tune.analysis.estimate import Estimate, difference, point_means, to_leaf
from agsam_tune.analysis.gap import gap_reason, part_pairs
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.local_linear import Smoother, choose_bandwidth
from agsam_tune.analysis.metrics import best_accuracy_estimate, radius_fits
from agsam_tune.analysis.rho_lens import clipped
from agsam_tune.analysis.table import Cells
from agsam_tune.study import MissetPoint, Study

__all__ = [
    "accuracy_along",
    "accuracy_along_radius",
    "around_own_best",
    "gap_along",
    "gap_rows",
    "reference_lines",
]

Array = NDArray[np.float64]

#: Fewest points that a curve is drawn through.
_FEWEST_POINTS = 8


def accuracy_along(
    context: Context, *, hyperparameter: str = "rho", positions: int = 41
) -> pd.DataFrame:
    """Accuracy against one hyperparameter, averaged over the others: local-linear, from `map`.

    Points count as in the estimates: at max(accuracy, chance), and so does the curve.

    Returns:
        optimizer, x (the hyperparameter's value), accuracy, low, high, n (trials). No rows for an
        optimizer without that hyperparameter or with fewer than 8 points. The fit is in the
        hyperparameter's own scale (log where log), with one bandwidth for all optimizers, over
        each optimizer's own range.
    """
    study, chance = context.study, context.chance
    owners = [o for o in study.optimizers if hyperparameter in study.search_spaces[o].ranges]
    cells = {o: context.table.get(o, "map") for o in owners}
    log = any(study.search_spaces[o].ranges[hyperparameter].log for o in owners)
    x = {o: _scaled(c, hyperparameter, log) for o, c in cells.items() if c is not None}
    x = {o: values for o, values in x.items() if np.isfinite(values).sum() >= _FEWEST_POINTS}
    ends = {o: _ends(study, o, hyperparameter, log) for o in x}
    bandwidth = _bandwidth(context, x, ends)
    rows = []
    for optimizer, x_P in x.items():
        own = cells[optimizer]
        if own is None:
            continue
        grid = np.linspace(*ends[optimizer], positions)
        curve = _curve(own, x_P, grid, bandwidth, chance)
        value = 10**grid if log else grid
        rows += [
            {"optimizer": optimizer, "x": float(value[g]), **_floored(curve.at(g), study, chance)}
            for g in range(len(grid))
        ]
    return _frame(rows, ("optimizer", "x", "accuracy", "low", "high", "n"))


def accuracy_along_radius(context: Context) -> pd.DataFrame:
    """max(m_o, chance) against the measured radius, on the window common with the baseline.

    Returns:
        optimizer, x (the radius), accuracy, low, high, n, in 64 positions of the window that
        `summary.json` uses (the baseline's is the one it shares with the candidate). No rows for
        an optimizer without a window, nor without a candidate and a baseline.
    """
    study, chance = context.study, context.chance
    columns = ("optimizer", "x", "accuracy", "low", "high", "n")
    if study.baseline is None or study.candidate is None:
        return _frame([], columns)
    rows = []
    for optimizer in study.optimizers:
        other = study.candidate if optimizer == study.baseline else study.baseline
        fit = radius_fits(context, optimizer, other)[0]
        if isinstance(fit, Unknown):
            continue
        rows += [
            {"optimizer": optimizer, "x": float(10**x), **_floored(fit.curve.at(g), study, chance)}
            for g, x in enumerate(fit.window.grid)
        ]
    return _frame(rows, columns)


def around_own_best(context: Context) -> pd.DataFrame:
    """Accuracy at the settings of `misset`, by what is off and by which factor.

    Returns:
        optimizer, kind ("best", a hyperparameter, or "all"), factor (1 for "best"; for "all" the
        largest factor), ran (the factor that was run: a value may be clipped), draw (for "all",
        else -1), accuracy, low, high, n (seeds). The settings are fixed, so that the intervals are
        over fresh seeds alone. low and high are NaN with one seed.
    """
    study = context.study
    rows = []
    for optimizer in study.optimizers:
        cells = context.table.get(optimizer, "misset")
        if cells is None:
            continue
        row_of = {int(point): row for row, point in enumerate(cells.points)}
        for point in context.layout:
            row = row_of.get(point.point)
            if row is None or not cells.present_PS[row].any():
                continue
            rows.append(
                {
                    "optimizer": optimizer,
                    "kind": point.kind,
                    "factor": 1.0 if point.factor is None else point.factor,
                    "ran": _factor_run(cells, row, point),
                    "draw": -1 if point.draw is None else point.draw,
                    **_row(_one_point(cells, row), "accuracy", study),
                }
            )
    columns = ("optimizer", "kind", "factor", "ran", "draw", "accuracy", "low", "high", "n")
    return _frame(rows, columns)


def gap_along(context: Context, *, positions: int = 41) -> pd.DataFrame:
    """The gap's parts over rho, on the points that candidate, baseline and control all have.

    Returns:
        metric ("mean_accuracy" or "regret_sensitivity"), part ("total", "unit_part" or
        "direction_part"), rho, difference, low, high, n. No rows without a control. The regret's
        parts are those of a* less those of the accuracy.
    """
    columns = ("metric", "part", "rho", "difference", "low", "high", "n")
    return _frame(gap_rows(context, positions), columns)


def reference_lines(context: Context) -> pd.DataFrame:
    """The accuracy of each optimizer without hyperparameters: a line in every figure.

    Returns:
        optimizer, accuracy, low, high, n.
    """
    study = context.study
    rows = []
    for optimizer in study.optimizers:
        estimate = best_accuracy_estimate(context, optimizer)
        if context.is_bare(optimizer) and isinstance(estimate, Estimate):
            rows.append({"optimizer": optimizer, **_row(estimate, "accuracy", study)})
    return _frame(rows, ("optimizer", "accuracy", "low", "high", "n"))


def gap_rows(context: Context, positions: int) -> list[dict[str, Any]]:
    """The rows of `gap_along`."""
    study = context.study
    if gap_reason(context) is not None:
        return []
    trio = (str(study.candidate), str(study.baseline), str(study.control))
    if any("rho" not in study.search_spaces[name].ranges for name in trio):
        return []
    cells = common_cells([context.table.get(name, "map") for name in trio])
    if any(c is None or _few(c) for c in cells):
        return []
    log = study.search_spaces[trio[1]].ranges["rho"].log
    curves = _trio_curves(context, trio, cells, log, positions)
    grid = np.linspace(*_ends(study, trio[1], "rho", log), positions)
    best = {name: best_accuracy_estimate(context, name) for name in trio}
    rows = []
    for part, (one, other) in part_pairs(*trio).items():
        for g in range(positions):
            accuracy = difference(curves[one].at(g), curves[other].at(g))
            regret = _regret_difference(accuracy, best[one], best[other])
            for metric, estimate in (("mean_accuracy", accuracy), ("regret_sensitivity", regret)):
                rho = float(10 ** grid[g] if log else grid[g])
                row = _row(estimate, "difference", study)
                rows.append({"metric": metric, "part": part, "rho": rho, **row})
    return rows


def _trio_curves(
    context: Context,
    trio: Sequence[str],
    cells: Sequence[Cells | None],
    log: bool,
    positions: int,
) -> dict[str, Curve]:
    known = {name: c for name, c in zip(trio, cells, strict=True) if c is not None}
    x = {name: _scaled(c, "rho", log) for name, c in known.items()}
    ends = {name: _ends(context.study, name, "rho", log) for name in trio}
    bandwidth = _bandwidth(context, x, ends)
    return {
        name: _curve(c, x[name], np.linspace(*ends[name], positions), bandwidth, context.chance)
        for name, c in known.items()
    }


def _regret_difference(
    accuracy: Estimate | Unknown, one: Estimate | Unknown, other: Estimate | Unknown
) -> Estimate | Unknown:
    best = difference(one, other)
    if isinstance(best, Unknown) or isinstance(accuracy, Unknown):
        return best if isinstance(best, Unknown) else accuracy
    return Estimate(
        value=best.value - accuracy.value,
        influence_RS=-accuracy.influence_RS,
        clusters=accuracy.clusters,
        seeds=accuracy.seeds,
        cluster_degrees=accuracy.cluster_degrees,
        n=accuracy.n,
        method=accuracy.method,
        best_terms=best.best_terms,
    )


def _few(cells: Cells) -> bool:
    return int(cells.present_PS.any(axis=1).sum()) < _FEWEST_POINTS


def _scaled(cells: Cells, name: str, log: bool) -> Array:
    """The hyperparameter at each point with finished trials, in its own scale; else NaN, (P,)."""
    values = np.where(cells.present_PS.any(axis=1), cells.settings[name], np.nan)
    return np.asarray(np.log10(values) if log else values)


def _ends(study: Study, optimizer: str, name: str, log: bool) -> tuple[float, float]:
    own = study.search_spaces[optimizer].ranges[name]
    return (np.log10(own.low), np.log10(own.high)) if log else (own.low, own.high)


def _bandwidth(
    context: Context, x: dict[str, Array], ends: dict[str, tuple[float, float]]
) -> float:
    if not x:
        return 1.0
    curves = []
    for optimizer, x_P in x.items():
        cells = context.table.get(optimizer, "map")
        if cells is not None:
            used = np.isfinite(x_P)
            curves.append((x_P[used], point_means(cells.accuracy_PS)[0][used]))
    low, high = min(e[0] for e in ends.values()), max(e[1] for e in ends.values())
    return choose_bandwidth(curves, low, high)


def _curve(cells: Cells, x_P: Array, grid: Array, bandwidth: float, chance: float) -> Curve:
    used = np.isfinite(x_P)
    own = replace(cells, accuracy_PS=clipped(cells.accuracy_PS, chance))
    return fit_curve(own, Smoother(x_P[used], grid, bandwidth), used)


def _one_point(cells: Cells, row: int) -> Estimate:
    mean, deviation = point_means(cells.accuracy_PS[row : row + 1])
    count = int(cells.present_PS[row].sum())
    return Estimate(
        value=float(mean[0]),
        low=0.0,
        high=1.0,
        influence_RS=deviation,
        clusters=1,
        seeds=count,
        cluster_degrees=0,
        n=count,
        method="t over fresh seeds",
    )


def _factor_run(cells: Cells, row: int, point: MissetPoint) -> float:
    """The value over the best one; the planned factor where that is not known."""
    planned = 1.0 if point.factor is None else point.factor
    best = np.flatnonzero(cells.points == 0)
    if point.kind not in cells.settings or not len(best):
        return planned
    values = cells.settings[point.kind]
    ran = values[row] / values[best[0]] if values[best[0]] > 0 else np.nan
    # What was not clipped differs from the plan by rounding alone.
    return float(ran) if np.isfinite(ran) and not np.isclose(ran, planned) else planned


def _row(estimate: Estimate | Unknown, name: str, study: Study) -> dict[str, float]:
    if isinstance(estimate, Unknown):
        return {name: np.nan, "low": np.nan, "high": np.nan, "n": 0}
    found = to_leaf(estimate, study.analysis.confidence)
    low, high = (found.get(key, np.nan) for key in ("low", "high"))
    return {name: estimate.value, "low": low, "high": high, "n": estimate.n}


def _floored(estimate: Estimate, study: Study, chance: float) -> dict[str, float]:
    """A smoothed accuracy: a line through points at chance may dip below it, the truth cannot."""
    row = _row(estimate, "accuracy", study)
    return row | {key: float(np.maximum(row[key], chance)) for key in ("accuracy", "low", "high")}


def _frame(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))
