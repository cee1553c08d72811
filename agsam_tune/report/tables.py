"""The report's tables as plain records: what is in each cell, and the footnotes of empty ones.

In: `summary.json` and the study. Out: records for the template, which escapes every text.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agsam_tune.report import text

LENSES: Mapping[str, str] = {
    "none": "At the own best",
    "rho": "At the same settings (raw rho)",
    "own_best": "Relative to the own best setting",
    "radius": "At the same measured radius",
    "fixed": "At the fixed points",
}
"""Lens → heading, in the order of the report."""

WITHOUT_RHO: Mapping[str, str] = {**LENSES, "rho": "At the same settings"}
"""The headings where no optimizer has a rho."""

HEADLINE = "regret_sensitivity"
"""The metric that the claim rests on (docs/design.md, Estimates)."""

OWN_BEST_DIFFERENCES = (
    "These differences also include how much the choice of each best setting varies, so their "
    "intervals are wider than the two optimizers' own suggest."
)

TrialsBehind = Callable[[str, str, str], str]
"""(lens, metric, optimizer) → the selection of the trials behind that estimate."""

PairBehind = Callable[[Mapping[str, Any]], str]
"""An entry of the summary's comparisons → the selection of the trials behind it."""

_SECONDARY = ("sobol_", "rbd_fast", "importance_", "noise_share", "misset_penalty_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A text with the trials behind it: a selection (`trial_links`), and what it is of.

    `below` is an interval, written beneath.
    """

    value: str
    trials: str
    what: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One estimate. `note` numbers the footnote that says why there is none.

    `trials` selects those behind it (`trial_links`), `what` says what it is.
    """

    value: str
    interval: str = ""
    note: int | None = None
    hint: str = ""
    trials: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric through all optimizers."""

    label: str
    unit: str
    explanation: str
    key: str
    cells: tuple[Cell, ...]
    headline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows of one lens; `more` are the secondary ones, folded away."""

    lens: str
    title: str
    rows: tuple[Row, ...]
    more: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """The table of estimates."""

    optimizers: tuple[str, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    absent: tuple[tuple[str, str, str], ...]
    """(lens, metrics, reason) of what no optimizer has: once instead of in rows of dashes."""


@dataclass(slots=True)
class Notes:
    """Footnotes, each text once, numbered from 1 as they are met."""

    texts: list[str] = field(default_factory=list)

    def number(self, reason: str) -> int:
        """The footnote's number."""
        if reason not in self.texts:
            self.texts.append(reason)
        return self.texts.index(reason) + 1


def estimates(
    summary: Mapping[str, Any],
    optimizers: Sequence[str],
    *,
    bare: Collection[str] = (),
    titles: Mapping[str, str] = LENSES,
    behind: TrialsBehind | None = None,
) -> Estimates:
    """Every metric of every optimizer, by lens; metrics in the summary's own order.

    `bare` are the optimizers without hyperparameters: what they lack they lack by nature, so their
    dashes need no footnote. `titles` are the lenses' headings. `behind` says which trials an
    estimate rests on.
    """
    notes = Notes()
    groups: list[Group] = []
    absent: dict[tuple[str, str], list[str]] = {}
    by_lens = _by_lens(summary, optimizers)
    for lens in [*titles, *(lens for lens in by_lens if lens not in titles)]:
        rows: list[Row] = []
        for key, leaves in by_lens.get(lens, {}).items():
            reason = _common_reason(leaves, bare)
            if reason is not None:
                title = titles.get(lens, lens)
                absent.setdefault((title, reason), []).append(text.metric(key).label)
                continue
            cells = [
                _behind(
                    cell(leaves.get(name), text.metric(key), notes, footnote=name not in bare),
                    f"{text.metric(key).label} of {name}",
                    behind(lens, key, name) if behind else "",
                )
                for name in optimizers
            ]
            rows.append(_row(key, cells))
        main = tuple(row for row in rows if not row.key.startswith(_SECONDARY))
        more = tuple(row for row in rows if row.key.startswith(_SECONDARY))
        if rows:
            groups.append(Group(lens=lens, title=titles.get(lens, lens), rows=main, more=more))
    return Estimates(
        optimizers=tuple(optimizers),
        groups=tuple(groups),
        notes=tuple(notes.texts),
        absent=tuple(
            (title, ", ".join(dict.fromkeys(labels)), text.sentence(reason))
            for (title, reason), labels in absent.items()
        ),
    )


def _behind(one: Cell, what: str, trials: str) -> Cell:
    """The cell with its trials; one without a value has none."""
    if one.value in ("", text.DASH) or not trials:
        return one
    return replace(one, trials=trials, what=f"{what} ({one.hint})" if one.hint else what)


def is_leaf(value: object) -> bool:
    """Whether it is an estimate: an object with a single `value`, not a curve of them."""
    return isinstance(value, Mapping) and not isinstance(value.get("value", []), list)


def _by_lens(
    summary: Mapping[str, Any], optimizers: Iterable[str]
) -> dict[str, dict[str, dict[str, Mapping[str, Any]]]]:
    """lens → metric → optimizer → leaf. Metrics outside of a lens come under "none".

    Curves are not among them, nor why an optimizer has none that another has.
    """
    table: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {}
    curves: set[str] = set()
    for name in optimizers:
        metrics = (summary.get("optimizers") or {}).get(name, {}).get("metrics") or {}
        for lens, entries in metrics.items():
            loose = {lens: entries} if is_leaf(entries) else entries
            home = "none" if is_leaf(entries) or lens not in LENSES else lens
            for key, leaf in (loose or {}).items():
                if isinstance(leaf, Mapping) and isinstance(leaf.get("value"), list):
                    curves.add(key)
                elif is_leaf(leaf):
                    place = "none" if key == "best_accuracy" else home
                    table.setdefault(place, {}).setdefault(key, {})[name] = leaf
    return {
        lens: {key: leaves for key, leaves in metrics.items() if key not in curves}
        for lens, metrics in table.items()
    }


def _common_reason(leaves: Mapping[str, Mapping[str, Any]], bare: Collection[str]) -> str | None:
    """Where no optimizer has a value: why, for each optimizer where the reasons differ.

    Optimizers without hyperparameters lack most things by nature: the others' reasons count.
    """
    if any(text.is_number(leaf.get("value")) for leaf in leaves.values()):
        return None
    reasons = {
        name: str(leaf.get("reason") or "no reason is given") for name, leaf in leaves.items()
    }
    own = {name: reason for name, reason in reasons.items() if name not in bare} or reasons
    if len(set(own.values())) == 1:
        return next(iter(own.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in own.items())


def _row(key: str, cells: Sequence[Cell]) -> Row:
    one = text.metric(key)
    return Row(
        label=one.label,
        unit=one.unit + (f", {one.better} is better" if one.better else ""),
        explanation=one.explanation,
        key=key,
        cells=tuple(cells),
        headline=key == HEADLINE,
    )


def cell(
    leaf: Mapping[str, Any] | None, one: text.Metric, notes: Notes, *, footnote: bool = True
) -> Cell:
    """A leaf as people read it; an en dash with the reason (a footnote or a hint) for null."""
    if leaf is None:
        return Cell(value="")
    value = leaf.get("value")
    if not text.is_number(value):
        reason = str(leaf.get("reason") or "no reason is given")
        note = notes.number(text.sentence(reason)) if footnote else None
        return Cell(value=text.DASH, note=note, hint=reason)
    ends = text.interval(leaf.get("low"), leaf.get("high"), one)
    if censored := leaf.get("censored"):
        side = {"low": "≥, its low end", "high": "≥, its high end"}.get(
            str(censored), "≥, both its ends"
        )
        hint = f"{side} lies outside what was measured"
        value_text = f"≥ {text.number(value, one)}"
        if ends:
            # Nothing is known above: only the interval's low end says something.
            hint += f"; its interval begins at {text.number(leaf.get('low'), one)}"
        ends = ""
    else:
        hint, value_text = "", text.number(value, one)
    origin = [hint, f"n = {text.count(leaf.get('n'))}" if leaf.get("n") is not None else ""]
    origin.append(str(leaf.get("method") or ""))
    return Cell(
        value=value_text,
        interval=ends,
        hint="; ".join(part for part in origin if part),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One paired comparison: candidate − baseline."""

    label: str
    key: str
    unit: str
    difference: str
    interval: str
    p_value: str
    verdict: str
    winner: str
    note: int | None = None
    trials: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LensRows:
    """The comparisons of one pair in one lens."""

    title: str
    rows: tuple[Comparison, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """All comparisons of two optimizers; `more` are the secondary ones, folded away."""

    candidate: str
    baseline: str
    lenses: tuple[LensRows, ...]
    more: tuple[LensRows, ...] = ()


def comparisons(
    summary: Mapping[str, Any],
    *,
    titles: Mapping[str, str] = LENSES,
    behind: PairBehind | None = None,
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Comparisons by pair and lens, in the summary's order, and their footnotes.

    `titles` are the lenses' headings. `behind` says which trials a difference rests on.
    """
    notes = Notes()
    pairs: dict[tuple[str, str], dict[str, list[Comparison]]] = {}
    for entry in summary.get("comparisons") or ():
        names = (str(entry.get("candidate")), str(entry.get("baseline")))
        lens = str(entry.get("lens"))
        rows = pairs.setdefault(names, {}).setdefault(titles.get(lens, lens), [])
        rows.append(_comparison(entry, notes, behind(entry) if behind else ""))
    made = tuple(
        Pair(
            candidate=candidate,
            baseline=baseline,
            lenses=_part(lenses, secondary=False),
            more=_part(lenses, secondary=True),
        )
        for (candidate, baseline), lenses in pairs.items()
    )
    return made, tuple(notes.texts)


def _part(lenses: Mapping[str, list[Comparison]], *, secondary: bool) -> tuple[LensRows, ...]:
    chosen = {
        title: tuple(row for row in rows if row.key.startswith(_SECONDARY) == secondary)
        for title, rows in lenses.items()
    }
    captions = {LENSES["own_best"]: OWN_BEST_DIFFERENCES}
    return tuple(
        LensRows(title=title, rows=rows, caption=captions.get(title, ""))
        for title, rows in chosen.items()
        if rows
    )


def _comparison(entry: Mapping[str, Any], notes: Notes, trials: str) -> Comparison:
    one = text.metric(str(entry.get("metric")))
    difference = entry.get("difference")
    verdict = str(entry.get("verdict") or "undecided")
    winner = str(entry.get(verdict, "")) if verdict in ("candidate", "baseline") else ""
    note = None
    if not text.is_number(difference):
        reason = str(entry.get("reason") or "there is no estimate to compare")
        note = notes.number(text.sentence(reason))
    label = one.label
    if any(points := entry.get("points") or ()):
        label += f" (fixed points {' and '.join(str(point) for point in points)})"
    return Comparison(
        label=label,
        key=one.key,
        unit=one.difference_unit,
        difference=text.number(difference, one, sign=True),
        interval=text.interval(entry.get("low"), entry.get("high"), one, sign=True),
        p_value=text.p_value(entry.get("p_value")),
        verdict=verdict,
        winner=winner,
        note=note,
        trials="" if note else trials,
        what=f"{label}, {entry.get('candidate')} − {entry.get('baseline')}",
    )
