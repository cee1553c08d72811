"""The plates of a report: groups of panels that are one row on the page and one figure file.

In: the `Material`. Out: `Plate`s with their captions. Each function makes one plate, or None where
the run has nothing to show in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from agsam_tune.report import frames, tables, text
from agsam_tune.report.figures import intervals, learning, lenses
from agsam_tune.report.figures.intervals import IntervalRow
from agsam_tune.report.figures.panel import Panel, shorten, shorten_pair
from agsam_tune.report.lens_curves import LensCurves
from agsam_tune.report.material import Material
from agsam_tune.report.own_best import own_best_note
from agsam_tune.report.style import BLUE, GREEN, INK, VERMILLION

PART_COLOURS = (INK, GREEN, VERMILLION)
"""Of the gap's total, its unit part (the control's colour) and its direction part."""
VERDICT_COLOURS = {"candidate": VERMILLION, "baseline": BLUE}
REGRET = text.metric(tables.HEADLINE)
MOST_BAD = 12
"""Failed trials drawn per optimizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """One figure: `key` names its files, `columns` panels are a row; with a `legend` or without."""

    key: str
    panels: tuple[Panel, ...]
    caption: str
    columns: int
    legend: bool = False


def claim_plate(material: Material) -> Plate | None:
    """The metric that the claim rests on, in its three lenses."""
    study = material.study
    entries = [
        entry
        for entry in material.summary.get("comparisons") or ()
        if entry.get("metric") == tables.HEADLINE
        and entry.get("candidate") == study.candidate
        and entry.get("baseline") == study.baseline
    ]
    if not entries or study.candidate is None or study.baseline is None:
        return None
    same = "same rho" if material.has_rho else "same settings"
    names = {"rho": same, "own_best": "around the own best", "radius": "same radius"}
    # Side by side above the axes.
    left, right = shorten_pair(study.candidate, study.baseline, 24)
    rows = []
    for lens, label in names.items():
        entry: Mapping[str, Any] = next((e for e in entries if e.get("lens") == lens), {})
        rows.append(_claim_row(label, entry, study.candidate, study.baseline))
    panel = intervals.difference_panel(
        rows,
        key="claim",
        alt=f"Regret sensitivity of {study.candidate} minus {study.baseline} in three lenses.",
        left=f"← {left} loses less",
        right=f"{right} loses less →",
        margin=study.analysis.margin,
        label="difference in regret sensitivity (points of accuracy)",
        heading=_claim_heading(material, study.candidate, study.baseline),
    )
    caption = (
        f"What a mis-set {study.candidate} loses more (right) or less (left) than "
        f"{study.baseline}, with {confidence(material)} intervals. The shaded strip is ± "
        f"{text.points(study.analysis.margin)} points, which counts as no difference; a hollow dot "
        "is undecided."
    )
    return Plate(key="claim", panels=(panel,), caption=caption, columns=1)


def _claim_row(label: str, entry: Mapping[str, Any], candidate: str, baseline: str) -> IntervalRow:
    verdict = str(entry.get("verdict"))
    words = {
        "candidate": f"{shorten(candidate, 20)} loses less",
        "baseline": f"{shorten(baseline, 20)} loses less",
        "equivalent": "no difference",
        "undecided": "undecided",
    }
    interval = text.interval(entry.get("low"), entry.get("high"), REGRET, sign=True)
    numbers = text.number(entry.get("difference"), REGRET, sign=True)
    return replace(
        row(label, "", entry, value="difference", colour=VERDICT_COLOURS.get(verdict, INK)),
        detail=f"{numbers} ({interval})" if interval else "",
        note=words.get(verdict, ""),
        hollow=verdict == "undecided",
        missing="not estimated",
    )


def _claim_heading(material: Material, candidate: str, baseline: str) -> str:
    """What the figure shows, and of what, for those who see it without the page."""
    study = material.study
    first, second = shorten_pair(candidate, baseline, 26)
    return (
        f"Accuracy lost when mis-set: {first} − {second}\n"
        f"{shorten(study.name)}, {text.count(len(material.trials))} trials, "
        f"{confidence(material)} intervals, shaded: ± {text.points(study.analysis.margin)} points"
    )


def accuracy_plate(material: Material, curves: LensCurves) -> Plate | None:
    """Accuracy through the three lenses, on one axis."""
    own = curves.factors.get("rho", curves.rho.iloc[:0])
    if curves.rho.empty and own.empty and curves.radius.empty:
        return None
    behind = lenses.backdrop(
        [curves.rho, own, curves.radius],
        styles=material.styles,
        references=curves.references,
        chance=material.chance,
    )
    panels = (
        lenses.rho_panel(curves.rho, behind),
        lenses.factor_panel(
            own, behind, name="rho", title="Relative to the own best", label="rho / own best rho"
        ),
        lenses.radius_panel(curves.radius, curves.radius_points, behind),
    )
    caption = (
        f"Three ways to line the optimizers up, on one accuracy axis, with {confidence(material)} "
        "intervals. First: the same rho, all other hyperparameters averaged over the search space, "
        "no point below chance. "
        "Second: each optimizer's own best setting with rho alone times a factor, on fresh seeds. "
        "Third: the same measured length of the ascent step, where optimizers overlap; the radius "
        "is an outcome, not a setting, so this is an association. Horizontal lines are optimizers "
        "without hyperparameters; very wide intervals run off the axis."
    )
    return Plate(key="accuracy", panels=panels, caption=caption, columns=3, legend=True)


