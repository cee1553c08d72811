"""From the trials table to arrays: the only place of the analysis that reads pandas columns.

In: the trials table (one row a trial) and the study. Out: `Cells`, one per optimizer and phase:
arrays over points and seeds with NaN where there is no finished trial. Imports the study's
records; must not import torch, Ray or Optuna.

Shapes: P points, S seeds, R replicates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.study import Study

__all__ = ["Cells", "Table", "paired_wins", "read_table", "require_columns"]

Array = NDArray[np.float64]

KEY = ("optimizer", "phase", "point", "seed")
NEEDED = (
    *KEY,
    "replicate",
    "val_accuracy",
    "test_accuracy",
    "test_loss",
    "radius",
    "diverged",
    "state",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The finished trials of one optimizer in one phase, on the phase's common axes.

    Attributes:
        points, seeds: the axes, (P,) and (S,); the same for all optimizers with hyperparameters.
        replicate_P: the replicate's index of each point from 0, or each point's own index where
            there are no replicates (points are then taken as independent).
        accuracy_PS: test accuracy, diverged trials at chance; NaN where there is no trial.
        validation_PS: validation accuracy; NaN where there is none.
        loss_PS, radius_PS: NaN where there is no trial or it diverged at once.
        failed_PS: 1 where diverged or the accuracy <= chance + 0.01, else 0; NaN without a trial.
        settings: hyperparameter -> its value at each point, (P,).
    """

    points: NDArray[np.int64]
    seeds: NDArray[np.int64]
    replicate_P: NDArray[np.int64]
    has_replicates: bool
    accuracy_PS: Array
    validation_PS: Array
    loss_PS: Array
    radius_PS: Array
    failed_PS: Array
    settings: Mapping[str, Array]

    @property
    def present_PS(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.accuracy_PS)

    @property
    def n(self) -> int:
        return int(self.present_PS.sum())

    def only(self, keep_PS: NDArray[np.bool_]) -> "Cells":
        """The same cells without those where `keep_PS` (P, S) is false."""
        if bool(np.all(keep_PS | ~self.present_PS)):
            return self
        return replace(
            self,
            accuracy_PS=np.where(keep_PS, self.accuracy_PS, np.nan),
            validation_PS=np.where(keep_PS, self.validation_PS, np.nan),
            loss_PS=np.where(keep_PS, self.loss_PS, np.nan),
            radius_PS=np.where(keep_PS, self.radius_PS, np.nan),
            failed_PS=np.where(keep_PS, self.failed_PS, np.nan),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A validated trials table, ready to be cut into cells.

    `cells` has one entry for each (optimizer, phase) with finished trials. `n_failed` of those
    `n_trials` diverged or are at most 0.01 above chance; `n_raised` have no result.
    """

    cells: Mapping[tuple[str, str], Cells]
    n_trials: int
    n_diverged: int
    n_failed: int
    n_raised: int

    def get(self, optimizer: str, phase: str) -> Cells | None:
        return self.cells.get((optimizer, phase))


def require_columns(trials: pd.DataFrame, columns: Iterable[str]) -> None:
    """Raise a ValueError that names every column of `columns` that the table lacks."""
    missing = [column for column in columns if column not in trials.columns]
    if missing:
        raise ValueError(
            f"the trials table lacks the column(s) {', '.join(missing)}; "
            f"found: {', '.join(map(str, trials.columns))}"
        )


def read_table(trials: pd.DataFrame, study: Study, *, chance: float) -> Table:
    """Validate the trials table and cut it into arrays.

    Trials in state FAIL, or without a test accuracy, are left out and counted; diverged trials
    are set to chance.

    Raises:
        ValueError: if a column is missing or a key (optimizer, phase, point, seed) comes twice.
    """
    require_columns(trials, (*NEEDED, *study.hyperparameters))
    if bool(trials.duplicated(list(KEY)).any()):
        twice = trials[trials.duplicated(list(KEY))].iloc[0]
        key = ", ".join(f"{name} {twice[name]}" for name in KEY)
        raise ValueError(f"the trials table has a key more than once: {key}")
    known = trials[trials["optimizer"].isin(list(study.optimizers))]
    diverged = known["diverged"].to_numpy(dtype=bool, na_value=False)
    accuracy = known["test_accuracy"].to_numpy(dtype=float, na_value=np.nan)
    finished = (known["state"] == "COMPLETE").to_numpy() & (diverged | np.isfinite(accuracy))
    frame = known[finished]
    return Table(
        cells=_all_cells(frame, study, chance),
        n_trials=len(frame),
        n_diverged=int(diverged[finished].sum()),
        n_failed=int(_failed(diverged, accuracy, chance)[finished].sum()),
        n_raised=int((~finished).sum()),
    )


def _all_cells(frame: pd.DataFrame, study: Study, chance: float) -> dict[tuple[str, str], Cells]:
    columns = _columns(frame, study, chance)
    optimizer = frame["optimizer"].to_numpy(dtype=object)
    phase = frame["phase"].to_numpy(dtype=object)
    rows = {
        (o, p): np.flatnonzero((optimizer == o) & (phase == p))
        for o in study.optimizers
        for p in ("map", "tune", "iid", "misset", "fixed")
    }
    cells = {}
    for (o, p), own in rows.items():
        if not len(own):
            continue
        shared = [rows[q, p] for q in study.optimizers if _shares_axes(study, o, q, p)]
        cells[o, p] = _cells(
            columns, own, np.concatenate([own, *shared]), study.search_spaces[o].names
        )
    return cells


def _shares_axes(study: Study, one: str, other: str, phase: str) -> bool:
    if phase == "fixed":
        return False
    names = study.search_spaces
    return bool(names[one].names) and bool(names[other].names)


def _columns(frame: pd.DataFrame, study: Study, chance: float) -> dict[str, Array]:
    diverged = frame["diverged"].to_numpy(dtype=bool, na_value=False)
    names = ("test_accuracy", "val_accuracy", "test_loss", "radius", *study.hyperparameters)
    columns = {name: frame[name].to_numpy(dtype=float, na_value=np.nan) for name in names}
    columns["test_accuracy"] = np.where(diverged, chance, columns["test_accuracy"])
    columns["failed"] = _failed(diverged, columns["test_accuracy"], chance).astype(float)
    columns["replicate"] = frame["replicate"].to_numpy(dtype=float, na_value=np.nan)
    columns["point"] = frame["point"].to_numpy(dtype=float)
    columns["seed"] = frame["seed"].to_numpy(dtype=float)
    return columns


def _failed(diverged: NDArray[np.bool_], accuracy: Array, chance: float) -> NDArray[np.bool_]:
    return np.asarray(diverged | (accuracy <= chance + 0.01))


def _cells(
    columns: Mapping[str, Array],
    own: NDArray[np.int64],
    axes: NDArray[np.int64],
    names: tuple[str, ...],
) -> Cells:
    points, seeds = np.unique(columns["point"][axes]), np.unique(columns["seed"][axes])
    p = np.searchsorted(points, columns["point"][own])
    s = np.searchsorted(seeds, columns["seed"][own])

    def grid(name: str) -> Array:
        values = np.full((len(points), len(seeds)), np.nan)
        values[p, s] = columns[name][own]
        return values

    def by_point(name: str, rows: NDArray[np.int64]) -> Array:
        values = np.full(len(points), np.nan)
        values[np.searchsorted(points, columns["point"][rows])] = columns[name][rows]
        return values

    labels = by_point("replicate", axes)
    has_replicates = bool(np.all(np.isfinite(labels))) and len(np.unique(labels)) > 1
    replicate = (
        np.unique(labels, return_inverse=True)[1] if has_replicates else np.arange(len(points))
    )
    return Cells(
        points=points.astype(np.int64),
        seeds=seeds.astype(np.int64),
        replicate_P=replicate.astype(np.int64),
        has_replicates=has_replicates,
        accuracy_PS=grid("test_accuracy"),
        validation_PS=grid("val_accuracy"),
        loss_PS=grid("test_loss"),
        radius_PS=grid("radius"),
        failed_PS=grid("failed"),
        settings={name: by_point(name, own) for name in names},
    )


def paired_wins(one: Cells, other: Cells) -> Array:
    """1 where `one` is the more accurate, 1/2 where equal, 0 where less, NaN where one lacks."""
    return np.where(
        one.present_PS & other.present_PS,
        (np.sign(one.accuracy_PS - other.accuracy_PS) + 1.0) / 2.0,
        np.nan,
    )
