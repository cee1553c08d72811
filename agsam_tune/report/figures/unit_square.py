"""The square that surfaces are drawn in: two hyperparameters as shares of their ranges.

In: hyperparameters' values and ranges. Out: shares from 0 to 1 in each range's own scale, grids as
pictures, and axes labelled with the hyperparameters' own values. numpy, pandas and matplotlib only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from agsam_tune.report.figures.panel import shorten

Floats = NDArray[np.float64]

CELLS = 120
"""A picture's side: 3 screen pixels a cell, too small to see in a surface that bends slowly."""


class Box(Protocol):
    """One hyperparameter's range (as `agsam_tune.study.Range`)."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def log(self) -> bool: ...


def unit_share(values: ArrayLike, box: Box) -> Floats:
    """Values as a share of their range in its own scale: 0 at the low end, 1 at the high end."""
    transform = _transform(box)
    low, high = transform(box.low), transform(box.high)
    numbers = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (transform(numbers) - low) / (high - low)
    # The ends of a log range come back from the file with the last bit off.
    return np.where(np.abs(share - np.clip(share, 0, 1)) < 1e-9, np.clip(share, 0, 1), share)


def picture(x_N: Floats, y_N: Floats, values_N: Floats) -> Floats | None:
    """A grid's values in CELLS × CELLS cells of the unit square (rows y), linear between nodes.

    x_N, y_N are the nodes' shares of their ranges, in any order. Cells farther than half a node's
    distance outside the grid are NaN. None where there are no two nodes along each side, or all
    values are NaN.
    """
    table = pd.DataFrame({"x": x_N.round(9), "y": y_N.round(9), "value": values_N})
    matrix = table.pivot_table(index="y", columns="x", values="value", dropna=False)
    xs, ys = matrix.columns.to_numpy(dtype=float), matrix.index.to_numpy(dtype=float)
    if len(xs) < 2 or len(ys) < 2 or not np.isfinite(values_N).any():
        return None
    at = cell_centres()
    rows = np.stack([np.interp(at, xs, row) for row in matrix.to_numpy(dtype=float)])
    cells = np.stack([np.interp(at, ys, column) for column in rows.T], axis=1)
    cells[~_near(at, ys), :] = np.nan
    cells[:, ~_near(at, xs)] = np.nan
    return cells


def cell_centres() -> Floats:
    """Where the cells of a picture are, along either side."""
    return (np.arange(CELLS) + 0.5) / CELLS


def unit_axis(ax: Axes, axis: str, name: str, box: Box) -> None:
    """Ticks at round values of the hyperparameter, placed on the unit axis."""
    ticks = _ticks(box)
    places = unit_share(ticks, box)
    labels = [f"{tick:.3g}" for tick in ticks]
    label = f"{shorten(name)} (log scale)" if box.log else shorten(name)
    if axis == "x":
        ax.set_xticks(places, labels)
        ax.set_xlim(0, 1)
        ax.set_xlabel(label)
    else:
        ax.set_yticks(places, labels)
        ax.set_ylim(0, 1)
        ax.set_ylabel(label)


def _ticks(box: Box) -> Floats:
    """Powers of ten on a log scale (its ends and middle where there are none), else five."""
    if not box.log:
        return np.linspace(box.low, box.high, 5)
    low, high = np.log10(box.low), np.log10(box.high)
    exponents = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
    if len(exponents) < 2:
        return np.array(np.logspace(low, high, 3))
    return np.array(10.0**exponents)


def _near(at: Floats, nodes: Floats) -> NDArray[np.bool_]:
    half = 0.5 * np.diff(nodes).max() + 1e-9
    return np.array((at >= nodes[0] - half) & (at <= nodes[-1] + half))


def _transform(box: Box) -> Callable[[Floats | float], Floats]:
    return np.log10 if box.log else np.asarray
