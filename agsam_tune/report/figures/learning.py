"""Learning curves: the typical, the best and the collapsed trials of one optimizer.

In: typical curves (quartiles by epoch), single trials' curves. Out: one panel an optimizer.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from agsam_tune.report.figures.panel import Panel, nothing, score_axis, shorten
from agsam_tune.report.style import BAD, OptimizerStyle
from agsam_tune.report.text import Unit

SIZE = (4.1, 2.6)


def learning_panel(
    typical: pd.DataFrame,
    best: pd.DataFrame,
    bad: pd.DataFrame,
    *,
    style: OptimizerStyle,
    unit: Unit,
    limits: tuple[float, float],
) -> Panel:
    """Test accuracy by epoch; the tables hold this optimizer's trials only."""
    scale = unit.scale

    def draw(ax: Axes) -> None:
        ax.set_title(shorten(style.name))
        if typical.empty:
            return nothing(ax, "no learning curves")
        if typical["epoch"].max() < 2:
            return nothing(ax, "one epoch makes no curve")
        for _, trial in bad.groupby(["phase", "point", "seed"], sort=True, observed=True):
            ax.plot(
                trial["epoch"], scale * trial["test_accuracy"], color=BAD, linewidth=0.6, alpha=0.5
            )
        ax.fill_between(
            typical["epoch"],
            scale * typical["low"],
            scale * typical["high"],
            color=style.colour,
            alpha=0.2,
            linewidth=0,
        )
        ax.plot(typical["epoch"], scale * typical["middle"], color=style.colour, linewidth=2.0)
        if not best.empty:
            ax.plot(
                best["epoch"],
                scale * best["test_accuracy"],
                color=style.colour,
                linewidth=1.1,
                linestyle=(0, (3, 1.4)),
            )
        score_axis(ax, f"test score ({unit.name})" if unit.name else "test score")
        ax.set_ylim(scale * limits[0], scale * limits[1])
        ax.set_xlabel("epoch")
        ax.set_xlim(1, max(2, int(typical["epoch"].max())))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        return None

    return Panel(
        key=f"learning-{style.name}",
        alt=f"Test accuracy of {style.name} by epoch: median, best and collapsed trials.",
        draw=draw,
        size=SIZE,
    )
