"""The page on several tasks together.

In: the record of a comparison across tasks. Out: `report.html` and `figures/` in its folder, each
file replaced whole. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agsam_tune.analysis.record import Comparison
from agsam_tune.analysis.record_across import Number as Estimate
from agsam_tune.analysis.record_across import Pooled, TaskComparison, TaskRow
from agsam_tune.atomic import replace_file
from agsam_tune.report import text
from agsam_tune.report.blocks import Badge, Cell, Number, Page, Table, section, table
from agsam_tune.report.figures.intervals import IntervalRow, difference_panel
from agsam_tune.report.figures.panel import shorten, shorten_pair
from agsam_tune.report.figures.plates import Plate
from agsam_tune.report.html import render
from agsam_tune.report.svg import drawing
from agsam_tune.report.text import Unit
from agsam_tune.report.write import REPORT, draw_figures

__all__ = ["write_comparison"]

_KEY = re.compile("differences")
NORMALISED = Unit(
    name="% of best − trivial", scale=100.0, digits=1, of_difference="% of best − trivial"
)


def write_comparison(folder: Path, record: TaskComparison) -> None:
    """Writes `report.html` and the figure's files into the comparison's folder.

    Args:
        folder: where to write; made if it does not exist.
        record: what `agsam_tune.analysis.across.compare_tasks` says.

    The same record gives the same bytes.

    Raises:
        OSError: if the folder cannot be written to.
    """
    plate = _plate(record)
    with drawing():
        figures = draw_figures(folder, [plate] if plate else [], {}, _KEY)
    made = (
        section("tasks", "The tasks", [_tasks_table(record)]),
        section(
            "differences",
            "Differences, normalised",
            [figures.get("differences"), _pooled_table(record), _normalised_table(record)],
        ),
        section("lenses", "The lenses of each task", [_lenses_table(record)]),
        section("plane", "Performance and sensitivity", [_plane_table(record)]),
    )
    page = Page(
        title=", ".join(record.comparison_of),
        subtitle="several tasks together",
        badge=None,
        headline=record.text,
        because=tuple(f"{task.name}: {task.claim.text}" for task in record.tasks),
        notices=record.notes,
        sections=tuple(one for one in made if one is not None),
        footer="Made by agsam-tune. Every number is in summary.json, the figure in figures/.",
    )
    replace_file(folder / REPORT, render(page).encode())


def _tasks_table(record: TaskComparison) -> Table | None:
    """A row a task."""
    rows: list[tuple[Cell, ...]] = []
    for task in record.tasks:
        unit = text.score_unit(text.ACCURACY)
        scores = (Number(value=text.number(one, unit)) for one in (task.trivial, task.best))
        counts = (task.replicates, task.trainings, task.diverged)
        rows.append(
            (
                task.name,
                task.study,
                task.task,
                " − ".join(filter(None, (task.candidate, task.baseline))),
                Badge(key=task.claim.verdict, words=text.VERDICTS[task.claim.verdict].lower()),
                *(Number(value=text.count(n)) for n in counts),
                *scores,
                _estimate(task.scale, unit),
            )
        )
    heads = ("name", "study", "task", "difference of", "claim", "replicates", "trainings")
    scores_of = ("diverged", "trivial (%)", "best (%)", "best − trivial (points)")
    found = ", ".join(
        f"{text.VERDICTS.get(verdict, verdict).lower()} {n}"
        for verdict, n in record.verdicts.items()
    )
    return table(f"The tasks{f': {found}' if found else ''}", (*heads, *scores_of), rows)


def _estimate(one: Estimate, unit: Unit) -> Number:
    shown = text.with_interval(one.value, one.low, one.high, unit)
    return Number(value=shown, below=text.sentence(one.reason or ""))


def _pooled_table(record: TaskComparison) -> Table | None:
    """The means over tasks."""
    return table(
        "Means over tasks, as shares of best − trivial (%)",
        ("lens", "number", "difference of", "difference", "tasks", "without"),
        (
            (
                text.LENSES[row.lens],
                text.label(row.metric, text.ACCURACY),
                f"{row.candidate} − {row.baseline}",
                _difference(row, NORMALISED),
                ", ".join(row.tasks),
                "; ".join(row.without),
            )
            for row in record.pooled
        ),
    )


def _difference(row: Comparison | Pooled, unit: Unit) -> Number:
    return Number(value=text.with_interval(row.estimate, row.low, row.high, unit, sign=True))


def _normalised_table(record: TaskComparison) -> Table | None:
    """What the means are of."""
    return table(
        "Each task, as shares of best − trivial (%)",
        ("task", "lens", "number", "difference of", "difference", "replicates", "reason"),
        ((task.name, *_row(row, NORMALISED)) for task, row in _all(record, normalised=True)),
    )


def _row(row: Comparison, unit: Unit) -> tuple[Cell, ...]:
    return (
        text.LENSES[row.lens],
        text.label(row.metric, text.ACCURACY),
        f"{row.candidate} − {row.baseline}",
        _difference(row, unit),
        Number(value=text.count(row.replicates)),
        text.sentence(row.reason or ""),
    )


def _all(record: TaskComparison, *, normalised: bool) -> Iterator[tuple[TaskRow, Comparison]]:
    for task in record.tasks:
        for row in task.normalised if normalised else task.comparisons:
            yield task, row


def _lenses_table(record: TaskComparison) -> Table | None:
    """Each study's own rows."""
    rows: list[tuple[Cell, ...]] = []
    for task, row in _all(record, normalised=False):
        unit = text.unit_of(row.metric, text.ACCURACY)
        judged = text.ends(row.verdict_low, row.verdict_high, unit, sign=True)
        margin = "" if row.margin is None else f"± {text.number(row.margin, unit)}"
        verdict: Cell = ""
        if row.verdict is not None:
            words = text.VERDICTS.get(row.verdict, row.verdict).lower().replace("_", " ")
            verdict = Badge(key=row.verdict, words=words)
        parts = (*_row(row, unit), unit.of_difference, judged, margin, verdict)
        rows.append((task.name, *parts))
    heads = ("task", "lens", "number", "difference of", "difference", "replicates", "reason")
    more = ("unit", "verdict's interval", "margin", "verdict")
    return table("As each study has them", (*heads, *more), rows)


