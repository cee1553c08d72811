"""Trials as they were found, before anything is checked, and the list of what is wrong with them.

In: what the readers of files and storages found. Out: plain records. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS
from agsam_tune.errors import UsageError
from agsam_tune.study.errors import shortened

#: Where it is said how files that are not read become ones that are.
RECIPES = "docs/coming_from.md"

_VERDICT = f"cannot be imported as it is ({RECIPES} has recipes)"
_LONG_WORD = re.compile(r"[^\s,]{301,}")
# Rows that a message names; more are counted.
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a hyperparameter was drawn from, where the source says so."""

    low: float
    high: float
    log: bool

    def widened(self, other: Box) -> Box:
        """The range that holds both."""
        return Box(
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            log=self.log and other.log,
        )

    def narrowed(self, other: Box) -> Box:
        """The range that both hold."""
        return Box(
            low=max(self.low, other.low),
            high=min(self.high, other.high),
            log=self.log and other.log,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One table of trials.

    Attributes:
        origin: the file or the storage, as people read it, without a password.
        kind: `csv`, `parquet`, `json` or `optuna`; `tables` for a folder of files, `ray` for an
            experiment of Ray Tune, `frame` for a table in memory.
        digest: SHA-256 of the file's bytes; None for a storage.
        table: one row a trial. Cells are texts, numbers, true or false, or None and NaN where
            there is nothing.
        unit: what a row is called: `line`, `row`, `record` or `trial`.
        labels: the number of each row as the source counts, or its name, (N,).
        settings: columns of which the source itself says that they were set; empty where it does
            not say what was.
        metric: what the source calls the column `test_accuracy`.
        boxes: (optimizer, hyperparameter) → its range, where the source knows it.
        notes: what was left out or assumed, a sentence each.
    """

    origin: str
    kind: str
    digest: str | None
    table: pd.DataFrame
    unit: str
    labels: tuple[str, ...]
    settings: frozenset[str] = frozenset()
    metric: str = "test_accuracy"
    boxes: Mapping[tuple[str, str], Box] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether all columns are this project's and hyperparameters, whatever their names are.

        They are in a table that it wrote; in a storage parameters are what was drawn.
        """
        own = {*BEFORE_HYPERPARAMETERS, *AFTER_HYPERPARAMETERS}
        return self.kind == "optuna" or own <= set(self.table)

    @property
    def stem(self) -> str:
        """A name from the file's or the database's own."""
        last = self.origin.rstrip("/").replace("\\", "/").rpartition("/")[2]
        return last.partition(".")[0] or "imported"

    def rows(self, which: Iterable[int] | NDArray[np.bool_]) -> str:
        """`lines 3, 7, 9 and 12 more` for row numbers from 0, or for a mask (N,)."""
        chosen = np.asarray(which)
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        shown = ", ".join(self.labels[int(i)] for i in numbers[:_NAMED])
        more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
        return f"{self.unit if len(numbers) == 1 else f'{self.unit}s'} {shown}{more}"

    def only(self, keep: NDArray[np.bool_]) -> Source:
        """The same source without the rows where `keep` (N,) is false."""
        labels = tuple(label for label, kept in zip(self.labels, keep, strict=True) if kept)
        return replace(self, table=self.table[keep].reset_index(drop=True), labels=labels)

    def without(self, which: NDArray[np.bool_], why: str) -> Source:
        """The same source without the rows `which` (N,), if there are any, and a note of it."""
        if not which.any():
            return self
        n = int(which.sum())
        note = f"Left out: {n} {self.unit if n == 1 else f'{self.unit}s'}, {why}."
        return self.only(~which).noted(note)

    def noted(self, *notes: str) -> Source:
        """The same source with more to say of it."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(slots=True, kw_only=True)
class Findings:
    """What is wrong with a source, collected so that all of it is read at once.

    Attributes:
        origin: the source.
        verdict: what is said of it first.
        problems: a sentence each.
    """

    origin: str
    verdict: str = _VERDICT
    problems: list[str] = field(default_factory=list)

    def add(self, what: str, message: str) -> None:
        """One problem: the column or option, then what was found and what is allowed."""
        self.problems.append(f"{what}: {message}")

    def raise_if_any(self) -> None:
        """Raises a UsageError with everything found so far, if anything was."""
        if self.problems:
            raise UsageError(refusal(self.origin, self.problems, self.verdict))


def refusal(origin: str, problems: Sequence[str], verdict: str = _VERDICT) -> str:
    """One message for all that is wrong; control characters of foreign texts are spelled out."""
    lines = [f"{origin}: {verdict}", *(f"  {problem}" for problem in problems)]
    return "\n".join(readable(line) for line in lines)


def readable(line: str) -> str:
    """A line with names of many hundred characters shortened, and none that is no character."""
    line = _LONG_WORD.sub(lambda word: shortened(word[0]), line)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
