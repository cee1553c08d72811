"""The words and tables of the sections on good settings, on the box, on surfaces and on power.

In: the `Material`, whose summary may lack any of them. Out: plain records that the template shows,
which escapes every text. Must not import torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from agsam_tune.report import text
from agsam_tune.report.material import Material
from agsam_tune.report.page import Simple
from agsam_tune.report.tables import HEADLINE, LENSES, WITHOUT_RHO, Linked
from agsam_tune.report.trial_links import Behind

DRAWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of draws that the table of tuning curves has columns for, or their neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRow:
    """The claim's metric in another search box.

    `worst` is an interval that assumes nothing of what lies beyond the box that was run.
    """

    change: str
    box: str
    difference: str
    interval: str
    worst: str
    p_value: str
    n: str
    verdict: str
    winner: str
    flips: bool
    reason: str
    trials: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeGroup:
    """The rows of one lens."""

    title: str
    rows: tuple[RangeRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSection:
    """Does the verdict depend on the search box?"""

    sentence: str
    groups: tuple[RangeGroup, ...]

    @property
    def n(self) -> int:
        """How many boxes there are."""
        return sum(len(group.rows) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSection:
    """What differences the study could have found."""

    sentence: str
    table: Simple | None


def lens_titles(material: Material) -> Mapping[str, str]:
    """Lens → heading."""
    return LENSES if material.has_rho else WITHOUT_RHO


def surface_quality(material: Material) -> Simple | None:
    """How well each optimizer's fitted surface predicts points that it has not seen."""
    rows = []
    for name in material.optimizers:
        entry = _optimizer(material, name).get("surface")
        if not isinstance(entry, Mapping):
            continue
        if name in material.bare:
            continue
        error = entry.get("rmse")
        rows.append(
            (
                name,
                text.fixed(float(entry["r2"]), 3) if text.is_number(entry.get("r2")) else text.DASH,
                text.points(error) if text.is_number(error) else text.DASH,
                _percent(entry.get("coverage")),
                text.count(entry.get("n_points")),
                "yes" if entry.get("usable") else text.sentence(f"no: {_reason(entry)}"),
            )
        )
    if not rows:
        return None
    head = ("optimizer", "R²", "error (points)", "covered (%)", "settings", "shown")
    caption = (
        "How well the fitted surfaces predict settings that they have not seen (cross-validation): "
        f"covered is how often the {_confidence(material)} interval holds what was measured"
    )
    return Simple(caption=caption, head=head, rows=tuple(rows))


def tuning_table(material: Material, behind: Behind) -> Simple | None:
    """The best accuracy after n random draws, for n that double."""
    curves = {}
    for name in material.optimizers:
        metrics = _optimizer(material, name).get("metrics") or {}
        leaf = (metrics.get("own_best") or {}).get("tuning_curve")
        if isinstance(leaf, Mapping) and isinstance(leaf.get("value"), list):
            curves[name] = leaf
    if not curves:
        return None
    reached = set.intersection(*(set(leaf["draws"]) for leaf in curves.values()))
    draws = sorted({_nearest(reached, n) for n in DRAWS if n <= max(reached, default=0)})
    one = text.metric("tuning_curve")
    rows = []
    for name, leaf in curves.items():
        trials = behind.estimate("own_best", "tuning_curve", name)
        rows.append((name, *(_best_after(leaf, draw, one, name, trials) for draw in draws)))
    caption = (
        "Median of the best test accuracy (%) of so many random settings, one seed each, with "
        f"simultaneous {_confidence(material)} bands"
    )
    head = ("optimizer", *(f"{draw} draw{'s' if draw > 1 else ''}" for draw in draws))
    return Simple(caption=caption, head=head, rows=tuple(rows))


def _nearest(reached: Collection[int], n: int) -> int:
    return min(reached, key=lambda draw: abs(math.log(draw / n)))


def _best_after(
    leaf: Mapping[str, Any], draw: int, one: text.Metric, name: str, trials: str
) -> str | Linked:
    place = leaf["draws"].index(draw)
    value, low, high = (leaf[key][place] for key in ("value", "low", "high"))
    if not text.is_number(value):
        return text.DASH
    return Linked(
        value=text.number(value, one),
        trials=trials,
        what=f"Best of {draw} random settings of {name}",
        below=text.interval(low, high, one),
    )


