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
from agsam_tune.importing.cells import is_blank, numbers, raw_numbers
from agsam_tune.importing.points import Codes, codes_of, no_settings
from agsam_tune.importing.source import Findings, Source
from agsam_tune.importing.vocabulary import is_bookkeeping, is_measured, split_prefix
from agsam_tune.study import canonical_order
from agsam_tune.study.errors import nearest

__all__ = ["KNOWN", "LENGTH", "Candidates", "Settings", "own_settings", "setting_columns"]

Array = NDArray[np.float64]

#: Columns that are something else than a hyperparameter.
KNOWN = frozenset({*BEFORE_HYPERPARAMETERS, "index", *AFTER_HYPERPARAMETERS, *SHARPNESS})

#: In the phase `radius` this column is the length of the steps, of every optimizer.
LENGTH = "rho"

#: Names that mean something else in learning curves, in `misset` and in search spaces.
_RESERVED = frozenset({"epoch", "f", "f_p", "best", "all", "description"})

# Why a column is no hyperparameter, as a note begins.
_BY_NAME = (
    "No hyperparameters by their names (clocks, counters, ids, notes, measurements), unless "
    "--hyperparameter names them"
)
_DIFFERS = "No hyperparameters, since they differ though the setting is the same"
_EMPTY = "Columns that are empty"
_UNUSED = "Columns that are not used"
_CONSTANT = "What never varies is no hyperparameter of that optimizer"
_LEVELS = "What is not always a finite number makes points of its own, and no range is analysed"

# Levels that a note names; more are counted.
_NAMED = 5

#: Numbers that differ by less are the same one, written with another number of digits.
SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The columns that may be hyperparameters.

    Attributes:
        values: column → its numbers, (N,); NaN where a cell is empty or something else.
        codes: column → equal codes for equal cells, −1 where a cell is empty, (N,).
        unused: why columns are no settings → their names.
    """

    values: Mapping[str, Array]
    codes: Mapping[str, Codes]
    unused: Mapping[str, tuple[str, ...]]

    def notes(self) -> list[str]:
        """What is no hyperparameter, a sentence for each reason."""
        return [f"{why}: {', '.join(names)}." for why, names in self.unused.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The hyperparameters of every row.

    Attributes:
        values: hyperparameter → its value in each row, (N,); NaN where the optimizer has none.
        names: optimizer → its hyperparameters, in canonical order.
        constants: optimizer → what has one value in all its rows, and is no hyperparameter.
        levels: optimizer → what is not a number in all its rows → the values it has.
    """

    values: Mapping[str, Array]
    names: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, Mapping[str, float | str]]
    levels: Mapping[str, Mapping[str, tuple[str, ...]]]

    def notes(self) -> list[str]:
        """What is no hyperparameter of one optimizer, a sentence for each reason."""
        constants = [
            f"{optimizer} {', '.join(f'{name} = {shown(value)}' for name, value in own.items())}"
            for optimizer, own in self.constants.items()
        ]
        levels = [
            f"{optimizer} {', '.join(f'{name} ({_some(words)})' for name, words in own.items())}"
            for optimizer, own in self.levels.items()
        ]
        return [
            *([f"{_CONSTANT}: {'; '.join(constants)}."] if constants else []),
            *([f"{_LEVELS}: {'; '.join(levels)}."] if levels else []),
        ]


def setting_columns(source: Source, wanted: Sequence[str], findings: Findings) -> Candidates:
    """The columns that may be hyperparameters, and why the others are none.

    Args:
        source: the trials.
        wanted: those that were named; () for all but those that are something else by their name,
            by what the source says, or since they differ between trainings of one setting.
        findings: where to add what is wrong.
    """
    if wanted:
        values = _named(source, wanted, findings)
        codes = {name: codes_of(source, name) for name in values}
        others = tuple(c for c in source.table if c not in KNOWN and c not in values)
        return Candidates(values=values, codes=codes, unused={_UNUSED: others} if others else {})
    unused: dict[str, list[str]] = {}
    codes = {}
    for column in source.table.columns:
        if column in KNOWN:
            continue
        if why := _why_no_setting(source, column):
            unused.setdefault(why, []).append(column)
        else:
            codes[column] = codes_of(source, column)
    measured = set() if source.is_own else no_settings(source, codes, findings)
    if measured:
        unused[_DIFFERS] = [name for name in codes if name in measured]
    kept = {name: own for name, own in codes.items() if name not in measured}
    values = {name: _numbers(source, name, findings) for name in kept}
    return Candidates(
        values=values, codes=kept, unused={why: tuple(names) for why, names in unused.items()}
    )


def _why_no_setting(source: Source, column: str) -> str | None:
    if is_blank(source, column).all():
        return _EMPTY
    if column in _RESERVED or (not source.is_own and is_bookkeeping(column)):
        return _BY_NAME
    if source.settings:
        return None if column in source.settings else _UNUSED
    return _BY_NAME if is_measured(column) and not source.is_own else None


def _numbers(source: Source, column: str, findings: Findings) -> Array:
    """A column's numbers; a text among one optimizer's numbers is a mistake."""
    values, other = raw_numbers(source, column)
    if not other.any() or np.isnan(values).all():
        return values
    optimizers = source.table.get("optimizer", pd.Series("", index=source.table.index)).map(str)
    has_number = pd.Series(~np.isnan(values)).groupby(optimizers.to_numpy()).transform("any")
    wrong = other & has_number.to_numpy()
    if wrong.any():
        first = source.table[column][wrong].iloc[0]
        findings.add(
            f"column {column!r}",
            f"{source.rows(wrong)}: found {first!r}, allowed: numbers; if it is no "
            "hyperparameter, name those that are with --hyperparameter",
        )
    return values


