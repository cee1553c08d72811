"""Accuracy over rho and a second hyperparameter: the fitted surface, its two uncertainties, dots.

In: points (columns optimizer, hyperparameters, accuracy, diverged, failed), the grid of a fitted
surface where there is one, and search spaces. Out: panels. Accuracies are in percent, standard
deviations and differences in points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray

from agsam_tune.report.figures.colours import SPREAD_MAP
from agsam_tune.report.figures.panel import Panel, colour_bar, nothing, shorten
from agsam_tune.report.figures.unit_square import (
    Box,
    Floats,
    cell_centres,
    picture,
    unit_axis,
    unit_share,
)
from agsam_tune.report.style import BAD, COLOUR_MAP

SIZE, SMALL = (4.1, 3.3), (3.0, 2.6)
"""Inches of a panel, three or four to a row."""
# On the surfaces themselves, which have the same colours on light and on dark paper.
BLACK, WHITE = "#000001", "#fffffe"
LEVEL_LINES = ("solid", "dashed", "dotted")
MANY = 400
"""More points than this are drawn as one image and smaller: an SVG element each would be MBs."""
SPREADS = {
    "noise": ("seed noise", "SD of one trial (points)"),
    "uncertainty": ("interpolation", "SD of the surface (points)"),
}
"""Column of the grid → (the panel's title, the colour bar's label)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A colour scale that several panels have in common."""

    low: float
    high: float
    colours: str | Colormap
    label: str

    @property
    def norm(self) -> Normalize:
        """For matplotlib."""
        return Normalize(self.low, self.high)

    def bar(self, ax: Axes) -> Axes:
        """Draws the scale beside a panel; returns the bar's own axes."""
        return colour_bar(ax, low=self.low, high=self.high, colours=self.colours, label=self.label)


def accuracy_scale(values: NDArray[np.float64]) -> Scale:
    """From the smallest to the largest percentage, widened to whole percents."""
    seen = values[np.isfinite(values)]
    low, high = (float(np.floor(seen.min())), float(np.ceil(seen.max()))) if seen.size else (0, 100)
    return Scale(low=low, high=max(high, low + 1.0), colours=COLOUR_MAP, label="test accuracy (%)")


