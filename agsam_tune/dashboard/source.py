"""The trials of a run as they come, wherever they lie. They are read and never written.

In: a run's folder. Out: its record, and each stored trial once. Must not import torch or Ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.importing import read_imported_trials
from agsam_tune.recorded import RecordedRun, recorded_run
from agsam_tune.store import ResultStore, StorageError, Stored, local_file
from agsam_tune.study import Study
from agsam_tune.trials import Outcome, State, Trial


class Source:
    """A run's trials.

    Args:
        path: the run's folder.

    Attributes:
        run: what the manifest says.

    Raises:
        UsageError: the folder holds no run, or its results are gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.run: RecordedRun = recorded_run(path)
        self._file = None if self.run.location is None else local_file(self.run.location)
        self._identity = _identity(self._file)
        self._new = self._reader()
        self._left: list[Stored] = []

    @property
    def follows(self) -> bool:
        """Whether more trials may come."""
        return self.run.location is not None

    def new(self) -> list[Stored]:
        """Those that were stored since this was asked last.

        Raises:
            StorageError: the storage is away, or another has taken its place. Trials that were
                read before are given the next time.
        """
        if _identity(self._file) != self._identity:
            raise StorageError("the results were moved or replaced; start the dashboard again")
        found, self._left = self._left, []
        try:
            found.extend(self._new())
        except StorageError:
            self._left = found
            raise
        return found

    def _reader(self) -> Callable[[], Iterable[Stored]]:
        if self.run.location is None:
            table = read_imported_trials(RunFolder(path=self._path).trials)
            rows = trials_of_table(self.run.study, table)
            return lambda: rows
        try:
            return ResultStore.read(self.run.study, self.run.location).new_outcomes
        except StorageError as error:
            raise UsageError(f"{self._path}: {error}") from error


def _identity(file: Path | None) -> tuple[int, int] | None:
    """Which file it is; None where there is none, or where a server has the results."""
    try:
        facts = None if file is None else file.stat()
    except OSError:
        return None
    return None if facts is None else (facts.st_dev, facts.st_ino)


def trials_of_table(study: Study, table: pd.DataFrame) -> Iterator[Stored]:
    """The rows of a trials table as stored trials, numbered by optimizer; each is given once."""
    for optimizer in study.optimizers:
        names = study.search_spaces[optimizer].names
        rows = table[table["optimizer"] == optimizer].to_dict(orient="records")
        for number, row in enumerate(rows):
            yield Stored(_outcome(optimizer, names, row), number, None)


def _outcome(optimizer: str, names: Iterable[str], row: dict[str, Any]) -> Outcome:
    def whole(name: str) -> int | None:
        value = row.get(name)
        return None if value is None or pd.isna(value) else int(value)

    def number(name: str) -> float:
        value = row.get(name)
        return math.nan if value is None or pd.isna(value) else float(value)

    trial = Trial(
        optimizer=optimizer,
        phase=str(row["phase"]),
        replicate=whole("replicate") or 0,
        index=int(row["point"]),
        point=int(row["point"]),
        seed=int(row["seed"]),
        hyperparameters=tuple((n, number(n)) for n in names if not math.isnan(number(n))),
    )
    return Outcome(
        trial=trial,
        state=State(row["state"]),
        val_accuracy=number("val_accuracy"),
        test_accuracy=number("test_accuracy"),
        test_loss=number("test_loss"),
        train_loss=number("train_loss"),
        radius=number("radius"),
        surrogate_gap=number("surrogate_gap"),
        seconds=number("seconds"),
        diverged=bool(row["diverged"]),
        diverged_step=whole("diverged_step"),
        error=row.get("error") or None,
    )