def range_section(material: Material, behind: Behind) -> RangeSection | None:
    """The range curve by lens, in the summary's order."""
    summary, titles = material.summary, lens_titles(material)
    groups: dict[str, list[RangeRow]] = {}
    for entry in summary.get("range_curve") or ():
        lens = str(entry.get("lens"))
        groups.setdefault(titles.get(lens, lens), []).append(_range_row(entry, behind))
    sentence = text.sentence(str(summary.get("range_sentence") or ""))
    if not groups and not sentence:
        return None
    made = tuple(RangeGroup(title=title, rows=tuple(rows)) for title, rows in groups.items())
    return RangeSection(sentence=sentence, groups=made)


def _range_row(entry: Mapping[str, Any], behind: Behind) -> RangeRow:
    one = text.metric(str(entry.get("metric") or HEADLINE))
    box = {str(name): ends for name, ends in (entry.get("box") or {}).items()}
    axis, change = str(entry.get("axis") or ""), str(entry.get("change") or "")
    verdict = str(entry.get("verdict") or "undecided")
    winner = {"candidate": behind.candidate, "baseline": behind.baseline}.get(verdict)
    known = text.is_number(entry.get("difference"))
    return RangeRow(
        change=_change(axis, change),
        box=", ".join(
            f"{name} {text.short(float(low))} to {text.short(float(high))}"
            for name, (low, high) in box.items()
        ),
        difference=text.number(entry.get("difference"), one, sign=True),
        interval=text.interval(entry.get("low"), entry.get("high"), one, sign=True),
        worst=text.interval(entry.get("worst_low"), entry.get("worst_high"), one, sign=True),
        p_value=text.p_value(entry.get("p_value")),
        n=text.count(entry.get("n")),
        verdict=verdict,
        winner=winner or "",
        flips=bool(entry.get("flips")),
        reason=text.sentence(str(entry.get("reason") or "")),
        trials=behind.range(entry) if known else "",
    )


def _change(axis: str, change: str) -> str:
    """What was done to which hyperparameter, in words."""
    if change == "whole" or axis in ("", "all", "factor", "radius"):
        return change
    return f"{axis} {change}" if change.startswith("alone") else f"{axis}: {change}"


def power_section(material: Material) -> PowerSection | None:
    """The smallest difference by lens that the study was likely to find."""
    power = material.summary.get("power") or {}
    known = {
        lens: leaf
        for lens, leaf in power.items()
        if isinstance(leaf, Mapping) and text.is_number(leaf.get("smallest_difference"))
    }
    sentence = str(material.summary.get("power_sentence") or "")
    if not known and not sentence:
        return None
    if not known:
        return PowerSection(sentence=text.sentence(sentence), table=None)
    rows = tuple(
        (
            lens_titles(material).get(lens, lens),
            text.metric(str(leaf.get("metric") or HEADLINE)).label,
            text.points(leaf["smallest_difference"]),
            f"± {text.points(leaf.get('half_width'))}",
            text.points(leaf.get("margin")),
            "yes" if leaf.get("can_show_equivalence") else "no",
        )
        for lens, leaf in known.items()
    )
    share = {text.fixed(100 * float(leaf.get("power") or 0.8), 0) for leaf in known.values()}
    caption = f"Smallest true difference found in {' or '.join(sorted(share))} % of such studies"
    head = (
        *("compared", "metric", "smallest difference (points)", "interval (points)"),
        *("margin (points)", "could show equivalence"),
    )
    table = Simple(caption=caption, head=head, rows=rows)
    return PowerSection(sentence=text.sentence(sentence or _power_words(known)), table=table)


def _power_words(known: Mapping[str, Mapping[str, Any]]) -> str:
    where = {"rho": "at the same rho", "own_best": "around the own best", "radius": "at the radius"}
    parts = [
        f"{text.points(leaf['smallest_difference'])} points {where.get(lens, lens)}"
        for lens, leaf in known.items()
    ]
    return f"Differences that this study was likely to find are at least {', '.join(parts)}."


def _optimizer(material: Material, name: str) -> Mapping[str, Any]:
    found = (material.summary.get("optimizers") or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def _reason(entry: Mapping[str, Any]) -> str:
    return str(entry.get("reason") or "no reason is given")


def _percent(value: object) -> str:
    return text.fixed(100 * float(value), 1) if text.is_number(value) else text.DASH  # type: ignore[arg-type]


def _confidence(material: Material) -> str:
    return f"{100 * material.study.analysis.confidence:g} %"
