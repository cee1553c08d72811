"""Accuracy through the three lenses: against rho, against the own best, against the radius.

In: curves with intervals (columns optimizer, x, value, low, high; fractions) and reference lines.
Out: panels. All panels of a row share one accuracy axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from agsam_tune.report.figures.panel import (
    MARKER,
    PANEL_SIZE,
    Panel,
    chance_line,
    horizontal,
    nothing,
    percent_axis,
    plain_log,
    value_limits,
)
from agsam_tune.report.style import OptimizerStyle

SMALL = (3.0, 2.6)
MANY = 400
"""More dots than this are drawn as one image: an SVG element each would be megabytes."""
FACTORS = (0.1, 1 / 3, 0.5, 1.0, 2.0, 3.0, 10.0)
FACTOR_LABELS = ("⅒", "⅓", "½", "1", "2", "3", "10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """What every lens shows behind its curves: reference lines (fractions), chance, the y range."""

    styles: Mapping[str, OptimizerStyle]
    references: Mapping[str, float]
    chance: float | None
    low: float
    high: float

    def draw(self, ax: Axes) -> None:
        """Draws it and sets the accuracy axis, in percent."""
        percent_axis(ax)
        for name, value in self.references.items():
            horizontal(ax, value, self.styles[name])
        chance_line(ax, self.chance)
        ax.set_ylim(100 * self.low, 100 * self.high)


def backdrop(
    curves: list[pd.DataFrame],
    *,
    styles: Mapping[str, OptimizerStyle],
    references: Mapping[str, float],
    chance: float | None,
) -> Backdrop:
    """The common axis: wide enough for every curve, the references, chance and most intervals."""
    whole = pd.concat([curve[["value", "low", "high"]] for curve in curves if not curve.empty])
    fixed = [*references.values(), *([] if chance is None else [chance])]
    low, high = value_limits(whole, fixed)
    return Backdrop(
        styles=styles,
        references=references,
        chance=chance,
        low=max(0.0, low),
        high=min(1.0, high),
    )


def rho_panel(curve: pd.DataFrame, behind: Backdrop) -> Panel:
    """Accuracy against rho, the other hyperparameters averaged over the search space."""

    def draw(ax: Axes) -> None:
        ax.set_title("At the same rho")
        if curve.empty:
            return nothing(ax, "no map phase yet")
        _bands(ax, curve, behind.styles)
        behind.draw(ax)
        plain_log(ax, "rho")
        return None

    return Panel(key="accuracy-rho", alt="Test accuracy against rho, by optimizer.", draw=draw)


def factor_panel(
    curve: pd.DataFrame,
    behind: Backdrop,
    *,
    name: str,
    title: str,
    label: str,
    draws: pd.DataFrame | None = None,
    small: bool = False,
) -> Panel:
    """Accuracy when one hyperparameter is the own best value times a factor from 1/10 to 10.

    `draws` are single settings behind the curve, as faint dots.
    """

    def draw(ax: Axes) -> None:
        ax.set_title(title)
        if curve.empty:
            return nothing(ax, f"no misset trials of {name}")
        _bars(ax, curve, behind.styles, draws)
        behind.draw(ax)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(FACTORS))
        ax.xaxis.set_minor_locator(NullLocator())
        labels = dict(zip(FACTORS, FACTOR_LABELS, strict=True))
        ax.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: labels.get(value, f"{value:g}"))
        )
        ax.set_xlabel(label)
        return None

    return Panel(
        key=f"misset-{name}",
        alt=f"Test accuracy when {name} is the own best value times a factor, by optimizer.",
        draw=draw,
        size=SMALL if small else PANEL_SIZE,
    )


def radius_panel(curve: pd.DataFrame, points: pd.DataFrame, behind: Backdrop) -> Panel:
    """Accuracy against the measured radius; the dots are the points of candidate and baseline."""

    def draw(ax: Axes) -> None:
        ax.set_title("At the same measured radius")
        if curve.empty:
            return nothing(ax, "too few points with radii that both optimizers have")
        for name, style in behind.styles.items():
            own = points[(points["optimizer"] == name) & (points["x"] > 0)]
            if style.prominent and not own.empty:
                many = len(own) > MANY
                ax.scatter(
                    own["x"],
                    100 * own["value"],
                    s=3 if many else 6,
                    color=style.colour,
                    alpha=0.15 if many else 0.35,
                    linewidths=0,
                    marker=style.marker,
                    rasterized=many,
                )
        _bands(ax, curve, behind.styles)
        behind.draw(ax)
        plain_log(ax, "measured radius ‖Δw‖")
        return None

    return Panel(
        key="accuracy-radius",
        alt="Test accuracy against the measured radius of the ascent step, by optimizer.",
        draw=draw,
    )


def _bands(ax: Axes, curve: pd.DataFrame, styles: Mapping[str, OptimizerStyle]) -> None:
    """Lines with interval bands; candidate and baseline have the visible bands."""
    for name, style in styles.items():
        own = curve[curve["optimizer"] == name].sort_values("x")
        if own.empty:
            continue
        shade = 0.2 if style.prominent else 0.09
        ax.fill_between(
            own["x"],
            100 * own["low"],
            100 * own["high"],
            color=style.colour,
            alpha=shade,
            linewidth=0,
            zorder=2,
        )
        every = max(1, len(own) // 8)
        ax.plot(
            own["x"],
            100 * own["value"],
            marker=style.marker,
            markersize=4.2 if style.prominent else 3.2,
            markevery=every,
            **MARKER,
            **style.line,
        )


def _bars(
    ax: Axes,
    curve: pd.DataFrame,
    styles: Mapping[str, OptimizerStyle],
    draws: pd.DataFrame | None,
) -> None:
    """Markers with interval bars, shifted a little sideways so that optimizers do not overlap."""
    present = [name for name in styles if (curve["optimizer"] == name).any()]
    for place, name in enumerate(present):
        style = styles[name]
        own = curve[curve["optimizer"] == name].sort_values("x")
        shift = 1 + 0.035 * (place - (len(present) - 1) / 2)
        x = own["x"] * shift
        if draws is not None:
            dots = draws[draws["optimizer"] == name]
            ax.scatter(
                dots["x"] * shift,
                100 * dots["value"],
                s=7,
                color=style.colour,
                alpha=0.45,
                linewidths=0,
                marker=style.marker,
            )
        low, high = own["low"], own["high"]
        ax.vlines(x, 100 * low, 100 * high, color=style.colour, linewidth=1.0, zorder=3)
        ax.plot(
            x,
            100 * own["value"],
            marker=style.marker,
            markersize=4.6 if style.prominent else 3.4,
            **MARKER,
            **style.line,
        )
