"""The report's main figures for the dashboard, an optimizer's own curves in bold.

In: the report's `Material` and its curves. Out: `Figure`s of Plotly's, small enough to be there at
once: curves have tens of positions, and of dots there are some hundreds. The estimates are those of
the report. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import pandas as pd

from agsam_tune.dashboard import traces
from agsam_tune.dashboard.description import Figure
from agsam_tune.dashboard.interval_plots import claim, fixed
from agsam_tune.dashboard.traces import Trace, axis, figure, numbers, percents, words
from agsam_tune.report import frames
from agsam_tune.report.figures.lenses import Backdrop, backdrop
from agsam_tune.report.figures.share_plates import distribution_tables, tuning_tables
from agsam_tune.report.lens_curves import LensCurves
from agsam_tune.report.material import Material
from agsam_tune.report.style import BAD, INK

ACCURACY = "test accuracy (%)"
MOST_BAD = 6
"""Failed trials drawn among the learning curves."""


def plots(material: Material, curves: LensCurves, optimizer: str) -> tuple[Figure, ...]:
    """Those that the run has something to show in, in the report's order."""
    made = [
        claim(material),
        fixed(material, optimizer),
        *lenses(material, curves, optimizer),
        *surfaces(material, optimizer),
        distribution(material, optimizer),
        tuning(material, optimizer),
        learning(material, optimizer),
    ]
    return tuple(one for one in made if one is not None)


def lenses(material: Material, curves: LensCurves, optimizer: str) -> list[Figure]:
    """Accuracy through the three lenses, on one accuracy axis."""
    own = curves.factors.get("rho", curves.rho.iloc[:0])
    shown = [curve for curve in (curves.rho, own, curves.radius) if not curve.empty]
    if not shown:
        return []
    behind = backdrop(
        shown, styles=material.styles, references=curves.references, chance=material.chance
    )
    made = [
        ("2-same-rho", "At the same rho", "rho (log scale)", curves.rho),
        ("3-own-best", "Relative to the own best", "rho / own best rho (log scale)", own),
        (
            "4-same-radius",
            "At the same measured radius",
            "measured radius ‖Δw‖ (log scale)",
            curves.radius,
        ),
    ]
    return [
        figure(
            key,
            title,
            along(behind, curve, optimizer, markers=curve is own),
            xaxis=axis(label, log=True),
            yaxis=axis(ACCURACY, range=[100 * behind.low, 100 * behind.high]),
        )
        for key, title, label, curve in made
        if not curve.empty
    ]


def along(behind: Backdrop, curve: pd.DataFrame, optimizer: str, *, markers: bool) -> list[Trace]:
    """Curves along one coordinate, with intervals; optimizers without one are levels."""
    bands: list[Trace] = []
    lines: list[Trace] = []
    for name, style in behind.styles.items():
        one = curve[curve["optimizer"] == name].sort_values("x")
        own = name == optimizer
        if one.empty:
            continue
        if own or style.prominent:
            bands.append(traces.band(one["x"].tolist(), one["low"], one["high"], style))
        lines.append(traces.line(one["x"], one["value"], style, own=own, markers=markers))
    ends = (float(curve["x"].min()), float(curve["x"].max()))
    levels = [
        traces.level(value, behind.styles[name], ends, own=name == optimizer)
        for name, value in behind.references.items()
    ]
    return [*bands, *lines, *levels]


def surfaces(material: Material, optimizer: str) -> list[Figure]:
    """The fitted surface over rho and each other hyperparameter, and the points it is fitted to."""
    ranges = material.study.search_spaces[optimizer].ranges
    if "rho" not in ranges:
        return []
    points = frames.point_means(material.trials, ("map", "iid"), material.chance)
    points = points[points["optimizer"] == optimizer]
    made = []
    for place, second in enumerate(name for name in ranges if name != "rho"):
        title = f"Surface over rho and {words(second)}"
        drawn = _surface(material, points, optimizer, second)
        if drawn:
            made.append(
                figure(
                    f"5-surface-{place}",
                    title,
                    drawn,
                    showlegend=True,
                    coloraxis={
                        "colorscale": traces.COLOURS,
                        "colorbar": {"title": {"text": ACCURACY}},
                    },
                    xaxis=axis(
                        "rho (log scale)" if ranges["rho"].log else "rho", log=ranges["rho"].log
                    ),
                    yaxis=axis(
                        f"{words(second)} (log scale)" if ranges[second].log else words(second),
                        log=ranges[second].log,
                    ),
                )
            )
    return made


