"""Optuna storages: this project's own, and those that other programs wrote.

In: a journal's path, an SQLite file or a database's URL. Out: a `Source`. The storage is opened to
be read: an SQLite file by SQLite's own read-only mode, and no table is made in any database.
Nothing is unpickled, and no sampler ever sees a trial. Must not import torch or Ray.

A storage holds one Optuna study per optimizer, called `gsam` or `moons/gsam`, or one with a
parameter or a user attribute `optimizer`. A trial's parameters are its hyperparameters. User
attributes called as the columns of `trials.parquet` are those columns; without an attribute or a
parameter `seed`, trials with the same parameters are seeds of one point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SET_ASIDE, SHARPNESS
from agsam_tune.errors import UsageError
from agsam_tune.importing.source import RECIPES, Box, Findings, Source, refusal
from agsam_tune.paths import SQLiteFile, is_url
from agsam_tune.study.errors import nearest

__all__ = ["read_storage"]

_COLUMNS = frozenset({*BEFORE_HYPERPARAMETERS, *AFTER_HYPERPARAMETERS, *SHARPNESS})
# What opening a storage may raise, and what reading a file that is none.
_BROKEN = (
    *(OSError, SQLAlchemyError, OptunaError),
    *(ImportError, ValueError, RuntimeError, KeyError, TypeError),
)
_LEFT_OUT = {
    TrialState.RUNNING: "still running",
    TrialState.WAITING: "waiting to be run",
    TrialState.PRUNED: "pruned (their accuracy at the end is not known, and since it is the bad "
    "ones that are pruned, averages are too good)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One Optuna study: which part of the storage it is, and its trials."""

    study: str
    optimizer: str
    directions: tuple[StudyDirection, ...]
    trials: Sequence[FrozenTrial]

    @property
    def is_own(self) -> bool:
        """Whether this project wrote it."""
        return any({"phase", "point", "curve"} <= t.user_attrs.keys() for t in self.trials)


def read_storage(location: str, *, name: str | None, metric: str | None) -> Source:
    """All finished trials of a storage.

    Args:
        location: a URL that SQLAlchemy knows, or a journal's or an SQLite file's path.
        name: which study, where the storage has studies called `moons/gsam` and `digits/gsam`.
        metric: the user attribute that is the test accuracy; without it `test_accuracy`, where
            trials have that, else Optuna's own value.

    Raises:
        UsageError: it cannot be opened or has no trials, or its values are no accuracies.
    """
    file = _sqlite_file(location)
    origin = _shown(location) if file is None else file.url
    try:
        storage = _opened(location, file)
        found = [_found(storage, study) for study in storage.get_all_studies()]
    except _BROKEN as error:
        cause = error.__cause__ or error  # Optuna's own error says that there is one
        line = (str(cause).splitlines() or [""])[0]
        what = f"{type(cause).__name__}: {line} ({RECIPES} has recipes for other files)"
        msg = f"{origin}: cannot be read as an Optuna storage: {what}"
        raise UsageError(msg) from error
    chosen = _of_one_study([one for one in found if one.trials], name, origin)
    _check_metric(chosen, metric, origin)
    rows, labels, notes = _rows(chosen, metric)
    if not rows:
        raise UsageError(refusal(origin, ["trials: found none that is finished, needed: some"]))
    return Source(
        origin=origin,
        kind="optuna",
        digest=None,
        table=pd.DataFrame(rows).astype(object),
        unit="trial",
        labels=tuple(labels),
        settings=_settings(chosen),
        metric=metric or _metric_of(chosen),
        boxes=_boxes(chosen),
        notes=tuple(notes),
    )


def _sqlite_file(location: str) -> SQLiteFile | None:
    """The SQLite file that is named, None for another storage; raises UsageError without one."""
    try:
        file = SQLiteFile.named(location)
    except ValueError as error:
        raise UsageError(f"{location}: {error}") from error
    if file is not None and not file.path.is_file():
        raise UsageError(f"{file.url}: there is no such file")
    return file


def _opened(location: str, file: SQLiteFile | None) -> BaseStorage:
    """The storage, so that nothing in it is changed."""
    if not is_url(location):
        return JournalStorage(JournalFileBackend(location))
    if file is None:
        return RDBStorage(location, skip_table_creation=True)
    # Neither Optuna nor SQLAlchemy sees the path, in which they would find more than a name.
    options = {"creator": file.connection(read_only=True), "poolclass": QueuePool}
    return RDBStorage("sqlite://", engine_kwargs=options, skip_table_creation=True)


def _shown(location: str) -> str:
    if not is_url(location):
        return location
    try:
        return make_url(location).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError) as error:  # whose words may have the password
        msg = f"{location.partition('://')[0]}://…: not a URL of a storage"
        raise UsageError(msg) from error


def _found(storage: BaseStorage, study: FrozenStudy) -> _Found:
    prefix, _, last = study.study_name.rpartition("/")
    aside = study.user_attrs.get(SET_ASIDE, ())  # of ours: run again, so they count no more
    trials = storage.get_all_trials(study._study_id, deepcopy=False)
    return _Found(
        study=prefix,
        optimizer=last,
        directions=tuple(study.directions),
        trials=[trial for trial in trials if trial.number not in aside],
    )


