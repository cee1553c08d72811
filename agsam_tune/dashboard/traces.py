"""Figures of Plotly's as plain data: lines with bands, layouts.

In: columns of numbers (fractions where they are accuracies, shown in percent) and the report's
styles. Out: `Figure`s. Plotly itself is in the browser: its package is not needed, and whatever a
name holds is a text in the figure, never markup.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agsam_tune.dashboard.description import Figure
from agsam_tune.report.figures.panel import shorten
from agsam_tune.report.style import INK, MUTED, OptimizerStyle

Trace = dict[str, Any]
Numbers = Iterable[float]
DIGITS = 5
"""Significant digits of a number in a figure."""


def words(text: str) -> str:
    """A name as a text that Plotly shows as it is: it reads some tags in texts."""
    return html.escape(shorten(text), quote=False)


def numbers(values: Numbers, scale: float = 1.0) -> list[float | None]:
    """Rounded, null for what is not finite: JSON has no NaN."""
    return [
        float(f"{scale * value:.{DIGITS}g}") if math.isfinite(value) else None for value in values
    ]


def percents(values: Numbers) -> list[float | None]:
    """Fractions as percents."""
    return numbers(values, 100.0)


def faint(colour: str, alpha: float) -> str:
    """A colour such as #0072b2, as transparent as that."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def line(x: Numbers, y: Numbers, style: OptimizerStyle, *, own: bool) -> Trace:
    """An optimizer's curve; `own` is the one whose study is looked at."""
    width = style.width + (1.2 if own else 0.0)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": words(style.name),
        "legendgroup": words(style.name),
        "x": numbers(x),
        "y": percents(y),
        "line": {"color": style.colour, "width": width, "dash": _dash(style)},
        "hovertemplate": "%{x:.4g}: %{y:.2f} %",
    }


def band(x: Sequence[float], low: Numbers, high: Numbers, style: OptimizerStyle) -> Trace:
    """The interval around a curve."""
    lows, highs = percents(low), percents(high)
    places = [
        place for place in range(len(x)) if lows[place] is not None and highs[place] is not None
    ]
    along = numbers(x[place] for place in places)
    return {
        "type": "scatter",
        "mode": "lines",
        "legendgroup": words(style.name),
        "showlegend": False,
        "hoverinfo": "skip",
        "x": [*along, *reversed(along)],
        "y": [*(highs[p] for p in places), *(lows[p] for p in reversed(places))],
        "fill": "toself",
        "fillcolor": faint(style.colour, 0.16),
        "line": {"width": 0},
    }


def level(value: float, style: OptimizerStyle, ends: tuple[float, float], *, own: bool) -> Trace:
    """A reference line across a figure."""
    return line(ends, (value, value), style, own=own)


def figure(key: str, title: str, traces: Sequence[Trace], **layout: Any) -> Figure:
    """The figure; `layout` is added to what all have."""
    whole: Mapping[str, Any] = {
        "title": {"text": title, "font": {"size": 15}, "x": 0.02, "xanchor": "left"},
        "font": {"color": INK, "size": 12},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 64, "r": 24, "t": 56, "b": 56},
        "legend": {"orientation": "h", "y": -0.22},
        "hovermode": "closest",
        **layout,
    }
    content = {"data": list(traces), "layout": whole}
    return Figure(key=key, json=json.dumps(content, allow_nan=False, separators=(",", ":")))


def axis(title: str, *, log: bool = False, **more: Any) -> dict[str, Any]:
    """An axis with a title and a faint grid."""
    kind = {"type": "log", "dtick": 1, "exponentformat": "power"} if log else {}
    return {
        "title": {"text": title},
        "gridcolor": faint(MUTED, 0.2),
        "zeroline": False,
        "linecolor": INK,
        "automargin": True,
        **kind,
        **more,
    }


def _dash(style: OptimizerStyle) -> str:
    if isinstance(style.dashes, str):
        return style.dashes
    return ",".join(f"{length * style.width:.3g}px" for length in style.dashes[1])
