"""Curves with bands: a score along a setting, or along the number of trials.

In: lines of x, mean, low, high. Out: panels. Scores are as stored; `scale` says what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from agsam_tune.report.figures.panel import (
    Panel,
    plain_log,
    score_axis,
    shorten,
    trivial_line,
    value_limits,
)
from agsam_tune.report.style import MUTED, OptimizerStyle

Floats = NDArray[np.float64]

FEW = 8
"""At most so many positions are shown as dots with their intervals."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One optimizer's curve (G,); `window` are the ends of its best window in x."""

    name: str
    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    window: tuple[float, float] | None = None


def curve_panel(
    lines: Sequence[Line],
    styles: Mapping[str, OptimizerStyle],
    *,
    key: str,
    title: str,
    x_name: str,
    y_name: str,
    scale: float,
    floor: float | None = None,
    zero: bool = False,
    log: bool = True,
) -> Panel:
    """Curves over x, on a log scale unless x does not allow it; `floor` is the trivial score."""

    def draw(ax: Axes) -> None:
        ax.set_title(title)
        for line in lines:
            style = styles[line.name]
            low, high = scale * line.low, scale * line.high
            ax.fill_between(line.x, low, high, color=style.colour, alpha=0.16, linewidth=0)
            ax.plot(line.x, scale * line.mean, **style.line)
            if len(line.x) <= FEW:  # of which one alone would be no line, and no band
                ax.plot(line.x, scale * line.mean, "o", color=style.colour, markersize=3.5)
                ax.vlines(line.x, low, high, color=style.colour, linewidth=1.0)
            if line.window is not None:
                ax.axvspan(*line.window, color=style.colour, alpha=0.07, linewidth=0)
                for end in line.window:
                    ax.axvline(end, color=style.colour, linestyle=(0, (1, 2)), linewidth=1.0)
        if zero:
            ax.axhline(0, color=MUTED, linewidth=0.9)
        score_axis(ax, y_name)
        bottom, top = value_limits(
            np.concatenate([line.mean for line in lines]),
            np.concatenate([line.low for line in lines]),
            np.concatenate([line.high for line in lines]),
        )
        ax.set_ylim(scale * bottom, scale * top)
        if floor is not None and bottom <= floor:
            trivial_line(ax, scale * floor)
        if log:
            plain_log(ax, shorten(x_name))
        else:
            ax.set_xlabel(shorten(x_name))

    names = " and ".join(dict.fromkeys(line.name for line in lines))
    return Panel(key=key, alt=f"{title}: {y_name} along {x_name}, {names}.", draw=draw)
