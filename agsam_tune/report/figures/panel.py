"""A panel: one set of axes, and what panels have in common.

In: functions that draw on an `Axes`. Out: `Panel`s, axes' scales and labels. On a page each panel
is a picture of its own, so that a row of panels becomes a column on a phone; in `figures/` they are
one figure with a legend (see `sheet`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from agsam_tune.report.style import MUTED, PAPER, OptimizerStyle

PANEL_SIZE = (4.1, 3.15)
"""Inches: 8.5-point text is 11 pixels high when the panel is 380 pixels wide."""
LABEL_LENGTH = 28
BAR_STEPS = 257


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`key` names it in file names and ids, `alt` describes it to those who cannot see it."""

    key: str
    alt: str
    draw: Callable[[Axes], None]
    size: tuple[float, float] = PANEL_SIZE


def legend_line(style: OptimizerStyle) -> Line2D:
    """The legend's sample of an optimizer."""
    return Line2D([], [], label=shorten(style.name), **style.line)


def shorten(name: str, most: int = LABEL_LENGTH) -> str:
    """A name that fits an axis: on one line, whole up to `most` letters, wide ones for two."""
    name = " ".join(name.split())
    ends = list(itertools.accumulate(2 if east_asian_width(c) in "FW" else 1 for c in name))
    if not ends or ends[-1] <= most:
        return name
    return name[: sum(end < most for end in ends)] + "…"


def shorten_pair(one: str, other: str, most: int) -> tuple[str, str]:
    """Two names that fit a line together: what one of them does not need is the other's."""
    first = shorten(one, max(most // 2, most - len(other)))
    return first, shorten(other, most - len(first))


def plain_log(ax: Axes, label: str) -> None:
    """A log x axis with ticks at powers of ten, written 0.01, 0.1, 1, …, after all is drawn.

    It is linear where something that was drawn has no logarithm.
    """
    first, last = ax.dataLim.intervalx
    if first < 0 or last <= 0:
        ax.set_xlabel(label)
        return
    ax.set_xscale("log")
    ax.set_xlabel(f"{label} (log scale)")
    plain_ticks(ax.xaxis)


def plain_ticks(axis: Axis) -> None:
    """Ticks of a log axis at powers of ten, and between them where there are few."""
    low, high = sorted(axis.get_view_interval())
    few = low > 0 and np.log10(high / low) < 1.3
    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def score_axis(ax: Axes, label: str) -> None:
    """The y axis holds scores."""
    ax.set_ylabel(label)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.grid(axis="y", color=MUTED, alpha=0.22, linewidth=0.6)
    ax.set_axisbelow(True)


def value_limits(
    mean_N: NDArray[np.float64], low_N: NDArray[np.float64], high_N: NDArray[np.float64]
) -> tuple[float, float]:
    """Ends of an axis for curves with bands, with a little room.

    Every mean is inside, and nine tenths of the bands' ends: a single very wide band runs off the
    axis instead of flattening all curves.
    """
    low = min(float(mean_N.min()), float(np.quantile(low_N, 0.1)))
    high = max(float(mean_N.max()), float(np.quantile(high_N, 0.9)))
    room = 0.06 * (high - low) or 0.01
    return low - room, high + room


def trivial_line(ax: Axes, height: float) -> None:
    """The dotted line at the trivial score, labelled."""
    ax.axhline(height, color=MUTED, linestyle=(0, (1, 2)), linewidth=1.2, zorder=2)
    ax.annotate(
        "trivial",
        xy=(0.005, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2.5),
        textcoords="offset points",
        ha="left",
        color=MUTED,
        fontsize=7.5,
    )


def colour_bar(ax: Axes, *, low: float, high: float, colours: str | Colormap, label: str) -> Axes:
    """A slim colour bar at the panel's right, with few ticks; returns its axes."""
    inset = ax.inset_axes((1.03, 0.0, 0.045, 1.0))
    # matplotlib's own bar looks the same and takes three times as long.
    inset.imshow(
        np.linspace(low, high, BAR_STEPS)[:, np.newaxis],
        origin="lower",
        extent=(0.0, 1.0, low, high),
        cmap=colours,
        aspect="auto",
        interpolation="none",
    )
    inset.spines[:].set_visible(False)
    inset.set_xticks([])
    inset.yaxis.tick_right()
    inset.yaxis.set_label_position("right")
    inset.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    inset.set_ylabel(label)
    inset.tick_params(labelsize=7.5, length=2.5)
    return inset


def signed(value: float, _: object) -> str:
    """A tick of differences: +1, 0, −1, with a true minus."""
    return "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", "−")


MARKER: Mapping[str, Any] = {"markeredgecolor": PAPER, "markeredgewidth": 0.6}
"""A halo of paper around markers keeps those that overlap apart."""
