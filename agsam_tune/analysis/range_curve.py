"""The verdict on `regret_sensitivity` with the search box changed, in every lens.

In: a `Context`. Out: the entries of `summary.json`'s `range_curve`, and a sentence on them. Must
not import torch, Ray or Optuna.

Whatever is averaged over a search space depends on the box that somebody chose. So the same
difference, interval and verdict are given for other boxes: does another winner come out?

**rho.** Each hyperparameter of the two, and all at once: smaller, shifted and wider boxes
(`boxes.py`), from the same points for both. a* is that of the whole study throughout: what changes
is which settings one might end up with, and not how well one could tune. Where a new box reaches
beyond the old one, the value assumes that accuracy goes on as in the outermost eighth. `worst_low`
and `worst_high` assume nothing: out there each optimizer may have any accuracy from chance to its
own a*, and they are the ends of the intervals of the lowest and the highest difference that this
allows (C. Manski, "Partial identification of probability distributions", 2003; J. Horowitz and
C. Manski, "Nonparametric analysis of randomized experiments with missing covariate and outcome
data", 2000). An optimizer without a hyperparameter loses nothing where that one's range changes.
Where `lr` is searched by both, its thirds say whether the verdict holds at each learning rate.

**own_best.** The all-together draws of up to each factor alone, and each shared hyperparameter
alone off by up to 10.

**radius.** Parts of the window W, with W's bandwidth; a* is the best radius within the part.

Verdicts are those of `comparisons.py`, with Holm's correction within a lens and axis; the row
"whole" of each lens is the comparison itself. `flips` says that the other optimizer wins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from agsam_tune.analysis import comparisons, own_best_lens
from agsam_tune.analysis.box_regret import METRIC, BoxRegret, box_regret
from agsam_tune.analysis.boxes import CHANGES, THIRDS, Change, changed, values_of
from agsam_tune.analysis.comparisons import Contrast, common_cells
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import Estimate, difference, to_leaf
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.metrics import radius_fits
from agsam_tune.analysis.radius_lens import RadiusFit, fit_radius
from agsam_tune.analysis.selection import Choices
from agsam_tune.analysis.table import Cells
from agsam_tune.analysis.unit_cube import Axis
from agsam_tune.study import MISSET_MAXIMA

__all__ = ["range_curve", "range_sentence"]

Row = dict[str, Any]
Found = tuple[Row, Estimate | Unknown]

_WINNERS = ("candidate", "baseline")
_VERDICTS = (*_WINNERS, "equivalent", "undecided")
_WHERE = {
    "rho": "at the same settings",
    "own_best": "around each one's own best",
    "radius": "at the same measured radius",
}
_LARGEST = max(MISSET_MAXIMA)

_PARTS = (("lower half", 0.0, 0.5), ("upper half", 0.5, 1.0), ("middle half", 0.25, 0.75))


def range_curve(
    context: Context, compared: Sequence[Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """One row for each lens and changed box, those of a lens after its "whole".

    Args:
        compared: the study's `comparisons`, where they are at hand.

    Returns:
        rows with "lens", "axis" (a hyperparameter, "all", "factor" or "radius"), "change", "box"
        (hyperparameter -> [low, high] as far as it changes), "metric", "difference", "low",
        "high", "p_value", "verdict", "n", "method" and "flips"; "worst_low" and "worst_high" where
        the box reaches beyond the map's; "safe_factor" in the whole box of the rho lens that has
        a winner: how many times as large a box may be, along hyperparameters that both have,
        before anything that could lie beyond the old one takes that away. Where nothing can be
        said the numbers are None and "reason" says why. Empty without a candidate and a baseline.
    """
    study = context.study
    if study.candidate is None or study.baseline is None:
        return []
    pair = (study.candidate, study.baseline)
    given = comparisons.compare(context) if compared is None else compared
    whole = {row["lens"]: row for row in given if row["metric"] == METRIC}
    rows: list[Row] = []
    for lens, changes in (("rho", _rho), ("own_best", _own_best), ("radius", _radius)):
        if lens not in whole:
            continue
        first, found = changes(context, pair)
        rows.append(dict(whole[lens]) | {"lens": lens, "change": "whole", "flips": False} | first)
        rows += _judged(found, lens, pair, str(whole[lens]["verdict"]), context)
    return rows


def _judged(
    found: Sequence[Found], lens: str, pair: tuple[str, str], whole: str, context: Context
) -> list[Row]:
    settings = context.study.analysis
    rows = []
    for labels, estimate in found:
        contrast = Contrast(lens=lens, metric=METRIC, estimate=estimate, labels=labels)
        rows.append(_with_bounds(comparisons.entry_of(contrast, *pair, settings.confidence)))
    for row in comparisons.judged(rows, "axis", settings):
        row["flips"] = {row["verdict"], whole} == set(_WINNERS)
    return rows


def _with_bounds(row: Row) -> Row:
    """The row with bounds no narrower than its interval, that an extrapolation can widen more."""
    if row["difference"] is None or row.get("worst_low") is None:
        return row
    worst = {"worst_low": min(row["worst_low"], row["low"])}
    return row | worst | {"worst_high": max(row["worst_high"], row["high"])}


def _rho(context: Context, pair: tuple[str, str]) -> tuple[Row, list[Found]]:
    regrets = box_regret(context, pair)
    if isinstance(regrets, Unknown):
        return {"axis": "all", "box": {}}, []
    axes = regrets.axes
    everything = {a.name: Change(name="whole", low=0.0, high=1.0) for a in axes}
    first = {"axis": "all", "box": values_of(axes, everything)}
    safe = regrets.safe_factor(context.study.analysis.confidence)
    groups: list[tuple[str, Sequence[Axis]]] = [(axis.name, [axis]) for axis in axes]
    if len(axes) > 1:
        groups.append(("all", axes))
    found = []
    for name, own in groups:
        thirds = THIRDS if name == "lr" and name in regrets.common else ()
        for change in changed(own, (*thirds, *CHANGES)):
            labels = {
                "axis": name,
                "change": next(iter(change.values())).name,
                "box": values_of(own, change),
                **_worst(regrets, change, context.study.analysis.confidence),
            }
            found.append((labels, regrets.difference(change)))
    return first | ({} if safe is None else {"safe_factor": safe}), found


def _worst(regrets: BoxRegret, change: Mapping[str, Change], confidence: float) -> Row:
    if all(own.inside >= 1.0 for own in change.values()):
        return {}
    lowest, highest = (to_leaf(estimate, confidence) for estimate in regrets.extremes(change))
    return {"worst_low": lowest.get("low"), "worst_high": highest.get("high")}


def _own_best(context: Context, pair: tuple[str, str]) -> tuple[Row, list[Found]]:
    first = {"axis": "factor", "box": {"factor": [1 / _LARGEST, _LARGEST]}}
    if any(context.is_bare(name) for name in pair):
        return first, []
    cells = common_cells([context.table.get(name, "misset") for name in pair])
    choices = [context.choices.get(name) for name in pair]
    found: list[Found] = []
    for factor in MISSET_MAXIMA:
        labels = {"axis": "factor", "change": f"up to {factor:g}"}
        drawn = [
            own_best_lens.regret(
                own, context.layout, context.chance, factor=factor, choices=imagined
            )
            for own, imagined in zip(cells, choices, strict=True)
        ]
        found.append((labels | {"box": {"factor": [1 / factor, factor]}}, difference(*drawn)))
    for name in _common(context, pair):
        labels = {"axis": name, "change": f"alone, up to {_LARGEST:g}"}
        alone = [
            _alone(context, own, imagined, name)
            for own, imagined in zip(cells, choices, strict=True)
        ]
        found.append((labels | {"box": first["box"]}, difference(*alone)))
    return first, found


def _alone(
    context: Context, cells: Cells | None, choices: Choices | None, name: str
) -> Estimate | Unknown:
    """The penalty of one hyperparameter off by up to 10, with what other choices do to it."""
    layout, chance = context.layout, context.chance
    estimate = own_best_lens.misset_penalty(cells, layout, chance, name, _LARGEST)
    if cells is None or choices is None or isinstance(estimate, Unknown):
        return estimate
    _, logs = own_best_lens.axis_rows(cells, layout, name)
    factors_DH = np.ones((len(logs), len(choices.space.names)))
    factors_DH[:, choices.space.names.index(name)] = np.exp(logs)
    weight_D = own_best_lens.trapezoid_weights(logs)
    around_BD = np.maximum(choices.around(factors_DH), chance)
    return replace(estimate, imagined_B=choices.best_B - around_BD @ weight_D)


def _common(context: Context, pair: tuple[str, str]) -> list[str]:
    ours, theirs = (context.study.search_spaces[name].names for name in pair)
    return [name for name in ours if name in theirs]


def _radius(context: Context, pair: tuple[str, str]) -> tuple[Row, list[Found]]:
    fits = radius_fits(context, *pair)
    known = [fit for fit in fits if isinstance(fit, RadiusFit)]
    if len(known) < 2:
        return {"axis": "radius", "box": {}}, []
    window = known[0].window
    first = {"axis": "radius", "box": {"radius": [10**window.low, 10**window.high]}}
    return first, list(_parts_of_window(context, known))


def _parts_of_window(context: Context, fits: Sequence[RadiusFit]) -> Iterator[Found]:
    window = fits[0].window
    for change, start, end in _PARTS:
        width = window.high - window.low
        low, high = window.low + start * width, window.low + end * width
        part = replace(window, low=low, high=high)
        refits = [fit_radius(fit.curve.cells, part, context.chance) for fit in fits]
        regrets = [fit if isinstance(fit, Unknown) else fit.regret() for fit in refits]
        labels = {"axis": "radius", "change": change, "box": {"radius": [10**low, 10**high]}}
        yield labels, difference(*regrets)


def range_sentence(rows: Sequence[Mapping[str, Any]], candidate: str, baseline: str) -> str:
    """In plain words whether the verdict hangs on the box.

    Args:
        rows: what `range_curve` returns, or the same read from `summary.json`.
        candidate, baseline: their names.

    Returns:
        a sentence for each lens with a changed box, then one on the learning rate where both
        searched it; "" where there are none.
    """
    names = {"candidate": candidate, "baseline": baseline}
    lenses = dict.fromkeys(row["lens"] for row in rows)
    found = [_lens_sentence([r for r in rows if r["lens"] == lens], names) for lens in lenses]
    found.append(_lr_sentence(rows, names))
    return " ".join(sentence for sentence in found if sentence)


def _lens_sentence(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    whole = next(row for row in rows if row["change"] == "whole")
    known = [row for row in rows if row is not whole and row["difference"] is not None]
    if not known or whole["difference"] is None:
        return ""
    where, verdict = _WHERE[whole["lens"]], whole["verdict"]
    boxes = f"{len(known)} changed {'boxes' if whole['lens'] == 'rho' else 'ranges'}"
    count = {name: sum(row["verdict"] == name for row in known) for name in _VERDICTS}
    if verdict not in names:
        won = [f"{names[role]} wins in {count[role]}" for role in _WINNERS if count[role]]
        if not won:
            return f"{where.capitalize()} it is {verdict}, and neither wins in any of {boxes}."
        return f"{where.capitalize()} it is {verdict}; of {boxes}, {' and '.join(won)}."
    flips = sum(bool(row["flips"]) for row in known)
    turned = f"flips in {flips}" if flips else "does not flip in any"
    text = f"The verdict {where} ({names[verdict]} wins) {turned} of {boxes}"
    rest = [f"{name} in {count[name]}" for name in ("undecided", "equivalent") if count[name]]
    if not rest:
        return f"{text}."
    same = sum(row["difference"] * whole["difference"] > 0 for row in known)
    return f"{text}; it is {' and '.join(rest)}, and the difference has the same sign in {same}."


def _lr_sentence(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    thirds = [third.name for third in THIRDS]
    own = [
        row
        for row in rows
        if (row["lens"], row["axis"]) == ("rho", "lr") and row["change"] in thirds
    ]
    verdicts = [names.get(row["verdict"], row["verdict"]) for row in own]
    if not own:
        return ""
    if len(set(verdicts)) == 1:
        rest = f"{verdicts[0]} wins" if own[0]["verdict"] in names else f"it is {verdicts[0]}"
        return f"In each third of the learning rates {rest} at the same settings."
    found = [f"{row['change']} {verdict}" for row, verdict in zip(own, verdicts, strict=True)]
    return f"By learning rate the verdict at the same settings is: {', '.join(found)}."
