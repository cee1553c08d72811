"""The own best setting of each optimizer, and its accuracy on seeds that did not choose it.

In: the trials table, or its arrays. Out: `BestPoint` (which setting) and `Best` (its accuracy by
seed). Must not import torch, Ray or Optuna.

The best of many noisy points is best partly by luck (the winner's curse: its own score is biased
upwards). So the point is chosen by validation accuracy on the even seeds, and its accuracy is
measured on the fresh seeds of `misset` or, without that phase, on the odd seeds. An optimizer
without hyperparameters had no choice, and all its seeds count.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.analysis.intervals import KNOWN, Component
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.plateau import NO_COLLAPSES, Collapses, find_collapses
from agsam_tune.analysis.table import KEY, Cells, Table, require_columns
from agsam_tune.analysis.unit_cube import to_unit
from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SHARPNESS
from agsam_tune.study import SearchSpace

__all__ = ["Best", "BestPoint", "best_accuracy", "best_components", "best_points"]

Array = NDArray[np.float64]

NO_CHOICE: Array = np.zeros(0)

#: Below this many evaluation seeds, the spread at the same setting over the seeds of the phase
#: it was found in is pooled with theirs: t on 1 or 2 degrees of freedom says nothing.
_FEW_SEEDS = 4

#: Accuracies this far below the best still belong to its plateau.
_PLATEAU = 0.05

#: What is not a hyperparameter among the columns of the trials table.
_NOT_SETTINGS = {*BEFORE_HYPERPARAMETERS, *AFTER_HYPERPARAMETERS, *SHARPNESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPoint:
    """The setting with the best mean validation accuracy on the even seeds."""

    phase: str
    point: int
    hyperparameters: Mapping[str, float]
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The accuracy of one optimizer's best setting.

    Attributes:
        seeds: what it was measured on: "fresh seeds", "odd seeds" or "all seeds".
        accuracy: seed -> test accuracy there, for the seeds that it was measured on.
        spread: seed -> test accuracy at the same setting on the seeds of the phase it was found
            in; used for its spread alone, where `accuracy` has few seeds.
        imagined_B: accuracies at the settings that imagined studies would have chosen
            (`selection.py`); empty where there was no choice.
        collapses: what the good points of `map` and `tune` show of trials that collapse.
    """

    seeds: str
    accuracy: Mapping[int, float]
    spread: Mapping[int, float]
    imagined_B: Array
    collapses: Collapses = NO_COLLAPSES

    @property
    def value(self) -> float:
        """a*, the mean over the seeds it was measured on."""
        return float(np.mean(list(self.accuracy.values())))

    @property
    def unseen(self) -> tuple[Component, ...]:
        """The error of `value` from collapses that its few seeds may have missed."""
        variance = self.collapses.variance / len(self.accuracy)
        return (Component(variance=variance, degrees=KNOWN),) if variance > 0 else ()


def best_points(trials: pd.DataFrame, optimizers: Iterable[str]) -> dict[str, BestPoint]:
    """Each optimizer's best point of `map` and `tune`.

    Args:
        trials: the trials table; only finished trials of `map` and `tune` on even seeds count.
        optimizers: the optimizers to look at.

    Returns:
        optimizer -> its best point; without those that have no such trial. Equally good points:
        `map` before `tune`, then the lowest point.

    Raises:
        ValueError: if the table lacks a column.
    """
    require_columns(trials, (*KEY, "val_accuracy", "state"))
    even = (trials["seed"] % 2 == 0) & (trials["state"] == "COMPLETE")
    chosen = trials[even & trials["phase"].isin(["map", "tune"])]
    names = [column for column in trials.columns if column not in _NOT_SETTINGS]
    best = {}
    for optimizer in optimizers:
        own = chosen[chosen["optimizer"] == optimizer]
        means = own.groupby(["phase", "point"], sort=True)["val_accuracy"].mean().dropna()
        if means.empty:
            continue
        # Sorted by (phase, point), and "map" < "tune": the first maximum is the one wanted.
        phase, point = means.index[int(np.argmax(means.to_numpy()))]
        row = own[(own["phase"] == phase) & (own["point"] == point)].iloc[0]
        settings = {name: float(row[name]) for name in names if pd.notna(row[name])}
        best[optimizer] = BestPoint(
            phase=str(phase),
            point=int(point),
            hyperparameters=settings,
            val_accuracy=float(means.max()),
        )
    return best


