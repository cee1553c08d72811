"""Which columns are hyperparameters, and which of them each optimizer has.

In: a `Source` and the keys of its rows. Out: `Settings`. Must not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SHARPNESS
from agsam_tune.importing.cells import is_missing, numbers, raw_numbers
from agsam_tune.importing.source import Findings, Source
from agsam_tune.study import canonical_order
from agsam_tune.study.errors import nearest

__all__ = ["KNOWN", "Settings", "own_settings", "setting_columns"]

Array = NDArray[np.float64]

#: Columns that are something else than a hyperparameter.
KNOWN = frozenset({*BEFORE_HYPERPARAMETERS, *AFTER_HYPERPARAMETERS, *SHARPNESS})

#: Names that mean something else in learning curves, in `misset` and in search spaces.
_RESERVED = frozenset({"epoch", "f", "f_p", "best", "all", "description"})

#: Numbers that differ by less are the same one, written with another number of digits.
SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The hyperparameters of every row.

    Attributes:
        values: hyperparameter → its value in each row, (N,); NaN where the optimizer has none.
        names: optimizer → its hyperparameters, in canonical order.
        constants: optimizer → what has one value in all its rows, and is no hyperparameter.
    """

    values: Mapping[str, Array]
    names: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, Mapping[str, float]]


def setting_columns(
    source: Source, wanted: Sequence[str], findings: Findings
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The columns that are hyperparameters, and those that are not used: no numbers, or reserved.

    Args:
        source: the trials.
        wanted: those that were named; () for all columns of numbers that are not known ones.
        findings: where to add what is wrong.
    """
    if wanted:
        return _named(source, wanted, findings), ()
    found, ignored = {}, []
    for column in source.table.columns:
        if column in KNOWN:
            continue
        missing = is_missing(source, column)
        values, bad = raw_numbers(source, column)
        if missing.all() or bad[~missing].all() or column in _RESERVED:
            ignored.append(column)
        elif bad.any():
            first = source.table[column][bad].iloc[0]
            findings.add(
                f"column {column!r}",
                f"{source.rows(bad)}: found {first!r}, allowed: numbers; if it is no "
                "hyperparameter, name those that are with --hyperparameter",
            )
        else:
            found[column] = values
    return found, tuple(ignored)


def _named(source: Source, wanted: Sequence[str], findings: Findings) -> dict[str, Array]:
    found = {}
    for name in dict.fromkeys(wanted):
        if name not in source.table:
            others = [column for column in source.table.columns if column not in KNOWN]
            message = f"the source has no column {name!r}, found: {', '.join(others) or 'none'}"
            findings.add("--hyperparameter", message + nearest(name, others))
        elif name in KNOWN | _RESERVED:
            findings.add("--hyperparameter", f"{name!r} means something else; rename the column")
        else:
            found[name] = numbers(source, name, findings)
    return found


def own_settings(
    source: Source,
    columns: Mapping[str, Array],
    keys: pd.DataFrame,
    ranged: Collection[tuple[str, str]],
    ignored: Sequence[str],
    findings: Findings,
) -> Settings:
    """What each optimizer's hyperparameters are.

    Args:
        source: the trials.
        columns: the candidates, (N,) each.
        keys: optimizer, phase and point of each row.
        ranged: (optimizer, hyperparameter) of which the range is known: it is one though all its
            values be equal.
        ignored: columns that are not used.
        findings: where to add what is wrong.
    """
    values = {name: np.full(len(keys), np.nan) for name in columns}
    names: dict[str, list[str]] = {}
    constants: dict[str, dict[str, float]] = {}
    gappy: set[str] = set()
    for optimizer in keys["optimizer"].unique():
        own = (keys["optimizer"] == optimizer).to_numpy()
        names[optimizer] = []
        for name, column in columns.items():
            has = np.isfinite(column)
            if not has[own].any():
                continue
            if not has[own].all():
                gaps = source.rows(own & ~has)
                message = f"{gaps}: no finite number, though other trials of {optimizer} have one"
                findings.add(f"column {name!r}", message)
                gappy.add(optimizer)
            elif _equal(column[own]) and (optimizer, name) not in ranged:
                constants.setdefault(optimizer, {})[name] = float(column[own][0])
            else:
                names[optimizer].append(name)
                values[name][own] = column[own]
    _check_seeds(source, values, keys, findings)
    # What has gaps has been found wanting: that nothing else differs would be no news.
    bare = [name for name, own in names.items() if not own and name not in gappy]
    _check_bare(keys, bare, ignored, findings)
    kept = canonical_order(name for own in names.values() for name in own)
    return Settings(
        values={name: values[name] for name in kept},
        names={optimizer: canonical_order(own) for optimizer, own in names.items()},
        constants=constants,
    )


def _check_seeds(
    source: Source, values: Mapping[str, Array], keys: pd.DataFrame, findings: Findings
) -> None:
    """A point is one setting."""
    groups = keys.groupby(["optimizer", "phase", "point"], sort=False).ngroup().to_numpy()
    for name, column in values.items():
        first = pd.Series(column).groupby(groups).transform("first").to_numpy()
        differs = np.abs(column - first) > SAME * np.maximum(np.abs(column), np.abs(first))
        if differs.any():
            message = (
                f"{source.rows(differs)}: another value than at other seeds of the same point; a "
                "point is one setting. If it is no hyperparameter, name those that are with "
                "--hyperparameter"
            )
            findings.add(f"column {name!r}", message)


def _check_bare(
    keys: pd.DataFrame, bare: Sequence[str], ignored: Sequence[str], findings: Findings
) -> None:
    """An optimizer without hyperparameters has one point a phase."""
    unread = f" (columns that are not used: {', '.join(ignored)})" if ignored else ""
    for optimizer in bare:
        own = keys[(keys["optimizer"] == optimizer) & keys["phase"].isin(["map", "tune"])]
        if own["point"].nunique() > 1:
            message = (
                f"{optimizer} has {own['point'].nunique()} points, but no hyperparameter that "
                f"differs between them{unread}; its trainings are seeds of one point"
            )
            findings.add("column 'point'", message)


def _equal(values: Array) -> bool:
    return bool(np.ptp(values) <= SAME * np.abs(values).max())
