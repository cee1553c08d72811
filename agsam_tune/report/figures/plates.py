"""The report's figures: which there are, what is in them, and what their captions say.

In: the `Material`. Out: `Plate`s, None where the study has nothing for one. Must not import torch,
Ray or Optuna.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agsam_tune.analysis.record import Comparison, Curve, TuningRow
from agsam_tune.report import frames, text
from agsam_tune.report.figures import intervals, lines, surfaces
from agsam_tune.report.figures.intervals import IntervalRow
from agsam_tune.report.figures.lines import Line
from agsam_tune.report.figures.panel import Panel, shorten_pair
from agsam_tune.report.lens_tables import CURVE_WORDS, x_words
from agsam_tune.report.material import Material
from agsam_tune.report.style import BLUE, INK, VERMILLION
from agsam_tune.report.text import Unit

__all__ = ["PLATE_KEY", "Plate", "all_plates"]

PLATE_KEY = re.compile(r"verdict|curve-[a-z]+|gap|surface-\d+|tuning|learning")
"""The names of all figures that a report may have."""
CURVES_OF_LENS = {
    "same_setting": ("map",),
    "own_scale": ("key", "off"),
    "equal_radius": ("radius", "range"),
    "around_best": ("misset",),
}
_COLOURS = {"candidate": VERMILLION, "baseline": BLUE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """One figure: `key` names its files, `columns` panels are a row, `legend` names optimizers."""

    key: str
    panels: tuple[Panel, ...]
    caption: str
    columns: int = 1
    legend: tuple[str, ...] = ()


def all_plates(material: Material) -> list[Plate]:
    """Those that the run has something to show in."""
    kinds = dict.fromkeys(kind for own in CURVES_OF_LENS.values() for kind in own)
    made = [
        verdict_plate(material),
        *(curve_plate(material, kind) for kind in kinds),
        gap_plate(material),
        *surface_plates(material),
        tuning_plate(material),
        learning_plate(material),
    ]
    return [plate for plate in made if plate is not None]


def curves_of(material: Material, kinds: Sequence[str]) -> list[tuple[str, Curve]]:
    """The optimizers' curves of these kinds, in the report's order."""
    return [
        (name, curve)
        for kind in kinds
        for name in material.optimizers
        for curve in material.summary.optimizers[name].curves
        if curve.kind == kind
    ]


def verdict_plate(material: Material) -> Plate | None:
    """What the verdicts are made of: differences with their intervals, the margins shaded."""
    rows = [
        row
        for row in material.summary.comparisons
        if row.verdict is not None and material.is_of_pair(row)
    ]
    if material.pair is None or not any(row.estimate is not None for row in rows):
        return None
    left, right = shorten_pair(*material.pair, most=24)
    panel = intervals.difference_panel(
        [_interval_row(material, row) for row in rows],
        key="verdict",
        alt=f"Differences of {material.pair_words} in each lens with their intervals.",
        unit=material.unit("regret"),
        left=f"← {right} better",
        right=f"{left} better →",
    )
    caption = (
        f"{material.pair_words}: thick the intervals of the verdicts, thin the "
        f"{_confidence(material)} ones, shaded the margins within which a difference counts as "
        "none."
    )
    return Plate(key="verdict", panels=(panel,), caption=caption)


def _interval_row(material: Material, row: Comparison) -> IntervalRow:
    judged = (row.verdict_low, row.verdict_high)
    return IntervalRow(
        label=text.LENSES[row.lens],
        detail=material.label(row.metric),
        value=row.estimate,
        ends=_pair(row.low, row.high),
        wide=_pair(*judged),
        margin=row.margin,
        colour=_COLOURS.get(row.verdict or "", INK),
        missing=text.VERDICTS.get(row.verdict or "", "not estimated").lower(),
    )


def _pair(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)


def curve_plate(material: Material, kind: str) -> Plate | None:
    """The mean score along one setting: both optimizers, bands over the replicates."""
    curves = curves_of(material, (kind,))
    groups = dict.fromkeys(curve.hyperparameter for _, curve in curves)
    if not groups:
        return None
    panels = tuple(
        _lines(
            material,
            [_line(name, curve) for name, curve in curves if curve.hyperparameter == x_name],
            key=f"curve-{kind}-{place}",
            title=CURVE_WORDS[kind],
            x_name=x_words(kind, x_name),
            log=kind != "map" or _is_log(material, x_name),
        )
        for place, x_name in enumerate(groups, 1)
    )
    shaded = ", the best windows between dotted lines" if any(c.window for _, c in curves) else ""
    caption = (
        f"{CURVE_WORDS[kind]}: mean score with {_confidence(material)} bands over the "
        f"replicates{shaded}."
    )
    return Plate(
        key=f"curve-{kind}",
        panels=panels,
        caption=caption,
        columns=len(panels[:3]),
        legend=tuple(dict.fromkeys(name for name, _ in curves)),
    )


def _is_log(material: Material, hyperparameter: str) -> bool:
    """Whether the map's points are uniform in its logarithm."""
    spaces = (material.study.search_spaces[name].ranges for name in material.optimizers)
    return any(own[hyperparameter].log for own in spaces if hyperparameter in own)


