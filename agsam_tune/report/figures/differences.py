"""Candidate minus baseline over rho and a second hyperparameter, with its significance.

In: points of both, paired; the grid of the fitted difference where there is one; search spaces.
Out: a panel, in points of accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from agsam_tune.report.figures.colours import DIFFERENCE_MAP
from agsam_tune.report.figures.panel import Panel, shorten_pair, signed
from agsam_tune.report.figures.surfaces import BLACK, MANY, Scale, show_picture
from agsam_tune.report.figures.unit_square import (
    Box,
    Floats,
    cell_centres,
    picture,
    unit_axis,
    unit_share,
)
from agsam_tune.report.style import MUTED

SIZE = (4.6, 3.7)
PAIR = ["phase", "point"]
HATCH = "#00000044"
"""Black, a quarter: seen on the lightest colour, and the darkest is seen through it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate minus baseline in the unit square, in points.

    `values` at `x`, `y` are measured at the same points; `mean` is the fitted difference as a
    picture, `beyond` how far 0 is outside its interval (negative: inside); both None without a fit.
    """

    second: str
    x: Floats
    y: Floats
    values: Floats
    mean: Floats | None
    beyond: Floats | None

    @property
    def reach(self) -> float:
        """The largest fitted difference, else all but the most extreme measured ones."""
        if self.mean is not None:
            return max(float(np.nanmax(np.abs(self.mean))), 1e-9)
        return max(float(np.quantile(np.abs(self.values), 0.95)) if self.values.size else 0, 1e-9)


def difference(
    points: pd.DataFrame,
    grid: pd.DataFrame,
    boxes: Mapping[str, Box],
    *,
    candidate: str,
    baseline: str,
    second: str,
) -> Difference:
    """Pairs the points and makes the pictures.

    `grid` has the columns second, rho, x2, difference, low, high. The hyperparameters are the
    candidate's: the baseline may lack the second one, or some of its values.
    """
    own = points[points["optimizer"] == candidate].dropna(subset=["rho", second, "accuracy"])
    other = points.loc[points["optimizer"] == baseline, [*PAIR, "accuracy"]].dropna()
    pairs = own.merge(other, on=PAIR, suffixes=("", "_baseline"))
    x, y = unit_share(pairs["rho"], boxes["rho"]), unit_share(pairs[second], boxes[second])
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    gain = 100 * (pairs["accuracy"] - pairs["accuracy_baseline"]).to_numpy(dtype=float)
    nodes = grid[grid["second"] == second]
    at = (unit_share(nodes["rho"], boxes["rho"]), unit_share(nodes["x2"], boxes[second]))
    low, high = (nodes[column].to_numpy(dtype=float) for column in ("low", "high"))
    return Difference(
        second=second,
        x=x[inside],
        y=y[inside],
        values=gain[inside],
        mean=picture(*at, 100 * nodes["difference"].to_numpy(dtype=float)),
        beyond=picture(*at, 100 * np.maximum(low, -high)),
    )


def difference_panel(
    one: Difference, boxes: Mapping[str, Box], *, candidate: str, baseline: str
) -> Panel:
    """The difference: hatched where it is not significant, outlined where it is."""
    scale = Scale(
        low=-one.reach,
        high=one.reach,
        colours=DIFFERENCE_MAP,
        label="difference in test accuracy (points)",
    )

    def draw(ax: Axes) -> None:
        ax.set_title(" − ".join(shorten_pair(candidate, baseline, 34)))
        if one.mean is not None and one.beyond is not None:
            show_picture(ax, one.mean, scale)
            _mark(ax, one.beyond)
        _pairs(ax, one, scale)
        unit_axis(ax, "x", "rho", boxes["rho"])
        unit_axis(ax, "y", one.second, boxes[one.second])
        bar = scale.bar(ax)
        bar.yaxis.set_major_formatter(FuncFormatter(signed))

    return Panel(
        key=f"difference-{one.second}",
        alt=f"Test accuracy of {candidate} minus {baseline} over rho and {one.second}.",
        draw=draw,
        size=SIZE,
    )


def _mark(ax: Axes, beyond: Floats) -> None:
    """Hatches what is not significant, and draws the line around what is."""
    at = cell_centres()
    shown = np.ma.masked_invalid(beyond)
    low, high = float(shown.min()), float(shown.max())
    if low < 0:
        levels = [low - 1, 0.0]
        hatched = ax.contourf(at, at, shown, levels=levels, colors="none", hatches=["////"])
        hatched.set(hatchcolor=HATCH, linewidth=0.0)
    if low < 0 < high:
        ax.contour(at, at, shown, levels=[0.0], colors=BLACK, linewidths=1.1, zorder=2.5)


def _pairs(ax: Axes, one: Difference, scale: Scale) -> None:
    many = len(one.values) > MANY
    # Small differences last would hide the large ones; the order of the points hides nothing.
    ax.scatter(
        one.x,
        one.y,
        c=one.values,
        s=7.0 if many else 15.0,
        cmap=scale.colours,
        norm=scale.norm,
        edgecolors=MUTED if one.mean is None else BLACK,
        linewidths=0.25 if many else 0.4,
        rasterized=many,
        zorder=3,
    )
