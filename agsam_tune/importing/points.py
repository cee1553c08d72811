"""Points and seeds of trials that do not number theirs: equal settings are a point.

In: a `Source` and the columns that may be settings. Out: which of them are none, and the source
with the columns `point` and `seed`. Must not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.importing.cells import is_missing, raw_numbers
from agsam_tune.importing.source import Findings, Source
from agsam_tune.importing.vocabulary import is_tunable

__all__ = ["Codes", "codes_of", "no_settings", "numbered"]

Codes = NDArray[np.int64]

# As many texts that all differ are no levels, but names.
_MANY = 8
# Numbers of more digits were drawn, and do not come twice by chance.
_ROUND = 4


def codes_of(source: Source, column: str) -> Codes:
    """Equal codes for equal cells, −1 where there is nothing, (N,).

    Numbers are compared to nine digits: programs write the same one with more or fewer. -0 is 0.
    """
    values, _ = raw_numbers(source, column)
    cells = source.table[column].tolist()
    empty = source.table[column].isna().tolist()
    words = [
        None if gap else f"{value + 0.0:.9g}" if value == value else str(cell).strip()
        for cell, value, gap in zip(cells, values, empty, strict=True)
    ]
    return np.asarray(pd.factorize(np.array(words, dtype=object))[0], dtype=np.int64)


def no_settings(source: Source, codes: Mapping[str, Codes], findings: Findings) -> set[str]:
    """The columns that differ between trainings of one setting, and so are not part of it.

    What rows of one setting are is known where points are numbered; where a few seeds repeat, and
    each is once at every value of the other columns; or where the other columns repeat numbers
    that were drawn. Where it cannot be told, it is asked. Where the source says what was set, only
    texts that differ in every row are none of it. What is a hyperparameter by its name stays one.

    Args:
        source: the trials.
        codes: the columns that may be settings, (N,) each.
        findings: where to ask.
    """
    unique = {name for name in codes if not is_tunable(name) and _all_differ(source, name)}
    texts = {name for name in unique if len(codes[name]) >= _MANY and _is_text(source, name)}
    if source.settings:
        return texts  # what else was set is known
    others = [name for name in codes if name not in unique]
    if "point" in source.table and not is_missing(source, "point").any():
        groups = _groups(source, {"point": codes_of(source, "point")}, ["point"])
        varying = {name for name, own in codes.items() if _varies(own, groups)}
        return texts | {name for name in varying if name in unique or _is_text(source, name)}
    if (seeds := _crossed_seeds(source)) is not None:
        for core in ([name for name in others if is_tunable(name)], others):
            groups = _groups(source, codes, core)
            keys = pd.DataFrame({"group": groups, "seed": seeds})
            if core and _repeats(groups) and not keys.duplicated().any():
                rest = set(codes) - set(core)
                return texts | {name for name in rest if _varies(codes[name], groups)}
    return texts | _measured(source, codes, unique - texts, others, findings)


def _measured(
    source: Source,
    codes: Mapping[str, Codes],
    unique: set[str],
    others: Sequence[str],
    findings: Findings,
) -> set[str]:
    """Of numbers that differ in every row, those that do so though the other columns repeat."""
    if any(is_tunable(name) and _all_differ(source, name) for name in others):
        return set()
    core = [name for name in others if _varies(codes[name], _groups(source, {}, []))]
    table = pd.DataFrame({name: codes[name] for name in core}, index=range(len(source.table)))
    shared = {name for name in unique if core and table[codes[name] >= 0].duplicated().any()}
    if shared and not any(_repeats_drawn(source, name) for name in core):
        message = (
            f"in every row another value, while other columns repeat: {', '.join(sorted(shared))}; "
            "name the columns that are hyperparameters with --hyperparameter"
        )
        findings.add("columns", message)
    return shared


def numbered(source: Source, codes: Mapping[str, Codes]) -> Source:
    """The source with the columns `point` and `seed`, where it has none.

    Optimizers that share settings share their numbers: equal numbers are equal values of all
    hyperparameters that every optimizer has. An optimizer that has no settings has one point.

    Args:
        source: the trials.
        codes: the settings, (N,) each.
    """
    lacks_point = is_missing(source, "point").all()
    lacks_seed = is_missing(source, "seed").all()
    if not lacks_point and not lacks_seed:
        return source
    table = source.table
    if lacks_point:
        table = table.assign(point=_point_numbers(source, codes).astype(object))
    if lacks_seed:
        keys = [name for name in ("optimizer", "phase", "point") if name in table]
        order = table.groupby([table[name].map(str) for name in keys], sort=False).cumcount()
        table = table.assign(seed=order.astype(object))
    parts = [
        *(["points from equal settings"] if lacks_point else []),
        *(["seeds in the order of the rows"] if lacks_seed else []),
    ]
    return replace(source, table=table).noted(f"Numbered here: {', '.join(parts)}.")


def _point_numbers(source: Source, codes: Mapping[str, Codes]) -> Codes:
    optimizers = _words(source, "optimizer")
    phases = _words(source, "phase")
    replicates = _words(source, "replicate")
    tuned, shared = _shared(optimizers, codes)
    every = list(zip(*(own.tolist() for own in codes.values()), strict=True))
    places: dict[tuple[object, ...], dict[tuple[int, ...], int]] = defaultdict(dict)
    numbers: dict[str, dict[tuple[object, ...], int]] = defaultdict(dict)
    found = np.zeros(len(optimizers), dtype=np.int64)
    for row, optimizer in enumerate(optimizers):
        if optimizer not in tuned:
            continue
        base = (replicates[row], *(int(codes[name][row]) for name in shared))
        # Settings that agree in what is shared are told apart by their order.
        own = places[optimizer, phases[row], base]
        place = own.setdefault(every[row], len(own))
        known = numbers[phases[row]]
        found[row] = known.setdefault((base, place), len(known))
    return found


def _shared(
    optimizers: Sequence[str], codes: Mapping[str, Codes]
) -> tuple[frozenset[str], list[str]]:
    """The optimizers that have settings, and which of these vary and all of them have."""
    names = np.array(optimizers)
    own = {one: {name: code[names == one] for name, code in codes.items()} for one in set(names)}
    varying = {one: [n for n, code in c.items() if np.ptp(code) > 0] for one, c in own.items()}
    tuned = frozenset(one for one, varies in varying.items() if varies)
    shared = [
        name
        for name in codes
        if any(name in varying[one] for one in tuned)
        and all((own[one][name] >= 0).all() for one in tuned)
    ]
    return tuned, shared


def _words(source: Source, column: str) -> list[str]:
    if column not in source.table:
        return [""] * len(source.table)
    return [str(cell).strip() for cell in source.table[column]]


def _groups(source: Source, codes: Mapping[str, Codes], names: Collection[str]) -> Codes:
    """Which rows agree in the optimizer and in the columns of these names, (N,)."""
    frame = pd.DataFrame({name: codes[name] for name in names}, index=range(len(source.table)))
    for key in ("optimizer", "phase", "replicate"):
        frame[f"key {key}"] = _words(source, key)
    columns = list(frame.columns)
    return np.asarray(frame.groupby(columns, sort=False).ngroup(), dtype=np.int64)


def _crossed_seeds(source: Source) -> Codes | None:
    """The seeds, where they are a few that come again and again; else None."""
    if "seed" not in source.table or is_missing(source, "seed").any():
        return None
    seeds = codes_of(source, "seed")
    return seeds if len(np.unique(seeds)) <= len(seeds) / 2 else None


def _all_differ(source: Source, name: str) -> bool:
    """Whether no cell comes twice, to the last digit: clocks differ late."""
    cells = source.table[name].dropna().map(str)
    return len(cells) > 2 and cells.is_unique


def _varies(codes: Codes, groups: Codes) -> bool:
    return bool((pd.Series(codes).groupby(groups).nunique() > 1).any())


def _repeats(groups: Codes) -> bool:
    return bool((np.bincount(groups) > 1).any())


def _is_text(source: Source, name: str) -> bool:
    return bool(np.isnan(raw_numbers(source, name)[0]).all())


def _repeats_drawn(source: Source, name: str) -> bool:
    """Whether a value of many digits comes twice."""
    values = pd.Series(raw_numbers(source, name)[0])
    drawn = values.map(lambda value: value == value and float(f"{value:.{_ROUND}g}") != value)
    return bool(values[drawn].duplicated().any())