def _line(name: str, curve: Curve) -> Line:
    numbers = (np.asarray(values) for values in (curve.x, curve.mean, curve.low, curve.high))
    x, mean, low, high = numbers
    return Line(name=name, x=x, mean=mean, low=low, high=high, window=curve.window)


def gap_plate(material: Material) -> Plate | None:
    """The gap's parts with their intervals."""
    rows = [row for row in material.summary.gap if row.estimate is not None]
    if not rows:
        return None
    drawn = [
        IntervalRow(
            label=material.label(row.metric.partition(".")[0]),
            detail=row.metric.partition(".")[2].replace("_", " "),
            value=row.estimate,
            ends=_pair(row.low, row.high),
        )
        for row in rows
    ]
    panel = intervals.difference_panel(
        drawn,
        key="gap",
        alt="The gap's parts with their intervals.",
        unit=material.unit("regret"),
        left="",
        right="",
    )
    caption = f"The gap's parts with {_confidence(material)} intervals."
    return Plate(key="gap", panels=(panel,), caption=caption)


def tuning_plate(material: Material) -> Plate | None:
    """The best score after so many trials, and the pair's difference beside it."""
    rows = material.summary.tuning
    own = [
        _tuning_line(name, [row for row in rows if row.optimizer == name])
        for name in material.optimizers
        if any(row.optimizer == name for row in rows)
    ]
    panels = []
    if own:
        words = {"key": "tuning-1", "title": "Best score after n trials", "x_name": "trials"}
        panels.append(_lines(material, own, **words))
    difference = [row for row in rows if row.optimizer is None]
    if difference and material.pair is not None:
        unit = material.unit("regret")
        panels.append(
            lines.curve_panel(
                [_tuning_line(material.pair[0], difference)],
                material.styles,
                key="tuning-2",
                title=f"Difference: {' − '.join(shorten_pair(*material.pair, most=24))}",
                x_name="trials",
                y_name=f"difference ({unit.name})" if unit.name else "difference",
                scale=unit.scale,
                zero=True,
            )
        )
    if not panels:
        return None
    names = tuple(line.name for line in own)
    caption = (
        f"The best score of a random search of n trials with {_confidence(material)} bands; those "
        "of the difference hold for all n at once."
    )
    return Plate(key="tuning", panels=tuple(panels), caption=caption, columns=2, legend=names)


def _tuning_line(name: str, rows: Iterable[TuningRow]) -> Line:
    ordered = sorted(rows, key=lambda row: row.trials)
    numbers = np.array([(row.trials, row.value, row.low, row.high) for row in ordered]).T
    return Line(name=name, x=numbers[0], mean=numbers[1], low=numbers[2], high=numbers[3])


def surface_plates(material: Material) -> tuple[Plate, ...]:
    """The fitted surfaces over two hyperparameters with the map's trainings, a plate a pair."""
    pairs = surfaces.pairs(material)
    made = []
    for number, pair in enumerate(pairs, 1):
        panels = surfaces.surface_panels(material, pair)
        if not panels:
            continue
        fitted = "the fitted surface, averaged over the other hyperparameters, and "
        caption = (
            f"Score over {pair[0]} × {pair[1]}: {fitted if surfaces.has_fit(material) else ''}the "
            "map's trainings (a cross: collapsed)."
        )
        made.append(
            Plate(key=f"surface-{number}", panels=panels, caption=caption, columns=len(panels[:3]))
        )
    return tuple(made)


def learning_plate(material: Material) -> Plate | None:
    """The typical training of each optimizer by epoch."""
    phases = ("map",) if "map" in material.phases else tuple(sorted(material.phases))
    curves = material.curves[material.curves["phase"].isin(phases)]
    if curves.empty or curves["epoch"].max() < 2:  # one epoch makes no curve
        return None
    typical = frames.typical_curves(curves)
    own = {name: typical[typical["optimizer"] == name] for name in material.optimizers}
    made = [
        Line(name=name, **{key: rows[column].to_numpy(float) for key, column in _TYPICAL.items()})
        for name, rows in own.items()
        if len(rows)
    ]
    panel = _lines(
        material, made, key="learning", title="Learning curves", x_name="epoch", log=False
    )
    caption = (
        f"By epoch, over the trainings of {', '.join(phases)}: their median with the middle half "
        "of them shaded."
    )
    names = tuple(line.name for line in made)
    return Plate(key="learning", panels=(panel,), caption=caption, legend=names)


_TYPICAL = {"x": "epoch", "mean": "middle", "low": "low", "high": "high"}


def _lines(material: Material, made: Sequence[Line], **how: Any) -> Panel:
    """A panel of scores over something."""
    return lines.curve_panel(
        made,
        material.styles,
        y_name=_score_name(material),
        scale=material.scores.scale,
        floor=material.summary.design.trivial,
        **how,
    )


def _score_name(material: Material) -> str:
    unit: Unit = material.scores
    return f"test {material.metric} (%)" if unit.name == "%" else "score"


def _confidence(material: Material) -> str:
    return f"{100 * material.summary.design.confidence:g} %"
