"""Search spaces of imported trials: as given, as the storage says, or as the data show.

In: settings and what is known of their ranges. Out: a `SearchSpace` per optimizer, and notes that
say what was inferred. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.importing.settings import SAME, Settings
from agsam_tune.importing.source import Box, Findings, Source
from agsam_tune.study import Range, SearchSpace, StudyError, read_search_space

__all__ = ["given_spaces", "is_nearer_in_log", "search_spaces"]

Array = NDArray[np.float64]

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
    findings: Findings,
) -> tuple[dict[str, SearchSpace], list[str]]:
    """Every optimizer's search space, and a note on what was inferred.

    Args:
        source: the trials, with the ranges that a storage knows.
        keys: optimizer, phase and point of each row.
        settings: the hyperparameters of each row.
        given: search spaces that were handed in, by optimizer.
        findings: where to add what does not fit them.
    """
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
            values = settings.values[name]
            if name in known:
                ranges[name] = known[name]
                _check_inside(source, keys, optimizer, name, values, known[name], findings)
            elif (optimizer, name) in source.boxes:
                ranges[name] = _boxed(source.boxes[optimizer, name], _own(keys, optimizer, values))
            else:
                ranges[name] = _inferred(keys, optimizer, values)
                inferred.setdefault(name, {})[optimizer] = ranges[name]
        spaces[optimizer] = SearchSpace(optimizer=optimizer, ranges=ranges)
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


def _inferred(keys: pd.DataFrame, optimizer: str, values: Array) -> Range:
    """From the smallest to the largest value among all optimizers that have the same points.

    Where equal numbers of points are not equal settings, the optimizers were sampled apart, and
    each has a range of its own: the analysis then does not pair them.
    """
    own = _own(keys, optimizer, values)
    alike = [
        _own(keys, other, values)
        for other in keys["optimizer"].unique()
        if other != optimizer and _paired(own, _own(keys, other, values))
    ]
    pooled = np.unique(np.concatenate([own, *alike]))
    low, high = float(pooled[0]), float(pooled[-1])
    log = is_nearer_in_log(np.concatenate([own, *alike]))
    return Range(low=low, high=high, log=log, default=_middle(pooled))


def _own(keys: pd.DataFrame, optimizer: str, values: Array) -> pd.Series:
    """One value a point, from the phases that stay inside the box; from all if it varies in none.

    Indexed by (phase, point).
    """
    own = keys[keys["optimizer"] == optimizer]
    column = pd.Series(values[own.index], index=pd.MultiIndex.from_frame(own[["phase", "point"]]))
    column = column[~column.index.duplicated()]
    for phases in (("map",), _INSIDE):
        part = column[column.index.get_level_values("phase").isin(phases)]
        if part.nunique() > 1:
            return part
    return column


def _paired(one: pd.Series, other: pd.Series) -> bool:
    both = pd.concat([one, other], axis=1, join="inner").dropna()
    return len(both) > 0 and bool(np.allclose(both.iloc[:, 0], both.iloc[:, 1], rtol=SAME, atol=0))


def _apart(keys: pd.DataFrame, settings: Settings, spaces: Mapping[str, SearchSpace]) -> list[str]:
    """A note on optimizers whose equal numbers of points are not equal settings."""
    found = []
    for one, other in combinations(spaces, 2):
        shared = [name for name in spaces[one].names if name in spaces[other].names]
        columns = [(_own(keys, o, settings.values[n]) for o in (one, other)) for n in shared]
        if not all(_paired(ours, theirs) for ours, theirs in columns):
            found.append(f"{one} and {other}")
    if not found:
        return []
    return [
        f"Points of the same number are not the same setting for {', '.join(found)}: nothing is "
        "compared setting by setting there."
    ]


def _boxed(box: Box, values: pd.Series) -> Range:
    middle = float(np.clip(_middle(values.to_numpy()), box.low, box.high))
    return Range(low=box.low, high=box.high, log=box.log, default=middle)


def _middle(values: Array) -> float:
    """One of the values, near their median."""
    return float(np.sort(values)[(len(values) - 1) // 2])


def _check_inside(
    source: Source,
    keys: pd.DataFrame,
    optimizer: str,
    name: str,
    values: Array,
    box: Range,
    findings: Findings,
) -> None:
    inside = keys["phase"].isin(_INSIDE) & (keys["optimizer"] == optimizer)
    room = SAME * max(abs(box.low), abs(box.high))
    outside = inside.to_numpy() & ((values < box.low - room) | (values > box.high + room))
    if outside.any():
        found = f"found {values[outside][0]:g}"
        allowed = f"allowed: {box.low:g} to {box.high:g}, the range in {optimizer}.toml"
        findings.add(f"column {name!r}", f"{source.rows(outside)}: {found}, {allowed}")


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
        f"Ranges are the smallest and largest values in the data: {'; '.join(parts)}. Give them "
        "with --search-spaces to have the exact ones."
    ]
