"""Which accuracies a search space holds, and how soon random draws find the good ones.

In: an optimizer's `distribution` and `tuning_curve` of the summary as tables (fractions). Out:
panels, in percent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from agsam_tune.report.figures.lenses import Backdrop
from agsam_tune.report.figures.panel import Panel, percent_axis
from agsam_tune.report.style import MUTED, OptimizerStyle

ROUND_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def distribution_panel(
    tables: Mapping[str, pd.DataFrame],
    *,
    styles: Mapping[str, OptimizerStyle],
    references: Mapping[str, float],
    chance: float | None,
    closest: float | None = None,
) -> Panel:
    """The share of settings that are at least so accurate: the fuller the curve, the better.

    Each table has the columns accuracy, share (of settings with at most that accuracy), low, high.
    `closest` shows only what is that close (a fraction) to the best of all.
    """

    def draw(ax: Axes) -> None:
        ax.set_title("All of the search space" if closest is None else "Close to the best")
        for name, table in tables.items():
            _survival(ax, table, styles[name])
        for name, value in references.items():
            ax.axvline(100 * value, **styles[name].line)
        low, high = _accuracies(tables, references, closest)
        if closest is None and chance is not None:
            low = min(low, chance)
            _chance(ax, chance)
        room = 0.03 * (high - low) or 0.01
        ax.set_xlim(100 * (low - (room if closest is None else 0)), 100 * (high + room))
        percent_axis(ax, "settings at least this accurate (%)")
        ax.set_ylim(-2, 102)
        ax.set_xlabel("test accuracy (%)")

    return Panel(
        key="distribution" if closest is None else "distribution-close",
        alt="Share of settings that are at least so accurate, by optimizer.",
        draw=draw,
    )


def tuning_panel(
    tables: Mapping[str, pd.DataFrame], *, behind: Backdrop, limits: tuple[float, float]
) -> Panel:
    """The best accuracy after n random draws; candidate and baseline with their bands.

    Each table has the columns draws, value, low, high. `limits` are fractions: bands run off them.
    """

    def draw(ax: Axes) -> None:
        ax.set_title("The best of n random settings")
        most = 1
        for name, table in tables.items():
            style = behind.styles[name]
            most = max(most, int(table["draws"].max()))
            if style.prominent:
                low, high = 100 * table["low"], 100 * table["high"]
                ax.fill_between(
                    table["draws"], low, high, color=style.colour, alpha=0.14, linewidth=0
                )
            ax.plot(table["draws"], 100 * table["value"], **style.line)
        behind.draw(ax)
        ax.set_ylim(100 * limits[0], 100 * limits[1])
        ax.set_ylabel("best test accuracy (%)")
        ax.set_xscale("log")
        ax.set_xlim(1, max(most, 2))
        ax.xaxis.set_major_locator(FixedLocator([one for one in ROUND_COUNTS if one <= most]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.set_xlabel("n, random settings tried (log scale)")

    return Panel(
        key="tuning",
        alt="Best test accuracy after n random draws, by optimizer.",
        draw=draw,
    )


def tuning_limits(
    tables: Mapping[str, pd.DataFrame], references: Mapping[str, float]
) -> tuple[float, float]:
    """The medians and references are inside, and the lower bounds but for the lowest tenth.

    The upper bounds are not: where the draws say nothing of what is above them they are 1.
    """
    values = np.concatenate(
        [*(table["value"] for table in tables.values()), [*references.values()]]
    )
    lows = np.concatenate([table["low"] for table in tables.values()])
    low = min(float(np.nanmin(values)), float(np.nanquantile(lows, 0.1)))
    room = 0.12 * (float(np.nanmax(values)) - low) or 0.01
    return max(0.0, low - room / 2), min(1.0, float(np.nanmax(values)) + room)


def _survival(ax: Axes, table: pd.DataFrame, style: OptimizerStyle) -> None:
    first = table["accuracy"].iloc[:1]
    x = 100 * np.concatenate([first, table["accuracy"]])
    share, low, high = (
        100 * (1 - np.concatenate([[0.0], table[column]])) for column in ("share", "low", "high")
    )
    shade = 0.18 if style.prominent else 0.06
    ax.fill_between(x, high, low, color=style.colour, alpha=shade, linewidth=0, zorder=2)
    ax.plot(x, share, **style.line)


def _accuracies(
    tables: Mapping[str, pd.DataFrame], references: Mapping[str, float], closest: float | None
) -> tuple[float, float]:
    values = [float(table["accuracy"].max()) for table in tables.values()]
    high = max([*values, *references.values()])
    if closest is not None:
        return high - closest, high
    lows = [float(table["accuracy"].min()) for table in tables.values()]
    return min([*lows, *references.values()]), high


def _chance(ax: Axes, chance: float) -> None:
    ax.axvline(100 * chance, color=MUTED, linestyle=(0, (1, 2)), linewidth=1.2, zorder=2)
    ax.annotate(
        "chance",
        xy=(100 * chance, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(3, 0),
        textcoords="offset points",
        color=MUTED,
        fontsize=7.5,
    )
