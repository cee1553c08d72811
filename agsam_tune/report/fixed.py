"""A study's fixed points beside published numbers: a table and a dot plot.

In: the `Material`; the estimates are `points` in the summary's optimizers. Out: records for the
template, and a plate. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from agsam_tune.report import text
from agsam_tune.report.figures.intervals import IntervalRow, level_panel
from agsam_tune.report.figures.plates import Plate
from agsam_tune.report.html import swatch
from agsam_tune.report.material import Material
from agsam_tune.report.tables import Cell, Notes, cell
from agsam_tune.report.trial_links import Behind

ACCURACY, LOSS = text.metric("accuracy"), text.metric("loss")
FAILURES = text.metric("failure_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRow:
    """One point: ours and the published numbers."""

    optimizer: str
    swatch: Markup
    setting: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedSection:
    """What the page shows of a `fixed` phase."""

    lede: str
    head: tuple[str, ...]
    rows: tuple[FixedRow, ...]
    notes: tuple[str, ...]


def published(material: Material, optimizer: str) -> Mapping[str, Any]:
    """The published numbers of an optimizer; empty where there are none."""
    for one in material.study.reference.results:
        if one.optimizer == optimizer:
            return one.model_dump()
    return {}


def fixed_entries(material: Material) -> list[tuple[str, Mapping[str, Any]]]:
    """(optimizer, fixed point with its estimates) in the report's order of optimizers."""
    optimizers = material.summary.get("optimizers") or {}
    return [
        (name, entry)
        for name in material.optimizers
        for entry in (optimizers.get(name) or {}).get("points") or ()
    ]


def fixed_section(material: Material, behind: Behind) -> FixedSection | None:
    """The table, or None where the study has no fixed points with results."""
    entries = fixed_entries(material)
    if not entries:
        return None
    notes = Notes()
    reference = bool(material.study.reference.results)
    rows = []
    for name, entry in entries:
        theirs = published(material, name)
        own = [
            cell(entry.get("accuracy"), ACCURACY, notes),
            cell(entry.get("loss"), LOSS, notes),
            Cell(value=text.number(entry.get("failure_rate"), FAILURES)),
        ]
        trials = behind.fixed(name, entry["point"]) if "point" in entry else ""
        what = f"{name} at {text.setting(entry.get('hyperparameters')) or 'its one setting'}"
        cells = [
            one if one.value == text.DASH else replace(one, trials=trials, what=what) for one in own
        ]
        if reference:
            cells.append(Cell(value=text.number(theirs.get("test_accuracy"), ACCURACY)))
            cells.append(Cell(value=text.number(theirs.get("test_loss"), LOSS)))
        rows.append(
            FixedRow(
                optimizer=name,
                swatch=swatch(material.styles[name]),
                setting=text.setting(entry.get("hyperparameters")) or text.DASH,
                cells=tuple(cells),
            )
        )
    head: tuple[str, ...] = (
        "optimizer",
        "setting",
        "test accuracy (%)",
        "test loss",
        "failed (%)",
    )
    lede = "Each setting's mean over seeds, with its interval beneath."
    if reference:
        head = (*head, "published accuracy (%)", "published loss")
        lede += f" Published numbers: {material.study.reference.source}."
    return FixedSection(lede=lede, head=head, rows=tuple(rows), notes=tuple(notes.texts))


def fixed_plate(material: Material) -> Plate | None:
    """Accuracies of all fixed points, with the published ones as hollow diamonds."""
    rows = []
    several = _several(material)
    for name, entry in fixed_entries(material):
        leaf = entry.get("accuracy") or {}
        if not text.is_number(leaf.get("value")):
            continue
        style = material.styles[name]
        theirs = published(material, name).get("test_accuracy")
        rows.append(
            IntervalRow(
                label=name,
                detail=text.setting(entry.get("hyperparameters")) if name in several else "",
                value=leaf["value"],
                low=leaf.get("low"),
                high=leaf.get("high"),
                colour=style.colour,
                marker=style.marker if style.marker not in "|_" else "o",
                published=theirs,
            )
        )
    if not rows:
        return None
    panel = level_panel(
        rows,
        key="fixed",
        alt="Test accuracy of each fixed point beside the published one.",
        label="test accuracy (%)",
    )
    caption = f"Mean over seeds with {100 * material.study.analysis.confidence:g} % intervals."
    if any(row.published is not None for row in rows):
        caption += " Hollow diamonds: published, one run each, without an interval."
    return Plate(key="fixed", panels=(panel,), caption=caption, columns=1)


def _several(material: Material) -> set[str]:
    """Optimizers with more than one fixed point: their settings are part of their labels."""
    names = [name for name, _ in fixed_entries(material)]
    return {name for name in names if names.count(name) > 1}
