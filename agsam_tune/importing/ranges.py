"""Search spaces of imported trials: as given, as the storage says, or as the data show.

In: settings and what is known of their ranges. Out: a `SearchSpace` per optimizer, and notes that
say what was inferred. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.importing.options import ImportOptions
from agsam_tune.importing.settings import LENGTH, SAME, Settings
from agsam_tune.importing.source import Box, Findings, Source
from agsam_tune.study import Range, SearchSpace, StudyError, read_search_space
from agsam_tune.study.errors import nearest
from agsam_tune.study.model import PHASE_NAMES

__all__ = ["Ends", "drawn_from", "given_spaces", "is_nearer_in_log", "search_spaces"]

Array = NDArray[np.float64]
Ends = tuple[float, float]

#: Phases whose points lie inside the search space.
_INSIDE = ("map", "tune", "iid")


def given_spaces(
    folder: Path | None, optimizers: Iterable[str], findings: Findings
) -> dict[str, SearchSpace]:
    """The search spaces in `folder`, NAME.toml each, of those optimizers that have one there."""
    if folder is None:
        return {}
    if not folder.is_dir():
        findings.add("--search-spaces", f"{folder} is no folder")
        return {}
    found = {}
    for optimizer in optimizers:
        path = folder / f"{optimizer}.toml"
        # An optimizer's name is a foreign text: it must not lead out of the folder.
        if Path(optimizer).name != optimizer or not path.is_file():
            continue
        try:
            found[optimizer] = read_search_space(path)
        except StudyError as error:
            for problem in error.problems:
                findings.add("--search-spaces", str(problem))
    if not found:
        findings.add("--search-spaces", f"{folder} has a file for none of the optimizers")
    return found


def search_spaces(
    source: Source,
    keys: pd.DataFrame,
    settings: Settings,
    given: Mapping[str, SearchSpace],
    options: ImportOptions,
    findings: Findings,
) -> tuple[dict[str, SearchSpace], list[str]]:
    """Every optimizer's search space, and a note on what was inferred.

    Args:
        source: the trials, with the ranges that a storage knows.
        keys: optimizer, phase and point of each row.
        settings: the hyperparameters of each row.
        given: search spaces that were handed in, by optimizer.
        options: ranges that were said, and by how much everything is off in `off`.
        findings: where to add what does not fit them.
    """
    _check_said(options, settings, findings)
    key = _key_of(settings.names, options)
    spaces: dict[str, SearchSpace] = {}
    inferred: dict[str, dict[str, Range]] = {}
    for optimizer, names in settings.names.items():
        known = given[optimizer].ranges if optimizer in given else {}
        for name in known:
            if name not in names:
                message = f"{optimizer}.toml has {name}, of which these trials have no values"
                findings.add("--search-spaces", message)
        ranges = {}
        for name in names:
            values = _Values(keys=keys, name=name, values=settings.values[name])
            if name in options.ranges or name in known:
                said = name in options.ranges
                box = _said(values, optimizer, options.ranges[name]) if said else known[name]
                ranges[name] = box
                place = "of --range" if said else f"in {optimizer}.toml"
                _check_inside(source, values, optimizer, box, place, findings)
            elif (optimizer, name) in source.boxes:
                ranges[name] = _boxed(source.boxes[optimizer, name], values, optimizer)
            else:
                ranges[name] = _inferred(values, optimizer, options.factor if name == key else None)
                inferred.setdefault(name, {})[optimizer] = ranges[name]
        has_ascent = optimizer not in given or given[optimizer].ascent
        spaces[optimizer] = SearchSpace(optimizer=optimizer, ranges=ranges, ascent=has_ascent)
    return spaces, [*_notes(inferred), *_apart(keys, settings, spaces)]


def is_nearer_in_log(values: Array) -> bool:
    """Whether values are likelier evenly spread in their logarithms than as they are.

    The more likely of two distributions between the smallest and the largest value, one uniform
    and one uniform in the logarithm (J. Neyman and E. Pearson, 1933: no test is more powerful).
    False where a value is not positive.
    """
    low, high = values.min(), values.max()
    if low <= 0:
        return False
    # Mean log densities: -log(high - low), and -log(x) - log(log(high / low)).
    return bool(-np.log(values).mean() - np.log(np.log(high / low)) > -np.log(high - low))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """One hyperparameter in every row.

    Attributes:
        keys: optimizer, phase and point of each row.
        name: the hyperparameter.
        values: its values, (N,).
    """

    keys: pd.DataFrame
    name: str
    values: Array

    def of(self, optimizer: str) -> pd.Series:
        """One value a point, from the phases that stay inside the box; from all if none varies.

        Indexed by (phase, point). Lengths of steps are left out.
        """
        column = self._in(optimizer, PHASE_NAMES)
        for phases in (("map",), _INSIDE):
            part = column[column.index.get_level_values("phase").isin(phases)]
            if part.nunique() > 1:
                return part
        return column

    def default(self, optimizer: str) -> float | None:
        """What it is where it is not looked at: in `default`, or all through `key`."""
        for phase in ("default", "key"):
            values = self._in(optimizer, [phase]).unique()
            if len(values) == 1:
                return float(values[0])
        return None

    def in_phase(self, optimizer: str, phase: str) -> Array:
        """Its values in a phase."""
        return np.asarray(self._in(optimizer, [phase]).unique(), dtype=float)

    def _in(self, optimizer: str, phases: Collection[str]) -> pd.Series:
        wanted = [phase for phase in phases if (phase, self.name) != ("radius", LENGTH)]
        mine = (self.keys["optimizer"] == optimizer) & self.keys["phase"].isin(wanted)
        own = self.keys[mine]
        column = pd.Series(
            self.values[own.index], index=pd.MultiIndex.from_frame(own[["phase", "point"]])
        )
        return column[~column.index.duplicated()]


def drawn_from(
    frame: pd.DataFrame, names: Mapping[str, Collection[str]], values: Mapping[str, Array]
) -> dict[tuple[str, str, str], Ends]:
    """(optimizer, phase, hyperparameter) → smallest and largest value, of `key`, `off`, `radius`.

    Of `radius` the length of the steps alone; of the others what varies and is positive.

    Args:
        frame: optimizer and phase of each row.
        names: optimizer → its hyperparameters.
        values: column → its values, (N,).
    """
    found: dict[tuple[str, str, str], Ends] = {}
    for optimizer, own in names.items():
        for phase in ("key", "off", "radius"):
            mine = ((frame["optimizer"] == optimizer) & (frame["phase"] == phase)).to_numpy()
            for name in (LENGTH,) if phase == "radius" else own:
                part = values[name][mine] if mine.any() else np.array([])
                if len(part) and 0 < part.min() < part.max():
                    found[optimizer, phase, name] = float(part.min()), float(part.max())
    return found


def _check_said(options: ImportOptions, settings: Settings, findings: Findings) -> None:
    for name in options.ranges:
        if name not in settings.values:
            listed = ", ".join(settings.values) or "none"
            message = f"found {name!r}, allowed: a hyperparameter of these trials: {listed}"
            findings.add("--range", message + nearest(name, settings.values))


def _said(values: _Values, optimizer: str, ends: Ends) -> Range:
    """The range that was said; its scale and its default are as the data have it."""
    own = values.of(optimizer).to_numpy()
    return _range(ends, is_nearer_in_log(own) and ends[0] > 0, values, optimizer)


def _inferred(values: _Values, optimizer: str, factor: float | None) -> Range:
    """From the smallest to the largest value among all optimizers that have the same points.

    Where equal numbers of points are not equal settings, the optimizers were sampled apart, and
    each has a range of its own.

    Args:
        values: the hyperparameter's.
        optimizer: whose range.
        factor: of the key, by how much it is drawn beyond the box in `off`, from which the box is
            taken where nothing else shows it; None for what is no key.
    """
    own = values.of(optimizer)
    alike = [
        values.of(other)
        for other in values.keys["optimizer"].unique()
        if other != optimizer and _paired(own, values.of(other))
    ]
    pooled = np.concatenate([own, *alike])
    ends = float(pooled.min()), float(pooled.max())
    off = values.in_phase(optimizer, "off")
    if factor is not None and _only_off(own) and off.min() > 0:
        inner = float(off.min()) * factor, float(off.max()) / factor
        ends = inner if inner[0] < inner[1] else ends
    return _range(ends, is_nearer_in_log(pooled), values, optimizer)


def _key_of(names: Mapping[str, Collection[str]], options: ImportOptions) -> str | None:
    """What sets the scale of the comparison: what is named, else rho, else lr, where both have it.

    Without a pair: where all have it that have any.
    """
    pair = [o for o in names if o in (options.candidate, options.baseline)]
    own = [names[o] for o in pair or names if names[o]]
    wanted = (options.key,) if options.key else ("rho", "lr")
    return next((name for name in wanted if own and all(name in one for one in own)), None)


def _only_off(own: pd.Series) -> bool:
    phases = set(own.index.get_level_values("phase"))
    return "off" in phases and not phases & set(_INSIDE)


def _range(ends: Ends, log: bool, values: _Values, optimizer: str) -> Range:
    default = values.default(optimizer)
    if default is None:
        default = _middle(values.of(optimizer).to_numpy())
    return Range(low=ends[0], high=ends[1], log=log, default=float(np.clip(default, *ends)))


def _paired(one: pd.Series, other: pd.Series) -> bool:
    both = pd.concat([one, other], axis=1, join="inner").dropna()
    return len(both) > 0 and bool(np.allclose(both.iloc[:, 0], both.iloc[:, 1], rtol=SAME, atol=0))


def _apart(keys: pd.DataFrame, settings: Settings, spaces: Mapping[str, SearchSpace]) -> list[str]:
    """A note on optimizers whose equal numbers of points are not equal settings."""
    found = []
    for one, other in combinations(spaces, 2):
        shared = [name for name in spaces[one].names if name in spaces[other].names]
        columns = [_Values(keys=keys, name=n, values=settings.values[n]) for n in shared]
        if not all(_paired(own.of(one), own.of(other)) for own in columns):
            found.append(f"{one} and {other}")
    if not found:
        return []
    return [
        f"Points of the same number are not the same setting for {', '.join(found)}: nothing is "
        "compared setting by setting there."
    ]


def _boxed(box: Box, values: _Values, optimizer: str) -> Range:
    return _range((box.low, box.high), box.log, values, optimizer)


def _middle(values: Array) -> float:
    """One of the values, near their median."""
    return float(np.sort(values)[(len(values) - 1) // 2])


def _check_inside(
    source: Source, own: _Values, optimizer: str, box: Range, place: str, findings: Findings
) -> None:
    inside = own.keys["phase"].isin(_INSIDE) & (own.keys["optimizer"] == optimizer)
    room = SAME * max(abs(box.low), abs(box.high))
    values = own.values
    outside = inside.to_numpy() & ((values < box.low - room) | (values > box.high + room))
    if outside.any():
        found = f"found {values[outside][0]:g}"
        allowed = f"allowed: {box.low:g} to {box.high:g}, the range {place}"
        findings.add(f"column {own.name!r}", f"{source.rows(outside)}: {found}, {allowed}")


def _notes(inferred: Mapping[str, Mapping[str, Range]]) -> list[str]:
    """What was inferred, one range for all optimizers that have the same."""
    parts = []
    for name, ranges in inferred.items():
        by_text: dict[str, list[str]] = {}
        for optimizer, box in ranges.items():
            text = f"{box.low:g} to {box.high:g}{', logarithmic' if box.log else ''}"
            by_text.setdefault(text, []).append(optimizer)
        for text, optimizers in by_text.items():
            whose = f" ({', '.join(optimizers)})" if len(by_text) > 1 else ""
            parts.append(f"{name} {text}{whose}")
    if not parts:
        return []
    return [
        f"Ranges are as the data show them: {'; '.join(parts)}. Give them with --range or "
        "--search-spaces to have the exact ones."
    ]
