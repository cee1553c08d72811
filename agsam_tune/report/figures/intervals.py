"""Interval plots: the claim in its lenses, the gap's two parts, points of a fixed study.

In: rows of (label, value, low, high). Out: panels. Values are fractions, drawn as points or
percents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from agsam_tune.report.figures.panel import MARKER, Panel, plain_log, shorten, signed, value_limits
from agsam_tune.report.style import INK, MUTED, PAPER, LineStyle

PART_DASHES: tuple[LineStyle, ...] = ("solid", (0, (3.2, 1.3)), (0, (1.2, 1.2)))
LONG = 44
"""Characters of a row's label; longer names are cut."""
BEHIND_LETTERS: Mapping[str, Any] = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}
"""Paper, so that the line at 0 does not run through them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """One line of an interval plot; `value` None leaves the line empty but for `missing`.

    `note` stands above the dot. `worst` are the ends of a longer, thinner bar. A `hollow` dot says
    that nothing is decided.
    """

    label: str
    detail: str = ""
    note: str = ""
    value: float | None
    low: float | None = None
    high: float | None = None
    worst: tuple[float, float] | None = None
    colour: str = INK
    marker: str = "o"
    hollow: bool = False
    missing: str = ""
    published: float | None = None


def difference_panel(
    rows: Sequence[IntervalRow],
    *,
    key: str,
    alt: str,
    left: str,
    right: str,
    margin: float | None = None,
    label: str = "difference (points of accuracy)",
    heading: str = "",
) -> Panel:
    """Differences around zero, in points; the shaded strip is ± the study's margin.

    `heading` stands above all, its first line bold.
    """

    def draw(ax: Axes) -> None:
        if margin:
            ax.axvspan(-100 * margin, 100 * margin, color=MUTED, alpha=0.16, linewidth=0)
        ax.axvline(0, color=MUTED, linewidth=0.9)
        draw_rows(ax, rows)
        low, high = ax.get_xlim()
        reach = max(abs(low), abs(high), 220 * (margin or 0))
        ax.set_xlim(-reach, reach)
        _notes(ax, rows, reach)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(signed))
        ax.set_xlabel(label)
        for x, text, align in ((0.0, left, "left"), (1.0, right, "right")):
            ax.annotate(
                text,
                xy=(x, 1.0),
                xycoords="axes fraction",
                xytext=(0, 3),
                textcoords="offset points",
                ha=align,
                va="bottom",
                color=MUTED,
                fontsize=7.5,
            )
        _heading(ax, heading)

    row_height = 0.46 if any(row.detail or row.note for row in rows) else 0.36
    above = 0.17 * (1 + heading.count("\n")) + 0.08 if heading else 0.0
    return Panel(key=key, alt=alt, draw=draw, size=(4.6, 0.95 + above + row_height * len(rows)))


def _heading(ax: Axes, heading: str) -> None:
    """Lines above the panel that begin at the paper's edge, not at the axes'."""
    lines = heading.splitlines()
    for place, line in enumerate(lines):
        ax.annotate(
            line,
            xy=(0.015, 1.0),
            xycoords=("figure fraction", "axes fraction"),
            xytext=(0, 18 + 12 * (len(lines) - 1 - place)),
            textcoords="offset points",
            ha="left",
            va="bottom",
            color=MUTED if place else INK,
            fontsize=8.0 if place else 9.0,
            fontweight="normal" if place else "bold",
        )


def _notes(ax: Axes, rows: Sequence[IntervalRow], reach: float) -> None:
    """Above the dots; flush with the axes where a dot is near their end."""
    for place, row in enumerate(reversed(rows)):
        if row.value is None or not row.note:
            continue
        share = 100 * row.value / reach
        side = "center" if abs(share) < 0.4 else "left" if share < 0 else "right"
        x = {"center": 100 * row.value, "left": -0.98 * reach, "right": 0.98 * reach}[side]
        ax.annotate(
            row.note,
            xy=(x, place),
            xytext=(0, 5),
            textcoords="offset points",
            ha=side,
            va="bottom",
            color=row.colour,
            fontsize=7.5,
            bbox={**BEHIND_LETTERS},
        )


def gap_panel(curve: pd.DataFrame, colours: Mapping[str, str]) -> Panel:
    """The gap's parts over rho (columns part, x, value, low, high), each labelled at its end."""

    def draw(ax: Axes) -> None:
        ax.set_title("Mean accuracy, over rho")
        ax.axhline(0, color=MUTED, linewidth=0.9)
        for (part, colour), dashes in zip(colours.items(), PART_DASHES, strict=True):
            own = curve[curve["part"] == part].sort_values("x")
            low, high = 100 * own["low"], 100 * own["high"]
            ax.fill_between(own["x"], low, high, color=colour, alpha=0.14, linewidth=0)
            name = part.replace("_", " ")
            ax.plot(
                own["x"], 100 * own["value"], color=colour, linestyle=dashes, label=name, lw=1.8
            )
        low, high = value_limits(curve, [0.0])
        ax.set_ylim(100 * low, 100 * high)
        ax.yaxis.set_major_formatter(FuncFormatter(signed))
        ax.set_ylabel("difference (points)")
        ax.grid(axis="y", color=MUTED, alpha=0.22, linewidth=0.6)
        plain_log(ax, "rho")
        ax.legend(loc="best", fontsize=8)

    alt = "Total gap in accuracy, its unit part and its direction part against rho."
    return Panel(key="gap-rho", alt=alt, draw=draw, size=(4.6, 2.6))