def misset_plate(material: Material, curves: LensCurves) -> Plate | None:
    """The own-best lens: each hyperparameter alone, and all together."""
    shown = {kind: curve for kind, curve in curves.factors.items() if not curve.empty}
    if not shown:
        return None
    behind = lenses.backdrop(
        list(shown.values()), styles=material.styles, references=curves.references, chance=None
    )
    small = len(shown) > 3
    panels = tuple(
        lenses.factor_panel(
            curve,
            behind,
            name=kind,
            title="All together" if kind == "all" else f"{shorten(kind, 22)} alone",
            label="off by up to this factor"
            if kind == "all"
            else f"{shorten(kind, 22)} / own best",
            draws=curves.draws if kind == "all" else None,
            small=small,
        )
        for kind, curve in shown.items()
    )
    caption = (
        "Around the own best, on an accuracy axis of its own: one "
        f"hyperparameter times a factor, with {confidence(material)} intervals over fresh seeds, "
        "and all hyperparameters off at once, where each dot is one draw of factors and the line "
        "their mean. Same seeds and same factors for every optimizer. "
    ) + own_best_note(material)
    columns = 4 if small else 3
    return Plate(key="misset", panels=panels, caption=caption, columns=columns, legend=True)


def gap_plate(material: Material, curves: LensCurves) -> Plate | None:
    """total = unit part + direction part: per metric, and over rho."""
    gap = material.summary.get("gap") or {}
    study = material.study
    parts = {
        "total": ("total", _pair(study.candidate, study.baseline)),
        "unit_part": ("unit part", _pair(study.control, study.baseline)),
        "direction_part": ("direction part", _pair(study.candidate, study.control)),
    }
    panels = []
    for metric, leaves in gap.items():
        if not isinstance(leaves, Mapping) or not any(_has_value(leaves, p) for p in parts):
            continue
        one = text.metric(metric)
        rows = [
            row(*names, leaves.get(part) or {}, value="value", colour=colour)
            for (part, names), colour in zip(parts.items(), PART_COLOURS, strict=True)
        ]
        sides = ("worse", "better") if one.better == "higher" else ("better", "worse")
        panels.append(
            intervals.difference_panel(
                rows,
                key=f"gap-{metric}",
                alt=f"The gap in {one.label.lower()} and its two parts.",
                left=f"← {sides[0]}",
                right=f"{sides[1]} →",
                margin=study.analysis.margin,
                label=f"difference in {one.label.lower()} (points)",
            )
        )
    if not panels:
        return None
    if not curves.gap.empty:
        lines = dict(zip(parts, PART_COLOURS, strict=True))
        panels.append(intervals.gap_panel(curves.gap, lines))
    caption = (
        f"The unit part is what a longer or shorter step alone would do: {study.control} walks in "
        f"{study.baseline}'s direction with {study.candidate}'s length. The direction part is what "
        "is left: the same length in another direction. Both on the same paired points, with "
        f"{confidence(material)} intervals."
    )
    return Plate(key="gap", panels=tuple(panels), caption=caption, columns=3)


def _pair(one: str | None, other: str | None) -> str:
    """A row's label: beside longer ones there would be no room for the axis."""
    return " − ".join(shorten_pair(str(one), str(other), 26))


def learning_plate(material: Material) -> Plate | None:
    """Typical, best and failed trials by epoch, one panel an optimizer."""
    phases = material.main_phases
    curves = material.curves[material.curves["phase"].isin(phases)]
    if curves.empty:
        return None
    typical = frames.typical_curves(curves)
    best = frames.curves_of(curves, frames.best_trials(material.trials, phases))
    chosen = frames.bad_trials(material.trials, phases, material.chance, most=MOST_BAD)
    bad = frames.curves_of(curves, chosen)
    values = pd.concat([typical["low"], typical["high"], best["test_accuracy"]])
    values = pd.concat([values, bad["test_accuracy"]]).dropna()
    low = min([values.min(), *([material.chance] if material.chance is not None else [])])
    room = 0.05 * (values.max() - low) or 0.01
    limits = (max(0.0, low - room), min(1.0, values.max() + room))
    panels = tuple(
        learning.learning_panel(
            *(table[table["optimizer"] == name] for table in (typical, best, bad)),
            style=style,
            chance=material.chance,
            limits=limits,
        )
        for name, style in material.styles.items()
    )
    caption = (
        f"Test accuracy by epoch over the trials of {listed(phases)}: the median (thick) with the "
        "middle half of all trials (shaded), the trial with the best validation accuracy (dashed), "
        f"and failed trials (thin, red; at most {MOST_BAD} an optimizer)."
    )
    return Plate(key="learning", panels=panels, caption=caption, columns=3)


def row(
    label: str, detail: str, leaf: Mapping[str, Any], *, value: str, colour: str
) -> IntervalRow:
    def number(key: str) -> float | None:
        return float(leaf[key]) if text.is_number(leaf.get(key)) else None

    return IntervalRow(
        label=label,
        detail=detail,
        value=number(value),
        low=number("low"),
        high=number("high"),
        colour=colour,
    )


def _has_value(leaves: Mapping[str, Any], part: str) -> bool:
    leaf = leaves.get(part)
    return isinstance(leaf, Mapping) and text.is_number(leaf.get("value"))


def confidence(material: Material) -> str:
    """The study's confidence as people read it."""
    return f"{100 * material.study.analysis.confidence:g} %"


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names with commas and an `and`."""
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
