"""Intervals for the dashboard: the claim in its lenses, and the points of a fixed phase.

In: the report's `Material`. Out: `Figure`s of Plotly's. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.dashboard import traces
from agsam_tune.dashboard.description import Figure
from agsam_tune.dashboard.traces import Trace, axis, figure, percents, words
from agsam_tune.report import tables, text
from agsam_tune.report.fixed import fixed_entries
from agsam_tune.report.material import Material
from agsam_tune.report.style import BLUE, INK, MUTED, VERMILLION

LENSES = {"rho": "same rho", "own_best": "around the own best", "radius": "same radius"}
_VERDICTS = {"candidate": VERMILLION, "baseline": BLUE}


def claim(material: Material) -> Figure | None:
    """The metric that the claim rests on, in its three lenses."""
    study = material.study
    found = {
        str(entry.get("lens")): entry
        for entry in material.summary.get("comparisons") or ()
        if entry.get("metric") == tables.HEADLINE
        and entry.get("candidate") == study.candidate
        and entry.get("baseline") == study.baseline
        and text.is_number(entry.get("difference"))
    }
    lenses = [lens for lens in LENSES if lens in found]
    if not lenses or study.candidate is None or study.baseline is None:
        return None
    made = [_difference(found[lens], len(lenses) - place) for place, lens in enumerate(lenses)]
    margin = 100 * study.analysis.margin
    pair = f"{words(study.candidate)} − {words(study.baseline)}"
    return figure(
        "1-claim",
        f"Accuracy lost when mis-set: {pair}",
        made,
        showlegend=False,
        xaxis=axis("difference in regret sensitivity (points): left of 0 the first loses less"),
        yaxis=_rows([LENSES[lens] for lens in lenses]),
        shapes=[
            {
                "type": "rect",
                "xref": "x",
                "yref": "paper",
                "x0": -margin,
                "x1": margin,
                "y0": 0,
                "y1": 1,
                "fillcolor": traces.faint(MUTED, 0.16),
                "line": {"width": 0},
                "layer": "below",
            },
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": 0,
                "x1": 0,
                "y0": 0,
                "y1": 1,
                "line": {"color": MUTED, "width": 1},
                "layer": "below",
            },
        ],
    )


def fixed(material: Material, optimizer: str) -> Figure | None:
    """The accuracies of all fixed points, the optimizer's own in bold."""
    shown = [
        (name, entry)
        for name, entry in fixed_entries(material)
        if text.is_number((entry.get("accuracy") or {}).get("value"))
    ]
    if not shown:
        return None
    rows, labels = [], []
    for place, (name, entry) in enumerate(shown):
        one = _interval(entry["accuracy"], len(shown) - place, material.styles[name].colour)
        one["hovertemplate"] = "%{x:.2f} %<extra></extra>"
        one["marker"]["size"] = 14 if name == optimizer else 9
        rows.append(one)
        setting = text.setting(entry.get("hyperparameters"))
        labels.append(f"{words(name)}<br>{words(setting)}" if setting else words(name))
    return figure(
        "1-fixed",
        "Accuracy at the fixed settings",
        rows,
        showlegend=False,
        xaxis=axis("test accuracy (%)"),
        yaxis=_rows(labels),
    )


def _difference(entry: Mapping[str, Any], place: int) -> Trace:
    """One lens of the claim: hollow where nothing is decided."""
    verdict = str(entry.get("verdict"))
    leaf = {**entry, "value": entry["difference"]}
    one = _interval(leaf, place, _VERDICTS.get(verdict, INK))
    one["hovertemplate"] = f"%{{x:.2f}} points: {words(verdict)}<extra></extra>"
    one["marker"]["symbol"] = "circle-open" if verdict == "undecided" else "circle"
    return one


def _interval(leaf: Mapping[str, Any], place: int, colour: str) -> Trace:
    """A dot with its interval, in that row."""
    value = float(leaf["value"])
    known = text.is_number(leaf.get("low")) and text.is_number(leaf.get("high"))
    low, high = (float(leaf[end]) if known else value for end in ("low", "high"))
    return {
        "type": "scatter",
        "mode": "markers",
        "x": percents([value]),
        "y": [place],
        "error_x": {
            "type": "data",
            "array": percents([high - value]),
            "arrayminus": percents([value - low]),
            "color": colour,
            "thickness": 2,
        },
        "marker": {"size": 11, "color": colour, "line": {"width": 2}},
    }


def _rows(labels: Sequence[str]) -> dict[str, Any]:
    """An axis of labelled rows, the first at the top."""
    return axis(
        "",
        tickvals=list(range(len(labels), 0, -1)),
        ticktext=list(labels),
        range=[0.4, len(labels) + 0.6],
    )