def _of_one_study(found: list[_Found], name: str | None, origin: str) -> list[_Found]:
    """The Optuna studies of one study of ours."""
    names = list(dict.fromkeys(one.study for one in found))
    if not names:
        raise UsageError(refusal(origin, ["trials: found none in this storage, needed: some"]))
    if len(names) == 1:
        return found
    if name in names:
        return [one for one in found if one.study == name]
    listed = ", ".join(one or "(without a name)" for one in names)
    hint = nearest(name, names) if name else ""
    problem = f"studies: found {listed}; say which with --name{hint}"
    raise UsageError(refusal(origin, [problem]))


def _check_metric(chosen: Sequence[_Found], metric: str | None, origin: str) -> None:
    """What is taken for the test accuracy is one."""
    findings = Findings(origin=origin)
    for one in chosen:
        attributes = {key for trial in one.trials for key in trial.user_attrs}
        label = f"study {one.optimizer!r}"
        if metric is not None and metric not in attributes:
            listed = ", ".join(sorted(attributes)) or "none"
            message = f"no trial has the user attribute {metric!r}; found: {listed}"
            findings.add(label, message + nearest(metric, attributes))
        if metric is not None or "test_accuracy" in attributes:
            continue
        use = "name the user attribute that is the test accuracy with --metric"
        if len(one.directions) > 1:
            findings.add(label, f"found {len(one.directions)} objectives, allowed: one; {use}")
        elif one.directions == (StudyDirection.MINIMIZE,):
            findings.add(label, f"is minimised, so that its value is no accuracy; {use}")
    findings.raise_if_any()


def _rows(
    chosen: Sequence[_Found], metric: str | None
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """A row for each finished trial, what it is called, and notes on the others."""
    left_out: dict[TrialState, int] = defaultdict(int)
    failed, rows, labels = 0, [], []
    for one in chosen:
        for trial in one.trials:
            if trial.state in _LEFT_OUT:
                left_out[trial.state] += 1
                continue
            if one.is_own and "phase" not in trial.user_attrs:
                continue  # somebody enqueued it by hand
            row = _row(one, trial, metric)
            failed += trial.state is TrialState.FAIL and not one.is_own
            rows.append(row)
            labels.append(
                f"{one.optimizer}/{trial.number}" if len(chosen) > 1 else f"{trial.number}"
            )
    notes = [f"Trials that are left out, {_LEFT_OUT[s]}: {n}." for s, n in left_out.items()]
    if failed:
        notes.append(
            "Failed trials are taken as diverged: Optuna fails a trial whose value is NaN, and "
            f"does not tell it from one that raised an error. There are {failed}."
        )
    if rows and not any(one.is_own for one in chosen):
        notes.append(
            "Averages are over the settings as they were sampled: a sampler that seeks the best "
            "ones, such as TPE, makes every optimizer look more robust than random ones would."
        )
    return rows, labels, notes


def _row(one: _Found, trial: FrozenTrial, metric: str | None) -> dict[str, Any]:
    """The columns of one trial: known user attributes, then parameters, then what is measured."""
    row: dict[str, Any] = {"study": one.study or None, "optimizer": one.optimizer}
    row |= {key: value for key, value in trial.user_attrs.items() if key in _COLUMNS}
    row |= trial.params
    if isinstance(own := trial.user_attrs.get("sharpness"), Mapping):
        row |= {key: value for key, value in own.items() if key in SHARPNESS}
    value = trial.values[0] if trial.values and len(trial.values) == 1 else None
    if metric is not None:
        row["test_accuracy"] = trial.user_attrs.get(metric)
    elif "test_accuracy" in trial.user_attrs:
        row.setdefault("val_accuracy", value)
    else:
        row["test_accuracy"] = value
    failed = trial.state is TrialState.FAIL
    # This project stores a diverged trial as COMPLETE: its failed ones raised.
    row["state"] = "FAIL" if failed and one.is_own else "COMPLETE"
    if failed and not one.is_own:
        row |= {"diverged": True, "test_accuracy": None, "val_accuracy": None}
    row["trial_number"] = trial.number
    return row


def _metric_of(chosen: Sequence[_Found]) -> str:
    named = any("test_accuracy" in trial.user_attrs for one in chosen for trial in one.trials)
    return "test_accuracy" if named else "value"


def _settings(chosen: Sequence[_Found]) -> frozenset[str]:
    """All parameters but those that say whose trial it is."""
    names = {name for one in chosen for trial in one.trials for name in trial.params}
    return frozenset(names - _COLUMNS)


def _boxes(chosen: Sequence[_Found]) -> dict[tuple[str, str], Box]:
    """What each hyperparameter was drawn from: the widest range of its trials.

    This project widens a trial's range for a value beyond it, so of its own it is the narrowest.
    """
    boxes: dict[tuple[str, str], Box] = {}
    for one in chosen:
        for trial in one.trials:
            optimizer = str(_optimizer_of(one, trial))
            for name, box in _ranges(trial.distributions):
                known = boxes.get((optimizer, name), box)
                boxes[optimizer, name] = box.narrowed(known) if one.is_own else box.widened(known)
    return boxes


def _optimizer_of(one: _Found, trial: FrozenTrial) -> object:
    named = trial.params.get("optimizer", trial.user_attrs.get("optimizer"))
    return one.optimizer if named is None else named


def _ranges(distributions: Mapping[str, BaseDistribution]) -> Iterator[tuple[str, Box]]:
    for name, drawn in distributions.items():
        if isinstance(drawn, CategoricalDistribution) or name == "seed":
            continue
        if isinstance(drawn, FloatDistribution | IntDistribution) and drawn.low < drawn.high:
            yield name, Box(low=float(drawn.low), high=float(drawn.high), log=drawn.log)
