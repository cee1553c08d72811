"""The page on several tasks together: the comparison's record as it is, its lists as tables.

In: the record of a comparison across tasks. Out: `report.html` and `figures/` in its folder, each
file replaced whole. Must not import torch, Ray or Optuna.

Every field of the record is shown, whatever it is called: a value with `low` and `high` as one
number with its interval, a list of records as a table, a record within a record as a table of its
own beside what it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agsam_tune.atomic import replace_file
from agsam_tune.report import text
from agsam_tune.report.blocks import Badge, Cell, Number, Page, Table, section, table
from agsam_tune.report.figures.intervals import IntervalRow, difference_panel
from agsam_tune.report.figures.panel import shorten_pair
from agsam_tune.report.figures.plates import Plate
from agsam_tune.report.html import render
from agsam_tune.report.svg import drawing
from agsam_tune.report.text import PLAIN
from agsam_tune.report.write import REPORT, draw_figures

if TYPE_CHECKING:
    from agsam_tune.analysis.across import TasksSummary

__all__ = ["write_comparison"]

_KEY = re.compile("differences")
_VALUES = ("value", "estimate", "mean", "published", "ours")
"""What `low` and `high` are around."""
_HEAD = ("claim", "notes")
"""Fields that stand in the page's head."""

Row = Mapping[str, Any]


def write_comparison(folder: Path, record: TasksSummary) -> None:
    """Writes `report.html` and the figure's files into the comparison's folder.

    Args:
        folder: where to write; made if it does not exist.
        record: what `agsam_tune.analysis.across.compare_tasks` says.

    The same record gives the same bytes.

    Raises:
        OSError: if the folder cannot be written to.
    """
    values = record.model_dump()
    plate = _plate(values)
    with drawing():
        figures = draw_figures(folder, [plate] if plate else [], {}, _KEY)
    lists = [
        section(name.replace("_", "-"), _words(name), _blocks(name, values[name]))
        for name in values
        if name not in _HEAD and _is_list(values[name])
    ]
    first = section("differences", "The tasks", list(figures.values()))
    facts = section("facts", "What was compared", [_facts(values)])
    verdict = values["claim"]["verdict"]
    page = Page(
        title=", ".join(_names(values)),
        subtitle="several tasks together",
        badge=Badge(key=verdict, words=text.VERDICTS[verdict]),
        headline=values["claim"]["text"],
        because=tuple(values["claim"]["because"]),
        notices=tuple(values.get("notes", ())),
        sections=tuple(one for one in (first, facts, *lists) if one is not None),
        footer="Made by agsam-tune. Every number is in summary.json, the figure in figures/.",
    )
    replace_file(folder / REPORT, render(page).encode())


def _blocks(name: str, value: object) -> Iterator[Table | None]:
    """A list of records as a table, followed by the lists that are in them."""
    rows = list(_rows(value))
    keys = dict.fromkeys(key for row in rows for key in row)
    nested = [key for key in keys if any(_is_list(row.get(key)) for row in rows)]
    valued = any(key in keys for key in _VALUES)
    shown = [key for key in keys if key not in nested and not (valued and key in ("low", "high"))]
    yield table(
        _words(name),
        [_words(key) for key in shown],
        ([_cell(row, key) for key in shown] for row in rows),
    )
    for key in nested:
        inner = [{"of": _label(row), **own} for row in rows for own in _rows(row.get(key)) if own]
        yield from _blocks(f"{name}: {key}", inner)


def _facts(values: Row) -> Table | None:
    """Everything of the record that is no list of records."""
    rows = [
        (_words(name), _cell(values, name))
        for name, value in values.items()
        if name not in _HEAD and not _is_list(value)
    ]
    return table("What was compared", ("what", "value"), [row for row in rows if row[1] != ""])


def _cell(row: Row, key: str) -> Cell:
    value = row.get(key)
    if value is None or value == ():
        return ""
    if key == "verdict":
        return Badge(key=str(value), words=text.VERDICTS.get(str(value), str(value)))
    if isinstance(value, bool | str):
        return text.short(value)
    if isinstance(value, list | tuple):
        return ", ".join(text.short(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text.short(one)}" for name, one in value.items())
    if key in _VALUES:
        return Number(value=text.with_interval(value, row.get("low"), row.get("high"), PLAIN))
    return Number(value=text.short(value))


def _rows(value: object) -> Iterator[Row]:
    """The records of a list, or of a mapping, each with its name then."""
    if isinstance(value, Mapping):
        yield from ({"name": name, **own} for name, own in value.items())
    elif isinstance(value, list | tuple):
        yield from value


def _is_list(value: object) -> bool:
    """Whether it is a list, or a mapping, of records."""
    inner = list(value.values()) if isinstance(value, Mapping) else value
    return isinstance(inner, list | tuple) and any(isinstance(one, Mapping) for one in inner)


def _label(row: Row) -> str:
    """What a record is called: its first text, and what it is of."""
    words = [str(row["of"])] if "of" in row else []
    return " · ".join(words + [v for k, v in row.items() if isinstance(v, str) and k != "of"][:1])


def _words(key: str) -> str:
    return key.replace("_", " ")


def _names(values: Row) -> list[str]:
    """The tasks' names."""
    return [str(row.get("name") or row.get("task")) for row in _rows(values["tasks"])]


def _plate(values: Row) -> Plate | None:
    """Differences with their intervals: of each task, and of all together."""
    rows = [row for row in _rows(values.get("comparisons")) if row.get("estimate") is not None]
    pair = (values.get("candidate"), values.get("baseline"))
    if not rows or None in pair:
        return None
    left, right = shorten_pair(str(pair[0]), str(pair[1]), 24)
    drawn = [
        IntervalRow(
            label=str(row.get("task") or "all tasks"),
            detail=" · ".join(str(row[key]) for key in ("lens", "metric") if row.get(key)),
            value=row["estimate"],
            ends=None if row.get("low") is None else (row["low"], row["high"]),
        )
        for row in rows
    ]
    panel = difference_panel(
        drawn,
        key="differences",
        alt=f"Differences of {pair[0]} − {pair[1]} by task with their intervals.",
        unit=PLAIN,
        left=f"← {right} better",
        right=f"{left} better →",
    )
    caption = f"{pair[0]} − {pair[1]}, with intervals: by task, and over all of them."
    return Plate(key="differences", panels=(panel,), caption=caption)