def _surface(material: Material, points: pd.DataFrame, optimizer: str, second: str) -> list[Trace]:
    drawn: list[Trace] = []
    if material.surfaces is not None:
        grid = material.surfaces.grid
        nodes = grid[(grid["optimizer"] == optimizer) & (grid["second"] == second)]
        if not nodes.empty:
            table = nodes.pivot_table(index="x2", columns="rho", values="accuracy", dropna=False)
            drawn.append(
                {
                    "type": "heatmap",
                    "x": numbers(table.columns),
                    "y": numbers(table.index),
                    "z": [percents(row) for row in table.to_numpy(dtype=float)],
                    "coloraxis": "coloraxis",
                    "hovertemplate": "%{x:.3g}, %{y:.3g}: %{z:.2f} %<extra>fitted</extra>",
                    "showlegend": False,
                }
            )
    good, bad = points[~points["failed"]], points[points["failed"]]
    if not good.empty:
        one = good.iloc[list(traces.thinned(len(good)))]
        drawn.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "points",
                "x": numbers(one["rho"]),
                "y": numbers(one[second]),
                "marker": {
                    "color": percents(one["accuracy"]),
                    "coloraxis": "coloraxis",
                    "size": 6,
                    "line": {"color": INK, "width": 0.6},
                },
                "hovertemplate": "%{x:.3g}, %{y:.3g}: %{marker.color:.2f} %<extra>point</extra>",
            }
        )
    if not bad.empty:
        one = bad.iloc[list(traces.thinned(len(bad)))]
        drawn.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "points where a seed failed",
                "x": numbers(one["rho"]),
                "y": numbers(one[second]),
                "marker": {"symbol": "x", "size": 7, "color": BAD},
                "hovertemplate": "%{x:.3g}, %{y:.3g}<extra>a seed failed</extra>",
            }
        )
    return drawn


def distribution(material: Material, optimizer: str) -> Figure | None:
    """How many settings are at least so accurate."""
    bands: list[Trace] = []
    lines: list[Trace] = []
    for name, table in distribution_tables(material).items():
        style, own = material.styles[name], name == optimizer
        x = [100 * value for value in [table["accuracy"].iloc[0], *table["accuracy"]]]
        share, low, high = ([1.0, *(1 - table[column])] for column in ("share", "low", "high"))
        if own or style.prominent:
            bands.append(traces.band(x, high, low, style))
        lines.append(traces.line(x, share, style, own=own))
    if not lines:
        return None
    return figure(
        "6-distribution",
        "Settings that are at least so accurate",
        [*bands, *lines],
        xaxis=axis(ACCURACY),
        yaxis=axis("settings at least this accurate (%)", range=[-2, 102]),
    )


def tuning(material: Material, optimizer: str) -> Figure | None:
    """The best of n random settings."""
    bands: list[Trace] = []
    lines: list[Trace] = []
    for name, table in tuning_tables(material).items():
        style, own = material.styles[name], name == optimizer
        if own:
            bands.append(traces.band(table["draws"].tolist(), table["low"], table["high"], style))
        lines.append(traces.line(table["draws"], table["value"], style, own=own))
    if not lines:
        return None
    return figure(
        "7-tuning",
        "The best of n random settings",
        [*bands, *lines],
        xaxis=axis("n, random settings tried (log scale)", log=True),
        yaxis=axis(f"best {ACCURACY}"),
    )


def learning(material: Material, optimizer: str) -> Figure | None:
    """The optimizer's typical, best and failed trials by epoch."""
    phases = material.main_phases
    curves = material.curves
    curves = curves[(curves["optimizer"] == optimizer) & curves["phase"].isin(phases)]
    typical = frames.typical_curves(curves)
    if typical.empty:
        return None
    style = material.styles[optimizer]
    best = frames.curves_of(curves, frames.best_trials(material.trials, phases))
    chosen = frames.bad_trials(material.trials, phases, material.chance, most=MOST_BAD)
    bad = frames.curves_of(curves, chosen)
    drawn = [
        traces.band(typical["epoch"].tolist(), typical["low"], typical["high"], style),
        {**traces.line(typical["epoch"], typical["middle"], style, own=True), "name": "median"},
    ]
    if not best.empty:
        one = traces.line(best["epoch"], best["test_accuracy"], style, own=False)
        drawn.append({**one, "name": "best trial", "line": {"color": INK, "dash": "dash"}})
    for place, (_, rows) in enumerate(bad.groupby(frames.KEY, sort=True, observed=True)):
        one = traces.line(rows["epoch"], rows["test_accuracy"], style, own=False)
        looks = {"name": "failed", "legendgroup": "failed", "showlegend": place == 0}
        drawn.append({**one, **looks, "line": {"color": BAD, "width": 1}})
    return figure(
        "8-learning",
        "Learning curves: the median and the middle half of all trials",
        drawn,
        xaxis=axis("epoch"),
        yaxis=axis(ACCURACY),
    )
