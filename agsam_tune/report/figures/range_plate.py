"""The range curve: the verdict again with the search box made smaller, shifted and wider.

In: the summary's `range_curve`. Out: a plate with a panel for each hyperparameter whose range
changes at the same rho, and one for each other lens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from agsam_tune.report import text
from agsam_tune.report.figures.intervals import IntervalRow, draw_rows
from agsam_tune.report.figures.panel import Panel, shorten, signed
from agsam_tune.report.figures.plates import VERDICT_COLOURS, Plate, confidence
from agsam_tune.report.material import Material
from agsam_tune.report.style import INK, MUTED

Row = Mapping[str, Any]
TITLES = {"rho": "Same rho", "own_best": "Around the own best", "radius": "Same radius"}
WITHOUT_RHO = {**TITLES, "rho": "Same settings"}
LONGEST = 27
"""Letters of a title that begins at the axes."""
WHOLE = "whole"
_FACTOR = re.compile(r"(\d+(?:\.\d+)?)")
ROW_HEIGHT, FRAME = 0.235, 0.95
"""Inches of a row, and of title and axis."""


def range_plate(material: Material) -> Plate | None:
    """Whether the verdict holds in other boxes, or None where the summary has no range curve."""
    rows = [row for row in material.summary.get("range_curve") or () if row.get("lens") in TITLES]
    if not any(text.is_number(row.get("difference")) for row in rows):
        return None
    panels = []
    for lens, title in (TITLES if material.has_rho else WITHOUT_RHO).items():
        own = [row for row in rows if row["lens"] == lens]
        whole = next((row for row in own if row.get("change") == WHOLE), None)
        limits = _limits(own, material.study.analysis.margin)
        for name, group in _groups(own, lens).items():
            panels.append(
                _panel(
                    [*([] if whole is None else [whole]), *group],
                    whole,
                    key=f"range-{lens}" + (f"-{name}" if name else ""),
                    title=_title(title, name),
                    limits=limits,
                    margin=material.study.analysis.margin,
                )
            )
    return Plate(key="range", panels=tuple(panels), caption=_caption(material, rows), columns=3)


def _title(lens: str, changed: str) -> str:
    """The lens and what was changed, or only that where there is no room for both."""
    if not changed:
        return lens
    whole = f"{lens}, {changed} changed"
    if len(whole) <= LONGEST:
        return whole
    return f"{shorten(changed, LONGEST - len(' changed'))} changed"


def _groups(rows: Sequence[Row], lens: str) -> dict[str, list[Row]]:
    """Changed boxes: at the same rho by hyperparameter, in the other lenses all together."""
    changed = [row for row in rows if row.get("change") != WHOLE]
    if lens != "rho":
        return {"": changed} if rows else {}
    axes = dict.fromkeys(str(row.get("axis")) for row in changed)
    groups = {axis: [row for row in changed if str(row.get("axis")) == axis] for axis in axes}
    return groups or ({"": []} if rows else {})


def _panel(
    rows: Sequence[Row],
    whole: Row | None,
    *,
    key: str,
    title: str,
    limits: tuple[float, float],
    margin: float,
) -> Panel:
    axes = {str(row.get("axis")) for row in rows if row.get("change") != WHOLE}
    drawn = [_interval_row(row, axis=len(axes) > 1) for row in rows]

    def draw(ax: Axes) -> None:
        ax.set_title(title)
        ax.axvspan(-100 * margin, 100 * margin, color=MUTED, alpha=0.16, linewidth=0)
        ax.axvline(0, color=MUTED, linewidth=0.9)
        if whole is not None and text.is_number(whole.get("difference")):
            ax.axvline(100 * whole["difference"], color=MUTED, linewidth=0.9, linestyle="dashed")
        draw_rows(ax, drawn)
        ax.set_xlim(100 * limits[0], 100 * limits[1])
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(signed))
        ax.set_xlabel("difference (points)")

    size = (4.1, FRAME + ROW_HEIGHT * len(rows))
    return Panel(key=key, alt=f"Difference in regret sensitivity. {title}.", draw=draw, size=size)


def _interval_row(row: Row, *, axis: bool) -> IntervalRow:
    verdict, label = str(row.get("verdict")), _label(row, axis=axis)
    value, low, high, worst_low, worst_high = (
        float(row[key]) if text.is_number(row.get(key)) else None
        for key in ("difference", "low", "high", "worst_low", "worst_high")
    )
    return IntervalRow(
        label=f"{label} (flips)" if row.get("flips") else label,
        value=value,
        low=low,
        high=high,
        worst=None if worst_low is None or worst_high is None else (worst_low, worst_high),
        colour=VERDICT_COLOURS.get(verdict, INK),
        marker="D" if row.get("flips") else "o",
        hollow=verdict == "undecided",
        missing=shorten(str(row.get("reason") or "not estimated"), 34),
    )


def _label(row: Row, *, axis: bool) -> str:
    change, name = str(row.get("change")), str(row.get("axis"))
    if change == WHOLE:
        return {"own_best": "all together", "radius": "whole range"}.get(
            str(row.get("lens")), "whole box"
        )
    label = _FACTOR.sub(r"\1×", change)
    if name == "factor":
        return f"all together, {label}"
    return f"{shorten(name, 12)} {label}" if axis else label


def _limits(rows: Sequence[Row], margin: float) -> tuple[float, float]:
    """All intervals and 0 are inside; worst cases, which may be very wide, run off the axis."""
    keys = ("difference", "low", "high")
    ends = [float(row[key]) for row in rows for key in keys if text.is_number(row.get(key))]
    low, high = min([*ends, -2 * margin]), max([*ends, 2 * margin])
    room = 0.05 * (high - low)
    return low - room, high + room


def _caption(material: Material, rows: Sequence[Row]) -> str:
    study = material.study
    flips = sum(bool(row.get("flips")) for row in rows)
    caption = (
        f"Regret sensitivity of {study.candidate} minus {study.baseline} with other search boxes: "
        f"left of 0 {study.candidate} loses less. {confidence(material)} intervals; vermillion: "
        f"{study.candidate} wins, blue: {study.baseline} wins, filled: equivalent, hollow: "
        f"undecided. Shaded: ± {text.points(study.analysis.margin)} points; dashed: the whole box. "
    )
    if any(text.is_number(row.get("worst_low")) for row in rows):
        caption += (
            "A wider box assumes that accuracy goes on as it ended; thin lines assume nothing of "
            "what was not run, and may run off the axis. "
        )
    if flips:
        boxes = "1 box" if flips == 1 else f"{flips} boxes"
        return caption + f"In {boxes} the other optimizer wins (diamonds): the verdict flips."
    return caption + "In none of these boxes does the other optimizer win."