def level_panel(rows: Sequence[IntervalRow], *, key: str, alt: str, label: str) -> Panel:
    """Levels in percent with intervals; a hollow diamond is a published number."""

    def draw(ax: Axes) -> None:
        draw_rows(ax, rows)
        for place, row in enumerate(reversed(rows)):
            if row.published is not None:
                ax.plot(
                    [100 * row.published],
                    [place],
                    marker="D",
                    markersize=6,
                    markerfacecolor="none",
                    markeredgecolor=MUTED,
                    markeredgewidth=1.3,
                    linestyle="none",
                )
        ax.set_xlabel(label)

    return Panel(key=key, alt=alt, draw=draw, size=(5.6, 0.75 + 0.34 * len(rows)))


def draw_rows(ax: Axes, rows: Sequence[IntervalRow]) -> None:
    """Dots and bars from top to bottom, labelled at the left."""
    for place, row in enumerate(reversed(rows)):
        if row.value is None:
            ax.annotate(
                row.missing or "not estimated",
                xy=(0.5, place),
                xycoords=("axes fraction", "data"),
                ha="center",
                va="center",
                color=MUTED,
                fontsize=7.5,
                bbox={**BEHIND_LETTERS},
            )
            continue
        if row.worst is not None:
            thin = [100 * row.worst[0], 100 * row.worst[1]]
            ax.plot(thin, [place, place], color=row.colour, linewidth=0.7, zorder=2.5)
        if row.low is not None and row.high is not None:
            bar = [100 * row.low, 100 * row.high]
            ax.plot(bar, [place, place], color=row.colour, linewidth=2.0, zorder=3)
        ax.plot(
            [100 * row.value],
            [place],
            marker=row.marker,
            markersize=6.5,
            color=row.colour,
            linestyle="none",
            zorder=4,
            **(_hollow(row.colour) if row.hollow else MARKER),
        )
    ax.set_yticks(range(len(rows)), [_label(row) for row in reversed(rows)])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=MUTED, alpha=0.22, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.margins(x=0.1)


def _hollow(colour: str) -> dict[str, Any]:
    return {"markerfacecolor": PAPER, "markeredgecolor": colour, "markeredgewidth": 1.3}


def _label(row: IntervalRow) -> str:
    return "\n".join(shorten(line, LONG) for line in (row.label, row.detail) if line)
