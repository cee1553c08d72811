"""Cells to numbers: every column of a source under its own rule, with what is wrong in which rows.

In: a `Source`. Out: columns as arrays, findings. Must not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.importing.source import Findings, Source
from agsam_tune.importing.vocabulary import is_named_accuracy
from agsam_tune.study.errors import nearest, show

__all__ = [
    "Mask",
    "accuracies",
    "booleans",
    "is_blank",
    "is_boolean",
    "is_missing",
    "is_true",
    "lengths",
    "numbers",
    "raw_numbers",
    "texts",
    "whole_numbers",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TRUE = {"true", "t", "yes", "y", "1", "1.0"}
_FALSE = {"false", "f", "no", "n", "0", "0.0"}

#: Up to here every whole number is one of its own as a float (IEEE 754).
LARGEST = 2**53


def is_missing(source: Source, column: str) -> Mask:
    """Where a column has nothing, (N,); everywhere where there is no such column.

    Python's None is nothing too, though a setting of that text was set (`is_blank`).
    """
    if column not in source.table:
        return np.ones(len(source.table), dtype=bool)
    is_none: Mask = np.asarray(source.table[column].eq("None"), dtype=bool)
    return is_none | is_blank(source, column)


def is_blank(source: Source, column: str) -> Mask:
    """Where a column's cells are empty, (N,)."""
    return np.asarray(source.table[column].isna(), dtype=bool)


def is_true(cell: object) -> bool:
    """Whether a cell says true, as programs write it."""
    return str(cell).strip().lower() in _TRUE


def is_boolean(cell: object) -> bool:
    """Whether a cell says true or false, as programs write it."""
    return str(cell).strip().lower() in _TRUE | _FALSE


def raw_numbers(source: Source, column: str) -> tuple[Array, Mask]:
    """A column's numbers, NaN where there is none, and where there is something else, (N,).

    True and false are no numbers; infinity is one.
    """
    cells = source.table[column]
    is_bool = cells.map(lambda cell: isinstance(cell, bool | np.bool_)).to_numpy(dtype=bool)
    values = pd.to_numeric(cells.mask(is_bool), errors="coerce").to_numpy(
        dtype=float, na_value=np.nan
    )
    return values, (np.isnan(values) & ~is_missing(source, column)) | is_bool


def numbers(source: Source, column: str, findings: Findings) -> Array:
    """A column of numbers, NaN where it is empty or not there."""
    if column not in source.table:
        return np.full(len(source.table), np.nan)
    values, bad = raw_numbers(source, column)
    _refuse(source, column, bad, "a number", findings)
    return values


def whole_numbers(source: Source, column: str, findings: Findings, *, needed: bool) -> Array:
    """Whole numbers from 0 to LARGEST; NaN only where they are not `needed` and a cell is empty."""
    values = numbers(source, column, findings)
    finite = np.isfinite(values)
    inside = (values >= 0) & (values <= LARGEST) & (values == np.round(values))
    wrong = (finite & ~inside) | np.isinf(values)
    _refuse(source, column, wrong, f"whole numbers from 0 to {LARGEST}", findings)
    if needed and column in source.table:
        _refuse_missing(source, column, is_missing(source, column), findings)
    return values


def accuracies(source: Source, column: str, findings: Findings) -> Array:
    """Fractions from 0 to 1; NaN where a cell is empty or not finite: such a trial diverged."""
    values = numbers(source, column, findings)
    values = np.where(np.isfinite(values), values, np.nan)
    outside = (values < 0) | (values > 1)
    if outside.any():
        hint = _why_outside(values[np.isfinite(values)], source.metric)
        _refuse(source, column, outside, f"fractions from 0 to 1{hint}", findings)
    return values


def _why_outside(known: Array, name: str) -> str:
    """What values that are no fractions may be: `known` are the finite ones."""
    if known.min() < 0 or known.max() > 100:
        return "; is it a loss, of which lower is better? What is analysed is an accuracy"
    # Hardly a fraction is above 1 by mistake, and hardly a percentage below 1.
    if is_named_accuracy(name) and np.mean(known > 1) > 0.5:
        return "; they look like percentages: divide them by 100"
    return ""


def lengths(source: Source, column: str, findings: Findings) -> Array:
    """Finite numbers ≥ 0, NaN where a cell is empty or not finite."""
    values = numbers(source, column, findings)
    _refuse(source, column, values < 0, "numbers >= 0", findings)
    return np.where(np.isfinite(values), values, np.nan)


def booleans(source: Source, column: str, default: Mask, findings: Findings) -> Mask:
    """True and false as programs write them; `default` (N,) where a cell is empty."""
    if column not in source.table:
        return default
    missing = is_missing(source, column)
    words = source.table[column].map(lambda cell: str(cell).strip().lower())
    is_true, is_false = words.isin(_TRUE).to_numpy(), words.isin(_FALSE).to_numpy()
    _refuse(source, column, ~missing & ~is_true & ~is_false, "true or false", findings)
    return np.asarray(np.where(missing, default, is_true), dtype=bool)


def texts(
    source: Source,
    column: str,
    findings: Findings,
    *,
    default: str | None = None,
    allowed: Sequence[str] = (),
) -> NDArray[np.object_]:
    """A column of texts; `default` where it is empty, which is refused where that is None."""
    missing = is_missing(source, column)
    if column not in source.table:
        return np.full(len(missing), default, dtype=object)
    cells = source.table[column].map(lambda cell: str(cell).strip())
    words: NDArray[np.object_] = cells.to_numpy(dtype=object, copy=True)
    if default is None:
        _refuse_missing(source, column, missing, findings)
    is_bytes = source.table[column].map(lambda cell: isinstance(cell, bytes)).to_numpy(dtype=bool)
    _refuse(source, column, is_bytes, "text", findings)
    if allowed:
        wrong = ~missing & ~np.isin(words, np.array(allowed, dtype=object))
        first = words[wrong][0] if wrong.any() else ""
        _refuse(source, column, wrong, ", ".join(allowed) + nearest(first, allowed), findings)
    words[missing] = default
    return words


def _refuse(source: Source, column: str, wrong: Mask, allowed: str, findings: Findings) -> None:
    """One problem for all cells of a column that break the same rule."""
    if wrong.any():
        first = source.table[column].to_numpy(dtype=object)[wrong][0]
        text = first if isinstance(first, str) else ""
        shown = first if _is_number(text) else show(first)
        percent = text.endswith("%") and _is_number(text[:-1])
        way = f"; for {text} write {float(text[:-1]) / 100:.10g}" if percent else ""
        message = f"{source.rows(wrong)}: found {shown}, allowed: {allowed}{way}"
        findings.add(f"column {column!r}", message)


def _refuse_missing(source: Source, column: str, missing: Mask, findings: Findings) -> None:
    if missing.any():
        findings.add(f"column {column!r}", f"{source.rows(missing)}: empty, needed: a value")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