def spread_scale(pictures: Sequence[Floats | None], measure: str) -> Scale:
    """From 0 to the largest standard deviation of any optimizer."""
    peaks = [float(np.nanmax(one)) for one in pictures if one is not None]
    high = max([*peaks, 1e-9])
    return Scale(low=0.0, high=high, colours=SPREAD_MAP, label=SPREADS[measure][1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One optimizer's points and fitted surface in the unit square.

    `x`, `y` are the first and second hyperparameter as shares of their ranges in their own scale.
    `mean` (percent), `noise` and `uncertainty` (points) are pictures (rows y), None without a fit.
    `own_best` is the measured accuracy of the own best setting in percent, None where unknown.
    """

    optimizer: str
    first: str
    second: str
    x: Floats
    y: Floats
    values: Floats
    failed: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    own_best: float | None
    mean: Floats | None
    noise: Floats | None
    uncertainty: Floats | None

    @property
    def top(self) -> float | None:
        """The percentage that the lines are below: the own best, else the surface's best place."""
        if self.own_best is not None or self.mean is None:
            return self.own_best
        return float(np.nanmax(self.mean))

    def spread(self, measure: str) -> Floats | None:
        """The picture of one of SPREADS."""
        return self.noise if measure == "noise" else self.uncertainty


def surface(
    points: pd.DataFrame,
    grid: pd.DataFrame,
    boxes: Mapping[str, Box],
    *,
    optimizer: str,
    second: str,
    own_best: float | None,
    first: str = "rho",
) -> Surface:
    """One optimizer's points inside its search space, and its grid over two hyperparameters.

    `own_best` is a fraction.
    `grid` has the columns optimizer, second, rho, x2, accuracy, noise, uncertainty.
    """
    own = points[points["optimizer"] == optimizer].dropna(subset=[first, second, "accuracy"])
    x, y = unit_share(own[first], boxes[first]), unit_share(own[second], boxes[second])
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    nodes = grid[(grid["optimizer"] == optimizer) & (grid["second"] == second)]
    at = (unit_share(nodes["rho"], boxes[first]), unit_share(nodes["x2"], boxes[second]))
    fitted = {
        column: picture(*at, 100 * nodes[column].to_numpy(dtype=float))
        for column in ("accuracy", *SPREADS)
    }
    return Surface(
        optimizer=optimizer,
        first=first,
        second=second,
        x=x[inside],
        y=y[inside],
        values=100 * own["accuracy"].to_numpy(dtype=float)[inside],
        failed=own["failed"].to_numpy(dtype=bool)[inside],
        diverged=own["diverged"].to_numpy(dtype=bool)[inside],
        own_best=None if own_best is None else 100 * own_best,
        mean=fitted["accuracy"],
        noise=fitted["noise"],
        uncertainty=fitted["uncertainty"],
    )


def surface_panel(
    one: Surface,
    boxes: Mapping[str, Box],
    *,
    scale: Scale,
    epsilons: Sequence[float],
    small: bool,
) -> Panel:
    """The mean surface with its dots; lines `epsilons` below the own best."""

    def draw(ax: Axes) -> None:
        ax.set_title(_title(one, "" if one.mean is not None else "points alone", small=small))
        if not one.values.size and one.mean is None:
            return nothing(ax, "no points yet")
        if one.mean is not None:
            show_picture(ax, one.mean, scale)
            top = one.top
            _lines(ax, one.mean, [] if top is None else [top - 100 * e for e in epsilons])
        _dots(ax, one, scale)
        _axes(ax, one, boxes)
        scale.bar(ax)
        return None

    return Panel(
        key=f"surface-{one.second}-{one.optimizer}",
        alt=f"Test accuracy of {one.optimizer} over {one.first} and {one.second}.",
        draw=draw,
        size=SMALL if small else SIZE,
    )


def spread_panel(
    one: Surface, boxes: Mapping[str, Box], *, measure: str, scale: Scale, small: bool
) -> Panel:
    """How uncertain one optimizer's surface is: `measure` is one of SPREADS."""
    title, _ = SPREADS[measure]

    def draw(ax: Axes) -> None:
        ax.set_title(_title(one, title, small=small))
        cells = one.spread(measure)
        if cells is None:
            return nothing(ax, "no fitted surface")
        show_picture(ax, cells, scale)
        _axes(ax, one, boxes)
        scale.bar(ax)
        return None

    return Panel(
        key=f"surface-{one.second}-{one.optimizer}-{measure}",
        alt=f"{title.capitalize()} of {one.optimizer} over {one.first} and {one.second}.",
        draw=draw,
        size=SMALL if small else SIZE,
    )


def _title(one: Surface, words: str, *, small: bool) -> str:
    """The optimizer and what is shown of it, on two lines where one is too short for both."""
    name = shorten(one.optimizer, 26)
    between = "\n" if small else ": "
    return f"{name}{between}{words}" if words else name


def show_picture(ax: Axes, cells: Floats, scale: Scale) -> None:
    """A picture that fills the unit square; stored cell by cell, not in a screen's pixels."""
    ax.imshow(
        np.ma.masked_invalid(cells),
        origin="lower",
        extent=(0, 1, 0, 1),
        cmap=scale.colours,
        norm=scale.norm,
        aspect="auto",
        interpolation="none",
    )


def _axes(ax: Axes, one: Surface, boxes: Mapping[str, Box]) -> None:
    unit_axis(ax, "x", one.first, boxes[one.first])
    unit_axis(ax, "y", one.second, boxes[one.second])


def _lines(ax: Axes, cells: Floats, levels: Sequence[float]) -> None:
    """Contours, the highest level solid, then dashed and dotted."""
    seen = cells[np.isfinite(cells)]
    styles = {
        level: LEVEL_LINES[rank % len(LEVEL_LINES)]
        for rank, level in enumerate(sorted(levels, reverse=True))
    }
    crossed = [level for level in sorted(levels) if seen.min() < level < seen.max()]
    if not crossed:
        return
    ax.contour(
        cell_centres(),
        cell_centres(),
        np.ma.masked_invalid(cells),
        levels=crossed,
        colors=BLACK,
        linewidths=0.9,
        zorder=3.5,
        linestyles=[styles[level] for level in crossed],
    )


def _dots(ax: Axes, one: Surface, scale: Scale) -> None:
    """The measured points in the surface's own colours; failed and diverged ones are crossed."""
    many = len(one.values) > MANY
    size = 5.0 if many else 13.0
    good = ~one.failed
    ax.scatter(
        one.x[good],
        one.y[good],
        c=one.values[good],
        s=size,
        cmap=scale.colours,
        norm=scale.norm,
        edgecolors=WHITE,
        linewidths=0.0 if many else 0.6,
        rasterized=many,
        zorder=3,
    )
    kinds = ((one.failed & ~one.diverged, "+", BLACK, WHITE), (one.diverged, "x", WHITE, BAD))
    for chosen, marker, halo, colour in kinds:
        for width, ink in ((2.2, halo), (1.0, colour)):
            ax.scatter(
                one.x[chosen],
                one.y[chosen],
                marker=marker,
                s=1.5 * size,
                color=ink,
                linewidths=width,
                rasterized=many,
                zorder=4,
            )