def _plane_table(record: TaskComparison) -> Table | None:
    """Every optimizer that all runs have."""
    return table(
        "As shares of best − trivial (%)",
        ("optimizer", "performance", "sensitivity Φ (less is better)"),
        (
            (name, _estimate(own.performance, NORMALISED), _estimate(own.sensitivity, NORMALISED))
            for name, own in record.optimizers.items()
        ),
    )


def _plate(record: TaskComparison) -> Plate | None:
    """The normalised differences of each task, and their means."""
    if record.candidate is None or record.baseline is None:
        return None
    rows = [
        _interval(task.name, row)
        for task, row in _all(record, normalised=True)
        if row.estimate is not None
    ]
    if not rows:
        return None
    rows += [_interval("mean over tasks", row) for row in record.pooled]
    left, right = shorten_pair(record.candidate, record.baseline, 24)
    panel = difference_panel(
        rows,
        key="differences",
        alt=f"Differences of {record.candidate} − {record.baseline} by task with their intervals.",
        unit=NORMALISED,
        left=f"← {right} better",
        right=f"{left} better →",
    )
    caption = (
        f"{record.candidate} − {record.baseline} as shares of best − trivial, with intervals: by "
        "task, and the means over tasks."
    )
    return Plate(key="differences", panels=(panel,), caption=caption)


def _interval(name: str, row: Comparison | Pooled) -> IntervalRow:
    known = row.low is not None and row.high is not None
    return IntervalRow(
        label=shorten(name),
        detail=f"{text.LENSES[row.lens]}, {text.label(row.metric, text.ACCURACY).lower()}",
        value=row.estimate,
        ends=(row.low or 0.0, row.high or 0.0) if known else None,
    )
