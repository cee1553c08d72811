"""The plates of the fitted surfaces and of the difference between two of them.

In: the `Material`. Out: one plate for each second hyperparameter after rho; its number in the key
is that of the hyperparameter in the study's order, so that a surface and a difference with the same
number belong together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from agsam_tune.report import frames, text
from agsam_tune.report.figures import differences, surfaces
from agsam_tune.report.figures.differences import Difference
from agsam_tune.report.figures.plates import Plate, confidence, listed
from agsam_tune.report.figures.surfaces import SPREADS, Scale, Surface
from agsam_tune.report.figures.unit_square import common_boxes
from agsam_tune.report.material import Material

PHASES = ("map", "iid")
"""Whose points fill the search space evenly: those of `tune` crowd around the best place."""
_GRID = ("optimizer", "second", "rho", "x2", "accuracy", "noise", "uncertainty")
_DIFFERENCE = ("second", "rho", "x2", "difference", "low", "high")


def surface_plates(material: Material) -> tuple[Plate, ...]:
    """Surfaces over rho × alpha, rho × gamma, …, all on one colour scale."""
    seconds = _seconds(material)
    points = frames.point_means(material.trials, PHASES, material.chance)
    if points.empty or not seconds:
        return ()
    made = {number: _surfaces(material, points, second) for number, second in seconds.items()}
    scale = surfaces.accuracy_scale(_values(made))
    return tuple(
        _surface_plate(material, own, key=f"surface-{number}", scale=scale)
        for number, own in made.items()
        if any(one.values.size for one in own)
    )


def difference_plates(material: Material) -> tuple[Plate, ...]:
    """Candidate minus baseline over rho × alpha, rho × gamma, …"""
    study = material.study
    candidate, baseline = study.candidate, study.baseline
    points = frames.point_means(material.trials, PHASES, material.chance)
    if candidate is None or baseline is None or points.empty:
        return ()
    fitted = material.surfaces
    grid = pd.DataFrame(columns=list(_DIFFERENCE)) if fitted is None else fitted.difference
    boxes = common_boxes(
        study.search_spaces[candidate].ranges, study.search_spaces[baseline].ranges
    )
    plates = []
    for number, second in _seconds(material).items():
        if second not in boxes or "rho" not in boxes:
            continue
        one = differences.difference(
            points, grid, boxes, candidate=candidate, baseline=baseline, second=second
        )
        if one.mean is None and not one.values.size:
            continue
        panel = differences.difference_panel(one, boxes, candidate=candidate, baseline=baseline)
        caption = _difference_caption(material, one, candidate=candidate, baseline=baseline)
        plates.append(
            Plate(key=f"difference-{number}", panels=(panel,), caption=caption, columns=1)
        )
    return tuple(plates)


def _seconds(material: Material) -> Mapping[int, str]:
    """Number → hyperparameter after rho that an optimizer has beside rho."""
    others = [name for name in material.study.hyperparameters if name != "rho"]
    return {number: name for number, name in enumerate(others, 1) if _owners(material, second=name)}


def _owners(material: Material, *, second: str) -> list[str]:
    spaces = material.study.search_spaces
    return [name for name in material.optimizers if {"rho", second} <= set(spaces[name].names)]


def _surfaces(material: Material, points: pd.DataFrame, second: str) -> list[Surface]:
    fitted = material.surfaces
    grid = pd.DataFrame(columns=list(_GRID)) if fitted is None else fitted.grid
    return [
        surfaces.surface(
            points,
            grid,
            material.study.search_spaces[name].ranges,
            optimizer=name,
            second=second,
            own_best=_own_best(material, name),
        )
        for name in _owners(material, second=second)
    ]


def _own_best(material: Material, name: str) -> float | None:
    """The accuracy at the own best setting, on seeds that did not choose it."""
    entry = (material.summary.get("optimizers") or {}).get(name) or {}
    own = (entry.get("metrics") or {}).get("own_best") or {}
    leaf: Mapping[str, Any] = own.get("best_accuracy") or {}
    return float(leaf["value"]) if text.is_number(leaf.get("value")) else None


def _values(made: Mapping[int, list[Surface]]) -> Any:
    """Every percentage that one of the panels shows."""
    shown = [one.values for own in made.values() for one in own]
    shown += [one.mean.ravel() for own in made.values() for one in own if one.mean is not None]
    return np.concatenate(shown)


def _surface_plate(material: Material, made: list[Surface], *, key: str, scale: Scale) -> Plate:
    small = len(made) > 3
    ranges = {one.optimizer: material.study.search_spaces[one.optimizer].ranges for one in made}
    panels = [
        surfaces.surface_panel(
            one,
            ranges[one.optimizer],
            scale=scale,
            epsilons=material.study.analysis.epsilons,
            small=small,
        )
        for one in made
    ]
    if any(one.mean is not None for one in made):
        for measure in SPREADS:
            spread = surfaces.spread_scale([one.spread(measure) for one in made], measure)
            panels += [
                surfaces.spread_panel(
                    one, ranges[one.optimizer], measure=measure, scale=spread, small=small
                )
                for one in made
            ]
    return Plate(
        key=key,
        panels=tuple(panels),
        caption=_surface_caption(material, made),
        columns=min(len(made), 4),
    )


def _surface_caption(material: Material, made: list[Surface]) -> str:
    spaces, second = material.study.search_spaces, made[0].second
    fitted = [one.optimizer for one in made if one.mean is not None]
    extra = [one.optimizer for one in made if len(spaces[one.optimizer].names) > 2]
    owners = [one.optimizer for one in made]
    lacking = [name for name in material.optimizers if name not in owners and spaces[name].names]
    caption = (
        f"Mean test accuracy over rho × {second}. Dots are measured points (means over seeds; "
        "white plus: a seed failed, red cross: a seed diverged). "
    )
    if fitted:
        epsilons = listed([f"{100 * e:g}" for e in sorted(material.study.analysis.epsilons)])
        caption += (
            "First the fitted surface, with lines "
            f"{epsilons} points below the own best (solid, dashed, dotted). Then, each with a "
            "scale of its own, the two uncertainties: the standard deviation of one trial over "
            "seeds, and that of the fitted surface itself, which more points and seeds would make "
            "smaller. "
        ) + _quality(material, fitted)
    caption += " ".join(_reasons(material, [one.optimizer for one in made if one.mean is None]))
    if extra:
        has = "has" if len(extra) == 1 else "have"
        caption += (
            f" {listed(extra)} {has} more hyperparameters: the surface is the mean over the "
            "others, so neighbouring dots may differ."
        )
    if lacking:
        caption += f" Without {second}: {listed(lacking)}."
    return " ".join(caption.split())


def _quality(material: Material, fitted: list[str]) -> str:
    """How well the surfaces predict points that they were fitted without."""
    quality = {} if material.surfaces is None else material.surfaces.quality
    found = []
    for name in fitted:
        entry = quality.get(name) or {}
        numbers = [entry.get(key) for key in ("rmse", "r2", "coverage")]
        if all(text.is_number(number) for number in numbers):
            error, explained, inside = (float(number) for number in numbers if number is not None)
            found.append(
                f"{name} {text.points(error)} points (R² {explained:.2f}, {100 * inside:.0f} % "
                "inside)"
            )
    if not found:
        return ""
    return (
        "Points that a surface was fitted without are off by (root mean square; R², and how many "
        f"are inside their {confidence(material)} intervals): {'; '.join(found)}. "
    )


def _reasons(material: Material, without: list[str]) -> list[str]:
    """Why optimizers have points alone, one sentence each."""
    quality = {} if material.surfaces is None else material.surfaces.quality
    return [
        f"Points alone for {name}: "
        + text.sentence(str((quality.get(name) or {}).get("reason") or "no surface was fitted"))
        for name in without
    ]


def _difference_caption(
    material: Material, one: Difference, *, candidate: str, baseline: str
) -> str:
    caption = (
        f"Test accuracy of {candidate} minus {baseline} over rho × {one.second}: vermillion where "
        f"{candidate} is better, blue where {baseline} is. Dots are the differences measured at "
        "the same points and seeds. "
    )
    if one.mean is not None:
        return caption + (
            "The background is fitted to them; where it is hatched, 0 is between its "
            f"{confidence(material)} bounds, which hold for all places at once, and the black line "
            "goes around the places where it is not."
        )
    if one.second not in material.study.search_spaces[baseline].names:
        return caption + f"{baseline} has no {one.second}, so no difference is fitted along it."
    quality = {} if material.surfaces is None else material.surfaces.difference_quality
    return caption + f"Points alone: {quality.get('reason') or 'no difference was fitted'}."
