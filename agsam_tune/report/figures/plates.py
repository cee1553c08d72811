"""The plates of a report: groups of panels that are one row on the page and one figure file.

In: the `Material`. Out: `Plate`s with their captions. Each function makes one plate, or None where
the run has nothing to show in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.cm import ScalarMappable

from agsam_tune.report import frames, tables, text
from agsam_tune.report.figures import intervals, learning, lenses, surfaces
from agsam_tune.report.figures.intervals import IntervalRow
from agsam_tune.report.figures.panel import Panel
from agsam_tune.report.lens_curves import LensCurves
from agsam_tune.report.material import Material
from agsam_tune.report.own_best import own_best_note
from agsam_tune.report.style import BLUE, GREEN, INK, VERMILLION

PART_COLOURS = (INK, GREEN, VERMILLION)
"""Of the gap's total, its unit part (the control's colour) and its direction part."""
MOST_BAD = 12
"""Failed trials drawn per optimizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """One figure: `key` names its files, `strip` is a panel shown above the others."""

    key: str
    panels: tuple[Panel, ...]
    caption: str
    columns: int
    legend: bool = False
    scale: tuple[ScalarMappable, str] | None = None
    strip: Panel | None = None


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
    names = {"rho": "same rho", "own_best": "own best", "radius": "same radius"}
    rows = []
    for lens, label in names.items():
        entry: Mapping[str, Any] = next((e for e in entries if e.get("lens") == lens), {})
        colour = {"candidate": VERMILLION, "baseline": BLUE}.get(str(entry.get("verdict")), INK)
        rows.append(_row(label, "", entry, value="difference", colour=colour))
    panel = intervals.difference_panel(
        rows,
        key="claim",
        alt=f"Regret sensitivity of {study.candidate} minus {study.baseline} in three lenses.",
        left=f"← {study.candidate} loses less",
        right=f"{study.baseline} loses less →",
        margin=study.analysis.margin,
        label="difference in regret sensitivity (points)",
    )
    caption = (
        f"What a mis-set {study.candidate} loses more (right) or less (left) than "
        f"{study.baseline}, with {_confidence(material)} intervals. The shaded strip is ± "
        f"{text.points(study.analysis.margin)} points, which counts as no difference."
    )
    return Plate(key="claim", panels=(panel,), caption=caption, columns=1)


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
        f"Three ways to line the optimizers up, on one accuracy axis, with {_confidence(material)} "
        "intervals. Left: the same rho, all other hyperparameters averaged over the search space, "
        "no point below chance. "
        "Middle: each optimizer's own best setting with rho alone times a factor, on fresh seeds. "
        "Right: the same measured length of the ascent step, where optimizers overlap; the radius "
        "is an outcome, not a setting, so this is an association. Horizontal lines are optimizers "
        "without hyperparameters; very wide intervals run off the axis."
    )
    return Plate(key="accuracy", panels=panels, caption=caption, columns=3, legend=True)


def misset_plate(material: Material, curves: LensCurves) -> Plate | None:
    """The own-best lens close up: each hyperparameter alone, and all together."""
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
            title="All together" if kind == "all" else f"{kind} alone",
            label="off by up to this factor" if kind == "all" else f"{kind} / own best {kind}",
            draws=curves.draws if kind == "all" else None,
            small=small,
        )
        for kind, curve in shown.items()
    )
    caption = (
        "Around the own best, close up (the accuracy axis differs from the figure above): one "
        f"hyperparameter times a factor, with {_confidence(material)} intervals over fresh seeds, "
        "and all hyperparameters off at once, where each dot is one draw of factors and the line "
        "their mean. Same seeds and same factors for every optimizer. "
    ) + own_best_note(material)
    columns = 4 if small else 3
    return Plate(key="misset", panels=panels, caption=caption, columns=columns, legend=True)


def surface_plates(material: Material) -> tuple[Plate, ...]:
    """Surfaces over rho × alpha, rho × gamma, …: one plate a second hyperparameter, one scale."""
    study = material.study
    points = frames.point_means(material.trials, ("map", "iid"), material.chance)
    if points.empty or "rho" not in points:
        return ()
    scale = surfaces.common_scale(points)
    plates: list[Plate] = []
    for second in study.hyperparameters:
        owners = [
            name
            for name in material.optimizers
            if {"rho", second} <= set(study.search_spaces[name].names)
        ]
        if second == "rho" or not owners:
            continue
        made = [
            surfaces.surface(
                points, study.search_spaces[name].ranges, optimizer=name, second=second
            )
            for name in owners
        ]
        if not any(one.values.size for one in made):
            continue
        top = surfaces.brightest(made)
        levels = [] if top is None else [top - 100 * e for e in study.analysis.epsilons]
        panels = tuple(
            surfaces.surface_panel(
                one,
                study.search_spaces[one.optimizer].ranges,
                scale=scale,
                levels=levels,
                small=len(owners) > 3,
            )
            for one in made
        )
        plates.append(
            Plate(
                key=f"surface-{len(plates) + 1}",
                panels=panels,
                caption=_surface_caption(material, owners, second),
                columns=4 if len(owners) > 3 else 3,
                scale=(scale.mappable, "test accuracy (%)"),
                strip=surfaces.scale_panel(scale),
            )
        )
    return tuple(plates)


def gap_plate(material: Material, curves: LensCurves) -> Plate | None:
    """total = unit part + direction part: per metric, and over rho."""
    gap = material.summary.get("gap") or {}
    study = material.study
    parts = {
        "total": ("total", f"{study.candidate} − {study.baseline}"),
        "unit_part": ("unit part", f"{study.control} − {study.baseline}"),
        "direction_part": ("direction part", f"{study.candidate} − {study.control}"),
    }
    panels = []
    for metric, leaves in gap.items():
        if not isinstance(leaves, Mapping) or not any(_has_value(leaves, p) for p in parts):
            continue
        one = text.metric(metric)
        rows = [
            _row(*names, leaves.get(part) or {}, value="value", colour=colour)
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
        f"{_confidence(material)} intervals."
    )
    return Plate(key="gap", panels=tuple(panels), caption=caption, columns=3)


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
        f"Test accuracy by epoch over the trials of {_listed(phases)}: the median (thick) with the "
        "middle half of all trials (shaded), the trial with the best validation accuracy (dashed), "
        f"and failed trials (thin, red; at most {MOST_BAD} an optimizer)."
    )
    return Plate(key="learning", panels=panels, caption=caption, columns=3)


def _surface_caption(material: Material, owners: list[str], second: str) -> str:
    spaces = material.study.search_spaces
    extra = [name for name in owners if len(spaces[name].names) > 2]
    lacking = [name for name in material.optimizers if name not in owners and spaces[name].names]
    caption = (
        f"Mean test accuracy over rho × {second}. Dots are measured points (means over seeds; "
        "white plus: a seed failed, red cross: a seed diverged). The background is a local mean of "
        "the dots for the eye, blank where none is near; no estimate is made from it. Lines: "
        f"{_listed([f'{100 * e:g}' for e in sorted(material.study.analysis.epsilons)])} points "
        "below the brightest place of all optimizers' backgrounds (solid, dashed, dotted)."
    )
    if extra:
        caption += (
            f" {_listed(extra)} {'has' if len(extra) == 1 else 'have'} more hyperparameters: the "
            "surface is a mean over the others, so neighbouring dots may differ."
        )
    if lacking:
        caption += f" Without {second}: {_listed(lacking)}."
    return caption


def _row(
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


def _confidence(material: Material) -> str:
    return f"{100 * material.study.analysis.confidence:g} %"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