def best_accuracy(
    table: Table,
    optimizer: str,
    point: BestPoint | None,
    space: SearchSpace,
    imagined_B: Array = NO_CHOICE,
) -> Best | Unknown:
    """a* of one optimizer, or why there is none."""
    if point is None:
        return Unknown(reason="no finished trial of map or tune on an even seed")
    found_in = table.get(optimizer, point.phase)
    spread = {} if found_in is None else _at(found_in, point.point)
    best = _measured(table, optimizer, point, spread, imagined_B)
    if isinstance(best, Unknown) or not space.names:
        return best
    level = max(best.value, *spread.values()) - _PLATEAU if spread else best.value - _PLATEAU
    fresh_N = np.array(list(best.accuracy.values()) if best.seeds == "fresh seeds" else [])
    return replace(best, collapses=_collapses(table, optimizer, point, space, level, fresh_N))


def _collapses(
    table: Table,
    optimizer: str,
    point: BestPoint,
    space: SearchSpace,
    level: float,
    fresh_N: Array,
) -> Collapses:
    tables = [c for phase in ("map", "tune") if (c := table.get(optimizer, phase)) is not None]
    own_H = to_unit({n: np.array([v]) for n, v in point.hyperparameters.items()}, space)
    unit_PH = np.concatenate([to_unit(cells.settings, space) for cells in tables])
    seeds = max(len(cells.seeds) for cells in tables)
    accuracy_PS = np.concatenate(
        [
            np.pad(
                cells.accuracy_PS,
                ((0, 0), (0, seeds - len(cells.seeds))),
                constant_values=np.nan,
            )
            for cells in tables
        ]
    )
    distance_P = np.linalg.norm(unit_PH - own_H, axis=1)
    return find_collapses(accuracy_PS, distance_P, level, fresh_N)


def _measured(
    table: Table, optimizer: str, point: BestPoint, spread: Mapping[int, float], imagined_B: Array
) -> Best | Unknown:
    misset = table.get(optimizer, "misset")
    fresh = {} if misset is None else _at(misset, 0)
    if fresh:
        return Best(seeds="fresh seeds", accuracy=fresh, spread=spread, imagined_B=imagined_B)
    if not point.hyperparameters:
        return Best(seeds="all seeds", accuracy=spread, spread=spread, imagined_B=NO_CHOICE)
    odd = {seed: accuracy for seed, accuracy in spread.items() if seed % 2}
    if odd:
        return Best(seeds="odd seeds", accuracy=odd, spread=spread, imagined_B=imagined_B)
    return Unknown(reason="one seed: the best point cannot be chosen and measured on the same one")


def best_components(
    terms: tuple[tuple[float, Best], ...],
) -> tuple[Component, ...] | Unknown:
    """The error of sum_i weight_i a*_i, paired over seeds where all were measured on the same.

    Returns:
        one component where they share their seeds, else one for each; () without terms.
    """
    active = tuple((weight, best) for weight, best in terms if weight != 0.0)
    if not active:
        return ()
    common = set.intersection(*(set(best.accuracy) for _, best in active))
    complete = all(len(best.accuracy) == len(common) for _, best in active)
    groups = [active] if complete or len(common) >= _FEW_SEEDS else [(term,) for term in active]
    parts = [_component(group) for group in groups]
    if any(part is None for part in parts):
        return Unknown(reason="one seed at the best point: there is no spread to estimate from")
    return tuple(part for part in parts if part is not None)


def _component(terms: tuple[tuple[float, Best], ...]) -> Component | None:
    measured = _combined([(weight, best.accuracy) for weight, best in terms])
    if len(measured) >= _FEW_SEEDS:
        squares, degrees = _spread(measured), len(measured) - 1
    else:
        found = _combined([(weight, best.spread) for weight, best in terms])
        groups = [found] if terms[0][1].seeds != "fresh seeds" else [measured, found]
        squares = sum(_spread(group) for group in groups)
        degrees = sum(max(len(group) - 1, 0) for group in groups)
    if degrees < 1:
        return None
    return Component(variance=squares / degrees / len(measured), degrees=degrees)


def _combined(terms: list[tuple[float, Mapping[int, float]]]) -> list[float]:
    common = set.intersection(*(set(values) for _, values in terms))
    return [sum(weight * values[seed] for weight, values in terms) for seed in sorted(common)]


def _spread(values: list[float]) -> float:
    return float(np.sum((np.array(values) - np.mean(values)) ** 2)) if values else 0.0


def _at(cells: Cells, point: int) -> dict[int, float]:
    row = np.flatnonzero(cells.points == point)
    if not len(row):
        return {}
    accuracy = cells.accuracy_PS[row[0]]
    return {
        int(seed): float(value)
        for seed, value in zip(cells.seeds, accuracy, strict=True)
        if np.isfinite(value)
    }
