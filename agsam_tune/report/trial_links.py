"""Which trials are behind a number: selections of the trials table, as links carry them.

In: the `Material`. Out: selections, texts such as `optimizer=gsam&phase=map&state=COMPLETE`, which
the page's script reads (templates/trials.js). Must not import torch, Ray, Optuna or matplotlib.

A selection is clauses apart by `;`, of which one must hold for a trial; a clause is conditions
apart by `&`, of which all must hold; a condition is a column, `=`, and the allowed values apart by
`,`. A value of a number's column may be a range `low..high`, `odd` or `even`; that of a flag is
`yes` or `no`. Names are percent-encoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd

from agsam_tune.report import frames, text
from agsam_tune.report.material import Material
from agsam_tune.study import MissetPoint, misset_layout

Clause = Mapping[str, object]
"""Column → its allowed value, or a sequence of them."""

ALL_TRIALS = "state=COMPLETE,FAIL"
FLAGS = ("diverged", "failed")
_FIGURES: Mapping[str, tuple[str, ...]] = {
    "fixed": ("fixed",),
    "accuracy": ("map", "misset"),
    "misset": ("misset",),
    "surface": ("map", "iid"),
    "difference": ("map", "iid"),
    "distribution": ("map",),
    "tuning": ("iid",),
    "indices": ("map",),
    "range": ("map", "misset"),
}
"""The phases of the trials that a figure shows, by the first word of its key."""

_OF_THE_MAP = ("noise_share", "sobol_", "rbd_fast", "importance_", "mean_accuracy", "failure_rate")


def selection(*clauses: Clause) -> str:
    """The clauses as text; equal ones once."""
    return ";".join(dict.fromkeys("&".join(_conditions(clause)) for clause in clauses))


def _conditions(clause: Clause) -> list[str]:
    made = []
    for key, allowed in clause.items():
        values = allowed if isinstance(allowed, (list, tuple)) else (allowed,)
        made.append(f"{quote(key, safe='')}={','.join(quote(str(v), safe='') for v in values)}")
    return made


def chosen(trials: pd.DataFrame, wanted: str, chance: float | None) -> pd.Series:
    """Which trials a selection holds (a boolean column aligned with `trials`)."""
    found = np.zeros(len(trials), dtype=bool)
    for clause in wanted.split(";"):
        inside = np.ones(len(trials), dtype=bool)
        for condition in filter(None, clause.split("&")):
            key, _, allowed = condition.partition("=")
            values = [unquote(value) for value in allowed.split(",")]
            inside &= _holds(trials, unquote(key), values, chance)
        found |= inside
    return pd.Series(found, index=trials.index)


def _holds(trials: pd.DataFrame, key: str, values: list[str], chance: float | None) -> Any:
    if key in FLAGS:
        flags = frames.failed(trials, chance) if key == "failed" else trials[key].astype(bool)
        return flags.map({True: "yes", False: "no"}).isin(values).to_numpy()
    if not pd.api.types.is_numeric_dtype(trials[key]):
        return trials[key].isin(values).to_numpy()
    column = trials[key].to_numpy(dtype=float, na_value=np.nan)
    found = np.zeros(len(column), dtype=bool)
    for value in values:
        if value in ("odd", "even"):
            found |= column % 2 == (value == "odd")
            continue
        low, _, high = value.partition("..")
        found |= (column >= float(low)) & (column <= float(high or low))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The selections of one study's numbers.

    Attributes:
        best: optimizer → the clauses of the trials that its own best's accuracy is the mean of.
        leader: the optimizer with the highest accuracy at its own best; empty if there is none.
        box: hyperparameter → its range that all optimizers share, where their ranges differ.
        hyperparameters: the union over all optimizers, in the study's order.
    """

    candidate: str | None
    baseline: str | None
    control: str | None
    best: Mapping[str, Clause]
    leader: str
    box: Mapping[str, Sequence[float]]
    own: Mapping[str, frozenset[str]]
    hyperparameters: tuple[str, ...]

    def estimate(self, lens: str, metric: str, optimizer: str) -> str:
        """Behind one metric of one optimizer."""
        if metric == "best_accuracy":
            return self._text(self._best(optimizer))
        clauses = {"rho": self._rho, "own_best": self._own_best, "radius": self._radius}
        return self._text(*clauses[lens](metric, optimizer)) if lens in clauses else ""

    def comparison(self, entry: Mapping[str, Any]) -> str:
        """Behind an entry of the summary's comparisons: the trials of both."""
        pair = [str(entry.get(role)) for role in ("candidate", "baseline")]
        if entry.get("lens") == "fixed":
            places = zip(pair, entry.get("points") or (0, 0), strict=True)
            return _union(self.fixed(name, point) for name, point in places)
        return self._pair(str(entry.get("lens")), str(entry.get("metric")), pair)

    def _pair(self, lens: str, metric: str, pair: Sequence[str]) -> str:
        return _union(self.estimate(lens, metric, name) for name in pair)

    def reason(self, words: str) -> str:
        """Behind one of the claim's sentences, which its words tell apart; else empty."""
        candidate, baseline, control = self.candidate, self.baseline, self.control
        if candidate is None or baseline is None or "there is no estimate" in words:
            return ""
        lenses = {
            "same settings": "rho",
            "own best setting": "own_best",
            "measured radius": "radius",
        }
        for sign, lens in lenses.items():
            if sign in words:
                return self._pair(lens, "regret_sensitivity", (candidate, baseline))
        if "the unit of rho" in words and control is not None:
            return self._text(*(self._map(name) for name in (candidate, baseline, control)))
        if words.startswith("Plain sgd"):
            return self._text(*(self._best(name) for name in ("sgd", candidate, baseline)))
        return ""

    def range(self, entry: Mapping[str, Any]) -> str:
        """Behind an entry of the summary's range curve: the claim's metric in a part of the box."""
        pair = [name for name in (self.candidate, self.baseline) if name is not None]
        lens, axis, box = (entry.get(key) for key in ("lens", "axis", "box"))
        if lens == "rho":
            parts = ((self._inside(name, box or {}), self._best(name)) for name in pair)
            return _union(self._text(*part) for part in parts)
        if lens == "own_best" and entry.get("change") != "whole":
            kind = axis if axis in self.hyperparameters else "all"
            most = max((box or {}).get("factor") or [math.inf])
            return self._text(*(self._misset(name, str(kind), most=most) for name in pair))
        return self._pair(str(lens), "regret_sensitivity", pair)

    def _inside(self, optimizer: str, box: Mapping[str, Sequence[float]]) -> Clause:
        """The optimizer's map inside a box; beyond the study's own there is nothing."""
        own = self.own.get(optimizer, frozenset())
        within = {
            name: f"{float(low)!r}..{float(high)!r}"
            for name, (low, high) in box.items()
            if name in own
        }
        return {**self._map(optimizer), **within}

    def figure(self, key: str, phases: Sequence[str]) -> str:
        """Behind a figure; `phases` are those of the learning curves."""
        kind = key.partition("-")[0]
        if kind == "learning":
            return self.phases(*phases)
        if kind == "claim" and self.candidate and self.baseline:
            pair = (self.candidate, self.baseline)
            lenses = ("rho", "own_best", "radius")
            return _union(self._pair(lens, "regret_sensitivity", pair) for lens in lenses)
        if kind == "gap":
            trio = (self.candidate, self.baseline, self.control)
            return self._text(*(self._map(name) for name in trio if name is not None))
        return self.phases(*_FIGURES[kind]) if kind in _FIGURES else ""

    def setting(self, optimizer: str, best: Mapping[str, Any]) -> str:
        """Behind an own best setting: the trials that chose it and those that measured it."""
        place = {"phase": best["phase"], "point": best["point"]}
        return self._text({"optimizer": optimizer, **place}, self._best(optimizer))

    def fixed(self, optimizer: str, point: int) -> str:
        """Behind a fixed point's numbers."""
        return self._text({"optimizer": optimizer, "phase": "fixed", "point": point})

    def phases(self, *names: str) -> str:
        """All finished trials of those phases."""
        return self._text({"phase": names})

    def _text(self, *clauses: Clause) -> str:
        return selection(*({**clause, "state": "COMPLETE"} for clause in clauses if clause))

    def _best(self, optimizer: str) -> Clause:
        return self.best.get(optimizer, {})

    def _map(self, optimizer: str) -> Clause:
        inside = {
            name: f"{float(low)!r}..{float(high)!r}"
            for name, (low, high) in self.box.items()
            if name in self.own.get(optimizer, ())
        }
        return {"optimizer": optimizer, "phase": "map", **inside}

    def _rho(self, metric: str, optimizer: str) -> tuple[Clause, ...]:
        if metric.startswith(_OF_THE_MAP):
            return (self._map(optimizer),)
        if metric == "win_probability":
            return self._against(self._map, optimizer)
        if metric == "regret_common_best":
            return self._map(optimizer), self._best(self.leader)
        return self._map(optimizer), self._best(optimizer)

    def _own_best(self, metric: str, optimizer: str) -> tuple[Clause, ...]:
        if metric.startswith("tuning_curve"):
            return ({"optimizer": optimizer, "phase": "iid"},)
        if metric == "win_probability":
            return self._against(lambda name: self._misset(name, "all", best=False), optimizer)
        if metric == "tolerance_decades":
            return (self._misset(optimizer, "rho"),)
        if metric.startswith("misset_penalty_"):
            factor, _, kind = metric.removeprefix("misset_penalty_").partition("_")
            return (self._misset(optimizer, kind, most=float(factor)),)
        return (self._misset(optimizer, "all"),)

    def _radius(self, metric: str, optimizer: str) -> tuple[Clause, ...]:
        del metric  # All of them rest on the whole map.
        return ({"optimizer": optimizer, "phase": "map"},)

    def _against(self, clause: Any, optimizer: str) -> tuple[Clause, ...]:
        names = [name for name in (optimizer, self.baseline) if name is not None]
        return tuple(clause(name) for name in names)

    def _misset(
        self, optimizer: str, kind: str, *, most: float | None = None, best: bool = True
    ) -> Clause:
        points = [
            one.point
            for one in misset_layout(self.hyperparameters)
            if (one.kind == "best" and best) or (one.kind == kind and _within(one, most))
        ]
        return {"optimizer": optimizer, "phase": "misset", "point": ranges(points)}


