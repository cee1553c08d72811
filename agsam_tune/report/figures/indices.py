"""Which hyperparameter matters: shares of the variance of accuracy, by optimizer.

In: leaves of the summary. Out: panels, in percent. Optimizers have their own colours; the rows of
one hyperparameter lie close together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from agsam_tune.report.figures.panel import MARKER, Panel, shorten
from agsam_tune.report.style import MUTED, OptimizerStyle

BETWEEN, WITHIN = 0.2, 0.15
"""Inches between hyperparameters, and of a row."""
FRAME = 0.85
"""Inches of title and axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One index (a fraction) with its interval; `check` is the same by another method."""

    hyperparameter: str
    optimizer: str
    value: float
    low: float | None
    high: float | None
    check: float | None = None


def shares_panel(
    rows: Sequence[Share], styles: Mapping[str, OptimizerStyle], *, key: str, title: str, label: str
) -> Panel:
    """Dots with interval bars, a small cross for the check; hyperparameters from top to bottom."""
    names = list(dict.fromkeys(row.hyperparameter for row in rows))
    places, groups, depth = _places(rows, names, list(styles))

    def draw(ax: Axes) -> None:
        ax.set_title(title)
        for row, y in zip(rows, places, strict=True):
            style = styles[row.optimizer]
            if row.low is not None and row.high is not None:
                ends = [100 * row.low, 100 * row.high]
                ax.plot(ends, [y, y], color=style.colour, linewidth=1.6, zorder=3)
            if row.check is not None:
                ax.plot([100 * row.check], [y], marker="x", markersize=4.5, color=MUTED, zorder=3.5)
            marker = style.marker if style.marker not in "|_" else "o"
            ax.plot(
                [100 * row.value],
                [y],
                marker=marker,
                markersize=5.5,
                color=style.colour,
                linestyle="none",
                zorder=4,
                **MARKER,
            )
        ax.set_yticks([groups[name] for name in names], [shorten(name) for name in names])
        ax.set_ylim(-depth, 0)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, -2.0), max(high, 102.0))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        ax.grid(axis="x", color=MUTED, alpha=0.22, linewidth=0.6)
        ax.axvline(0, color=MUTED, linewidth=0.9)
        ax.set_xlabel(label)

    return Panel(key=key, alt=f"{title}, by optimizer.", draw=draw, size=(4.1, FRAME + depth))


def _places(
    rows: Sequence[Share], names: Sequence[str], optimizers: Sequence[str]
) -> tuple[list[float], dict[str, float], float]:
    """Each row's height, each hyperparameter's middle, and how deep it all is, in inches."""
    y, place, groups = -BETWEEN, {}, {}
    for name in names:
        own = [row.optimizer for row in rows if row.hyperparameter == name]
        top = y
        for optimizer in (one for one in optimizers if one in own):
            place[name, optimizer] = y
            y -= WITHIN
        groups[name] = (top + y + WITHIN) / 2
        y -= BETWEEN
    return [place[row.hyperparameter, row.optimizer] for row in rows], groups, -y - WITHIN / 2
