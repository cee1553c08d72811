"""Interval plots: differences around zero, each with its intervals and its margin.

In: rows of (label, value, ends). Out: panels. Values are as stored; the unit says what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from agsam_tune.report.figures.panel import MARKER, Panel, shorten, signed
from agsam_tune.report.style import INK, MUTED, PAPER
from agsam_tune.report.text import Unit

LONG = 44
"""Characters of a row's label; longer names are cut."""
_ROW, _AROUND = 0.44, 0.95
"""Inches of a row's height, and of what is above and below all rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """One line of an interval plot; `value` None leaves the line empty but for `missing`.

    `ends` are those of the interval at the study's confidence, `wide` of that of the verdict;
    `margin` is shaded to either side of 0.
    """

    label: str
    detail: str = ""
    value: float | None
    ends: tuple[float, float] | None = None
    wide: tuple[float, float] | None = None
    margin: float | None = None
    colour: str = INK
    missing: str = ""


def difference_panel(
    rows: Sequence[IntervalRow], *, key: str, alt: str, unit: Unit, left: str, right: str
) -> Panel:
    """Differences around zero; `left` and `right` say what either side means."""

    def draw(ax: Axes) -> None:
        ax.axvline(0, color=MUTED, linewidth=0.9)
        for place, row in enumerate(reversed(rows)):
            _draw_row(ax, row, place, unit.scale)
        ax.set_yticks(range(len(rows)), [_label(row) for row in reversed(rows)])
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="x", color=MUTED, alpha=0.22, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.margins(x=0.1)
        reach = max(abs(end) for end in ax.get_xlim())
        ax.set_xlim(-reach, reach)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(signed))
        ax.set_xlabel(f"difference ({unit.name})" if unit.name else "difference")
        for x, words, align in ((0.0, left, "left"), (1.0, right, "right")):
            ax.annotate(
                words,
                xy=(x, 1.0),
                xycoords="axes fraction",
                xytext=(0, 3),
                textcoords="offset points",
                ha=align,
                va="bottom",
                color=MUTED,
                fontsize=7.5,
            )

    return Panel(key=key, alt=alt, draw=draw, size=(4.8, _AROUND + _ROW * len(rows)))


def _draw_row(ax: Axes, row: IntervalRow, place: int, scale: float) -> None:
    if row.margin:
        reach = scale * row.margin
        ax.fill_betweenx(
            [place - 0.5, place + 0.5], -reach, reach, color=MUTED, alpha=0.16, linewidth=0
        )
    if row.value is None:
        ax.annotate(
            row.missing or "not estimated",
            xy=(0.5, place),
            xycoords=("axes fraction", "data"),
            ha="center",
            va="center",
            color=MUTED,
            fontsize=7.5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},
        )
        return
    # On the line that of the verdict where there is one, and the plain one beneath it.
    for ends, width in ((row.wide, 2.4), (row.ends, 0.9 if row.wide else 2.0)):
        if ends is None:
            continue
        down = place - 0.16 if row.wide and ends is row.ends else place
        ax.plot(
            [scale * ends[0], scale * ends[1]],
            [down, down],
            color=row.colour,
            linewidth=width,
            zorder=3,
        )
    ax.plot(
        [scale * row.value],
        [place],
        marker="o",
        markersize=6.5,
        color=row.colour,
        linestyle="none",
        zorder=4,
        **MARKER,
    )


def _label(row: IntervalRow) -> str:
    return "\n".join(shorten(line, LONG) for line in (row.label, row.detail) if line)