def behind(material: Material) -> Behind:
    """The selections of a run's numbers."""
    study, summary = material.study, material.summary
    return Behind(
        candidate=study.candidate,
        baseline=study.baseline,
        control=study.control,
        best={name: _best_clause(material, name) for name in material.optimizers},
        leader=_leader(material),
        box=summary.get("rho_box") or {},
        own={name: frozenset(study.search_spaces[name].names) for name in study.optimizers},
        hyperparameters=study.hyperparameters,
    )


def _union(selections: Iterable[str]) -> str:
    return ";".join(dict.fromkeys(";".join(filter(None, selections)).split(";")))


def ranges(numbers: Sequence[int]) -> list[str]:
    """Rising whole numbers with runs as ranges: 0, 3, 4, 5 is `0`, `3..5`."""
    made: list[list[int]] = []
    for number in numbers:
        if made and number == made[-1][-1] + 1:
            made[-1].append(number)
        else:
            made.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in made]


def _within(one: MissetPoint, most: float | None) -> bool:
    """Whether a mis-set point counts for factors up to `most`; each of them has its own draws."""
    if one.factor is None or most is None:
        return True
    if one.kind == "all":
        return one.factor == most
    return max(one.factor, 1 / one.factor) <= most * (1 + 1e-9)


def _leader(material: Material) -> str:
    known = {}
    for name in material.study.optimizers:
        metrics = ((material.summary.get("optimizers") or {}).get(name) or {}).get("metrics") or {}
        value: Any = ((metrics.get("own_best") or {}).get("best_accuracy") or {}).get("value")
        if text.is_number(value):
            known[name] = float(value)
    return max(known, key=lambda name: known[name], default="")


def _best_clause(material: Material, optimizer: str) -> Clause:
    """Where the own best was measured: fresh seeds, else the odd ones, all where none chose."""
    rows = frames.complete(material.trials)
    rows = rows[rows["optimizer"] == optimizer]
    if ((rows["phase"] == "misset") & (rows["point"] == 0)).any():
        return {"optimizer": optimizer, "phase": "misset", "point": 0}
    entry = (material.summary.get("optimizers") or {}).get(optimizer) or {}
    best = entry.get("best_point") or {}
    if best.get("phase") is None:
        return {}
    where = {"optimizer": optimizer, "phase": best["phase"], "point": best["point"]}
    return where if optimizer in material.bare else {**where, "seed": "odd"}
