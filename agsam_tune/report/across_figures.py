"""Figures of several tasks together: the claim by task, performance against sensitivity, tuning.

In: the comparison's summary and the optimizers' styles. Out: `Plate`s. Must not import torch, Ray
or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from agsam_tune.report import text
from agsam_tune.report.figures.intervals import IntervalRow, difference_panel
from agsam_tune.report.figures.panel import MARKER, Panel, percent_axis, shorten
from agsam_tune.report.figures.plates import Plate
from agsam_tune.report.style import BLUE, INK, MUTED, VERMILLION, OptimizerStyle

Summary = Mapping[str, Any]
Styles = Mapping[str, OptimizerStyle]

LENSES = {"rho": "Same raw rho", "own_best": "Around the own best", "radius": "Same radius"}
METRIC = "regret_sensitivity"


def across_plates(summary: Summary, styles: Styles) -> list[Plate]:
    """Those that the comparison has something to show in."""
    made = [_differences(summary), _plane(summary, styles), _tuning(summary, styles)]
    return [plate for plate in made if plate is not None]


def _differences(summary: Summary) -> Plate | None:
    """Candidate − baseline in each lens: a line a task, and the mean."""
    candidate, baseline = summary["candidate"], summary["baseline"]
    if candidate is None:
        return None
    panels = tuple(
        _lens_panel(summary, lens, title, place)
        for place, (lens, title) in enumerate(LENSES.items())
    )
    caption = (
        f"What a mis-set {candidate} loses more (right) or less (left) than {baseline}, task by "
        f"task and on average, with {100 * summary['confidence']:g} % intervals. The shaded strip "
        f"is ± {text.points(summary['margin'])} points, which counts as no difference."
    )
    return Plate(key="differences", panels=panels, caption=caption, columns=3)


def _lens_panel(summary: Summary, lens: str, title: str, place: int) -> Panel:
    rows = [
        _interval_row(task["name"], _entry(task["comparisons"], lens))
        for task in summary["tasks"]
        if task["compared"] and task["pair"] == [summary["candidate"], summary["baseline"]]
    ]
    rows.append(_interval_row("mean", _entry(summary["comparisons"], lens), marker="D"))
    return difference_panel(
        rows,
        key=f"differences-{place + 1}",
        alt=f"Difference in regret sensitivity by task. {title}.",
        left="← candidate loses less",
        right="baseline loses less →",
        margin=summary["margin"],
        label="difference in regret sensitivity (points)",
        heading=title,
    )


def _interval_row(label: str, entry: Mapping[str, Any], *, marker: str = "o") -> IntervalRow:
    verdict = str(entry.get("verdict"))
    return IntervalRow(
        label=shorten(label),
        value=entry.get("difference"),
        low=entry.get("low"),
        high=entry.get("high"),
        colour={"candidate": VERMILLION, "baseline": BLUE}.get(verdict, INK),
        marker=marker,
        hollow=verdict == "undecided",
    )


def _entry(rows: Sequence[Mapping[str, Any]], lens: str) -> Mapping[str, Any]:
    return next((row for row in rows if row["lens"] == lens and row["metric"] == METRIC), {})


def _plane(summary: Summary, styles: Styles) -> Plate | None:
    """Accuracy at the own best over what a random setting loses: one panel a task."""
    panels = []
    for place, task in enumerate(summary["tasks"], 1):
        found = {
            name: (own["best_accuracy"], own[f"{METRIC}_rho"])
            for name, own in task["optimizers"].items()
            if own["best_accuracy"]["value"] is not None
        }
        if any(regret["value"] is not None for _, regret in found.values()):
            panels.append(_plane_panel(task["name"], found, styles, place))
    if not panels:
        return None
    caption = (
        "Performance against sensitivity: test accuracy at each optimizer's own best setting, "
        "over what a random setting of its search space loses against it. Up and to the left is "
        "better. Lines across are optimizers without hyperparameters: nothing to mis-set."
    )
    return Plate(
        key="plane", panels=tuple(panels), caption=caption, columns=min(len(panels), 3), legend=True
    )


def _plane_panel(
    title: str,
    found: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]],
    styles: Styles,
    place: int,
) -> Panel:
    def draw(ax: Axes) -> None:
        ax.set_title(shorten(title))
        for name, (best, regret) in found.items():
            style = styles[name]
            if regret["value"] is None:
                ax.axhline(100 * best["value"], **style.line)
                continue
            _cross(ax, regret, best, style)
        ax.set_xlabel("regret sensitivity, same raw rho (points)")
        percent_axis(ax, "accuracy at the own best (%)")
        ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))

    alt = f"Accuracy at the own best over regret sensitivity, task {place}."
    return Panel(key=f"plane-{place}", alt=alt, draw=draw)


def _tuning(summary: Summary, styles: Styles) -> Plate | None:
    """The normalised score of tuning for each task over what it gains on one setting for all."""
    found = {
        name: (own["score"], own["hyperparameter_sensitivity"])
        for name, own in summary["optimizers"].items()
        if own["score"]["value"] is not None
    }
    known = {n: pair for n, pair in found.items() if pair[1]["value"] is not None}
    if not known:
        return None

    def draw(ax: Axes) -> None:
        for name, (score, gain) in found.items():
            style = styles[name]
            if gain["value"] is None:
                ax.axhline(100 * score["value"], **style.line)
                continue
            _cross(ax, gain, score, style)
        ax.axvline(0, color=MUTED, linewidth=0.9)
        ax.set_xlabel("hyperparameter sensitivity Φ (% of the score)")
        percent_axis(ax, "mean normalised score (%)")

    alt = "Mean normalised score at each task's own best over hyperparameter sensitivity."
    caption = (
        "Tuned for each task (up), and how much of that needs tuning for each task instead of "
        "once for all (right). Scores are 0 at chance and 100 % at the best optimizer of a task."
    )
    panel = Panel(key="tuning-1", alt=alt, draw=draw)
    return Plate(key="tuning", panels=(panel,), caption=caption, columns=1, legend=True)


def _cross(ax: Axes, x: Mapping[str, Any], y: Mapping[str, Any], style: OptimizerStyle) -> None:
    """A point with an interval each way, in hundredths."""
    thin: dict[str, Any] = {"color": style.colour, "linewidth": 1.1, "alpha": 0.75, "zorder": 2.0}
    ax.plot([100 * x["low"], 100 * x["high"]], [100 * y["value"]] * 2, **thin)
    ax.plot([100 * x["value"]] * 2, [100 * y["low"], 100 * y["high"]], **thin)
    ax.plot(
        [100 * x["value"]],
        [100 * y["value"]],
        marker=style.marker,
        markersize=7,
        color=style.colour,
        linestyle="none",
        zorder=style.line["zorder"],
        **MARKER,
    )
