"""The record's figures for the dashboard, an optimizer's own curves in bold.

In: the study, its `Summary`, the learning curves. Out: `Figure`s of Plotly's, small enough to be
there at once. The numbers are those of the record. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from agsam_tune.analysis.record import Comparison, Curve, Metric, Summary
from agsam_tune.dashboard import traces
from agsam_tune.dashboard.description import Figure
from agsam_tune.dashboard.traces import Trace, axis, figure, percents, words
from agsam_tune.report import text
from agsam_tune.report.style import BLUE, INK, VERMILLION, OptimizerStyle, optimizer_styles
from agsam_tune.study import Study

SCORE = "score (%)"
#: Kind of curve → its place among the figures, and its title.
CURVES = {
    "key": (3, "along {}, all else at its default"),
    "off": (4, "along {}, while all else is off"),
    "radius": (5, "at steps of exactly the same length"),
    "range": (6, "over the map, along the measured length of the step"),
    "map": (7, "over the map, along {}"),
    "misset": (8, "around each replicate's own best, along {}"),
}
LEARNING = ("map", "fixed")
"""Phases whose learning curves are drawn."""
_SIDES = {
    "candidate": VERMILLION,
    "level_candidate": VERMILLION,
    "baseline": BLUE,
    "level_baseline": BLUE,
}

Styles = dict[str, OptimizerStyle]


def plots(
    study: Study, summary: Summary, curves: pd.DataFrame, optimizer: str
) -> tuple[Figure, ...]:
    """Those that the run has something to show in, sorted by their keys.

    Args:
        study: the run's study.
        summary: what was found.
        curves: the learning curves, one row a trial and epoch; may be empty.
        optimizer: whose curves are drawn in bold.
    """
    styles = optimizer_styles(
        study.optimizers,
        candidate=study.candidate,
        baseline=study.baseline,
        control=study.control,
    )
    made = [
        claim(summary),
        fixed(summary, styles, optimizer),
        *along(study, summary, styles, optimizer),
        learning(curves, styles[optimizer]),
        tuning(summary, styles, optimizer),
        tuning_difference(summary, styles),
    ]
    return tuple(one for one in made if one is not None)


def claim(summary: Summary) -> Figure | None:
    """Score and regret in each lens, with the intervals that verdicts are made of."""
    shown = [
        row for row in summary.comparisons if row.verdict is not None and row.estimate is not None
    ]
    if not shown:
        return None
    pair = f"{words(shown[0].candidate)} − {words(shown[0].baseline)}"
    return figure(
        "1-claim",
        f"Score, and what less is lost: {pair}",
        [_difference(row, len(shown) - place) for place, row in enumerate(shown)],
        showlegend=False,
        xaxis=axis("difference (points): right of 0 the first does better", zeroline=True),
        yaxis=_rows([f"{row.lens}: {row.metric}" for row in shown]),
    )


def fixed(summary: Summary, styles: Styles, optimizer: str) -> Figure | None:
    """The first number of all fixed points, which is the score, the optimizer's own in bold."""
    found = [
        (point, row)
        for point in summary.fixed
        for row in point.metrics[:1]
        if row.value is not None
    ]
    if not found:
        return None
    rows, labels = [], []
    for place, (point, row) in enumerate(found):
        size = 14 if point.optimizer == optimizer else 9
        one = _interval(row, row.value or 0.0, len(found) - place, styles[point.optimizer].colour)
        rows.append(one | {"marker": one["marker"] | {"size": size}})
        setting = text.setting(point.hyperparameters)
        name = words(point.optimizer)
        labels.append(f"{name}<br>{words(setting)}" if setting else name)
    layout = {"xaxis": axis(SCORE), "yaxis": _rows(labels)}
    return figure("2-fixed", "Score at the fixed settings", rows, showlegend=False, **layout)


def along(study: Study, summary: Summary, styles: Styles, optimizer: str) -> list[Figure]:
    """A figure for each kind of curve and hyperparameter, all optimizers in it."""
    found: dict[tuple[str, str], dict[str, Curve]] = {}
    for name, own in summary.optimizers.items():
        for curve in own.curves:
            found.setdefault((curve.kind, curve.hyperparameter), {})[name] = curve
    levels = {
        name: row.value
        for name, own in summary.optimizers.items()
        if not own.hyperparameters
        and (row := summary.metric(name, "same_setting", "mean_score")) is not None
        and row.value is not None
    }
    made = [_along(study, of, curves, styles, levels, optimizer) for of, curves in found.items()]
    return sorted(made, key=lambda one: one.key)