def _named(source: Source, wanted: Sequence[str], findings: Findings) -> dict[str, Array]:
    found = {}
    for given in dict.fromkeys(wanted):
        name = given if given in source.table else split_prefix(given, by_line=True)[1]
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
    columns: Candidates,
    keys: pd.DataFrame,
    ranged: Collection[tuple[str, str]],
    findings: Findings,
) -> Settings:
    """What each optimizer's hyperparameters are: what is a number in all its rows, and varies.

    Args:
        source: the trials.
        columns: the candidates.
        keys: optimizer, phase and point of each row.
        ranged: (optimizer, hyperparameter) of which the range is known: it is one though all its
            values be equal.
        findings: where to add what is wrong.
    """
    values = {name: np.full(len(keys), np.nan) for name in columns.values}
    names: dict[str, list[str]] = {}
    constants: dict[str, dict[str, float | str]] = {}
    levels: dict[str, dict[str, tuple[str, ...]]] = {}
    gappy: set[str] = set()
    for optimizer in keys["optimizer"].unique():
        names[optimizer] = []
        for name, column in columns.values.items():
            code, has = columns.codes[name], np.isfinite(column)
            own = _said(keys, optimizer, name)
            if (code[own] < 0).all():
                continue
            if has[own].all():
                if _equal(column[own]) and (optimizer, name) not in ranged:
                    constants.setdefault(optimizer, {})[name] = float(column[own][0])
                else:
                    names[optimizer].append(name)
                    values[name][own] = column[own]
            elif has[own].any() and not _is_level(keys[own], code[own]):
                gaps = source.rows(own & ~has)
                message = (
                    f"{gaps}: no finite number, though other trials of {optimizer} have one; write "
                    "None where none was set, inf where there was no limit, or leave the column "
                    "out with --hyperparameter, which names the others"
                )
                findings.add(f"column {name!r}", message)
                gappy.add(optimizer)
            elif len(words := _distinct(source, name, own)) == 1:
                constants.setdefault(optimizer, {})[name] = words[0]
            else:
                levels.setdefault(optimizer, {})[name] = words
    _take_lengths(source, values, columns, keys, findings)
    _check_seeds(source, values, keys, findings)
    # What has gaps has been found wanting: that nothing else differs would be no news.
    bare = [name for name, own in names.items() if not own and name not in gappy]
    kept = canonical_order(name for name, column in values.items() if not np.isnan(column).all())
    found = Settings(
        values={name: values[name] for name in kept},
        names={optimizer: canonical_order(own) for optimizer, own in names.items()},
        constants=constants,
        levels=levels,
    )
    _check_bare(keys, bare, columns, found, findings)
    return found


def _said(keys: pd.DataFrame, optimizer: str, name: str) -> NDArray[np.bool_]:
    """The rows of an optimizer that say what it has: (N,)."""
    own = np.asarray(keys["optimizer"] == optimizer, dtype=bool)
    is_length = np.asarray(keys["phase"] == "radius", dtype=bool) & (name == LENGTH)
    return own & ~is_length if (own & ~is_length).any() else own


def _take_lengths(
    source: Source,
    values: dict[str, Array],
    columns: Candidates,
    keys: pd.DataFrame,
    findings: Findings,
) -> None:
    """The lengths of steps in the phase `radius`, whatever hyperparameters the optimizer has."""
    mine = (keys["phase"] == "radius").to_numpy()
    if not mine.any():
        return
    lengths = columns.values.get(LENGTH, np.full(len(keys), np.nan))
    wrong = mine & ~(np.isfinite(lengths) & (lengths > 0))
    if wrong.any():
        message = f"{source.rows(wrong)}: needed: lengths of steps > 0, as the phase radius has"
        findings.add(f"column {LENGTH!r}", message)
    values.setdefault(LENGTH, np.full(len(keys), np.nan))[mine] = lengths[mine]


def _is_level(keys: pd.DataFrame, codes: Codes) -> bool:
    """Whether a column of one optimizer has a value in each row, and one at each point."""
    points = [keys["phase"], keys["point"]]
    alike = pd.Series(codes, index=keys.index).groupby(points).nunique() == 1
    return bool((codes >= 0).all() and alike.all())


def _distinct(source: Source, column: str, own: NDArray[np.bool_]) -> tuple[str, ...]:
    cells = source.table[column].where(~is_blank(source, column), "nothing")[own]
    return tuple(dict.fromkeys(shown(cell) for cell in cells))


def shown(value: object) -> str:
    """A setting as a note shows it."""
    return f"{value:g}" if isinstance(value, float) else str(value).strip()


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return ", ".join(words[:_NAMED]) + more


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
    keys: pd.DataFrame,
    bare: Sequence[str],
    columns: Candidates,
    settings: Settings,
    findings: Findings,
) -> None:
    """An optimizer without hyperparameters has one point a phase and replicate."""
    unused = [name for names in columns.unused.values() for name in names]
    for optimizer in bare:
        own = keys[(keys["optimizer"] == optimizer) & keys["phase"].isin(["map", "tune"])]
        if own.groupby(own["replicate"].fillna(-1))["point"].nunique().max() > 1:
            levels = settings.levels.get(optimizer, {})
            parts = [
                *(
                    [f"{', '.join(levels)} is not always a finite number: write one instead"]
                    if levels
                    else []
                ),
                *([f"columns that are not used: {', '.join(unused)}"] if unused else []),
            ]
            said = f" ({'; '.join(parts)})" if parts else ""
            message = (
                f"{optimizer} has {own['point'].nunique()} points, but no hyperparameter that "
                f"differs between them{said}; its trainings are seeds of one point"
            )
            findings.add("column 'point'", message)


def _equal(values: Array) -> bool:
    return bool(np.ptp(values) <= SAME * np.abs(values).max())