def _along(
    study: Study,
    of: tuple[str, str],
    curves: dict[str, Curve],
    styles: Styles,
    levels: dict[str, float],
    optimizer: str,
) -> Figure:
    kind, name = of
    place, title = CURVES[kind]
    many = kind in ("map", "misset")
    drawn = [
        trace
        for one, curve in curves.items()
        for trace in _line(curve, styles[one], own=one == optimizer)
    ]
    ends = [x for curve in curves.values() for x in (min(curve.x), max(curve.x))]
    drawn += [
        traces.level(value, styles[one], (min(ends), max(ends)), own=one == optimizer)
        for one, value in levels.items()
    ]
    ranges = [space.ranges[name] for space in study.search_spaces.values() if name in space.ranges]
    log = min(ends) > 0 and (kind == "misset" or all(box.log for box in ranges))
    return figure(
        f"{place}-{kind}-{_key(study, name)}" if many else f"{place}-{kind}",
        f"Score {title.format(words(name))}",
        drawn,
        xaxis=axis(words(name) + (" (log scale)" if log else ""), log=log),
        yaxis=axis(SCORE),
    )


def _key(study: Study, name: str) -> str:
    """A hyperparameter in a figure's key, which is an id in a page: its number where it must."""
    if name.isidentifier() and name.isascii():
        return name
    return str(study.hyperparameters.index(name))


def _line(curve: Curve, style: OptimizerStyle, *, own: bool) -> Iterable[Trace]:
    if own or style.prominent:
        yield traces.band(curve.x, curve.low, curve.high, style)
    yield traces.line(curve.x, curve.mean, style, own=own)


def learning(curves: pd.DataFrame, style: OptimizerStyle) -> Figure | None:
    """The optimizer's median and middle half of trials by epoch."""
    if curves.empty:
        return None
    own = curves[(curves["optimizer"] == style.name) & curves["phase"].isin(LEARNING)]
    if own.empty:
        return None
    low, middle, high = (
        own.groupby("epoch")["test_accuracy"].quantile(share) for share in (0.25, 0.5, 0.75)
    )
    return figure(
        "9-learning",
        "Learning curves: the median and the middle half of the map's trials",
        [
            traces.band(middle.index.tolist(), low, high, style),
            traces.line(middle.index, middle, style, own=True),
        ],
        xaxis=axis("epoch"),
        yaxis=axis("test accuracy (%)"),
    )


def tuning(summary: Summary, styles: Styles, optimizer: str) -> Figure | None:
    """The best of n trials, of each optimizer."""
    drawn: list[Trace] = []
    for name, style in styles.items():
        rows = [row for row in summary.tuning if row.optimizer == name]
        if rows:
            drawn += _tuned(rows, style, own=name == optimizer)
    return _tuning("9-tuning", "The best of n trials", drawn, SCORE)


def tuning_difference(summary: Summary, styles: Styles) -> Figure | None:
    """How far the candidate is ahead after as many trials."""
    rows = [row for row in summary.tuning if row.optimizer is None]
    if not rows or summary.candidate is None:
        return None
    drawn = list(_tuned(rows, styles[summary.candidate], own=True))
    title = f"After n trials, {words(summary.candidate)} − {words(summary.baseline or '')}"
    return _tuning("9-tuning-difference", title, drawn, "difference (points)")


def _tuned(rows: Sequence[Any], style: OptimizerStyle, *, own: bool) -> Iterable[Trace]:
    x = [row.trials for row in rows]
    if own:
        yield traces.band(x, [row.low for row in rows], [row.high for row in rows], style)
    yield traces.line(x, [row.value for row in rows], style, own=own)


def _tuning(key: str, title: str, drawn: Sequence[Trace], label: str) -> Figure | None:
    if not drawn:
        return None
    return figure(
        key, title, drawn, xaxis=axis("n, trials (log scale)", log=True), yaxis=axis(label)
    )


def _difference(row: Comparison, place: int) -> Trace:
    """One number of a lens: hollow where nothing is decided."""
    one = _interval(row, row.estimate or 0.0, place, _SIDES.get(str(row.verdict), INK))
    one["hovertemplate"] = f"%{{x:.2f}} points: {words(str(row.verdict))}<extra></extra>"
    one["marker"]["symbol"] = "circle-open" if row.verdict == "undecided" else "circle"
    return one


def _interval(row: Comparison | Metric, value: float, place: int, colour: str) -> Trace:
    """A dot with its interval, in that row; of a comparison, that of its verdict."""
    ends = (row.verdict_low, row.verdict_high) if isinstance(row, Comparison) else (None, None)
    low, high = (row.low, row.high) if None in ends else ends
    return {
        "type": "scatter",
        "mode": "markers",
        "x": percents([value]),
        "y": [place],
        "error_x": {
            "type": "data",
            "array": percents([(value if high is None else high) - value]),
            "arrayminus": percents([value - (value if low is None else low)]),
            "color": colour,
            "thickness": 2,
        },
        "marker": {"size": 11, "color": colour, "line": {"width": 2}},
        "hovertemplate": "%{x:.2f} %<extra></extra>",
    }


def _rows(labels: Sequence[str]) -> dict[str, Any]:
    """An axis of labelled rows, the first at the top."""
    return axis(
        "",
        tickvals=list(range(len(labels), 0, -1)),
        ticktext=list(labels),
        range=[0.4, len(labels) + 0.6],
    )
