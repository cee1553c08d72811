"""Results in Optuna: one Optuna study per optimizer, one finished Optuna trial per trial.

In: outcomes. Out: the keys that are stored, and the trials as records. A trial is written
when it is finished, whole, in one write, and is never RUNNING, so carrying on is running
what the design has and the store has not. Must not import torch or Ray.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from agsam_tune.signals import interrupts_held
from agsam_tune.store.databases import check_sqlite, open_database
from agsam_tune.store.faults import (
    PATIENCE_SECONDS,
    STORAGE_FAULTS,
    StorageError,
    StorageTakenError,
    patiently,
    reason,
    storage_errors,
)
from agsam_tune.store.journal import check_journal, mend_journal, open_journal
from agsam_tune.store.location import local_file
from agsam_tune.study import Study
from agsam_tune.trials import Curve, Key, Outcome, State, Trial

# Everything of an outcome that is one number, besides Optuna's own value.
METRICS = ("test_accuracy", "test_loss", "train_loss", "radius", "surrogate_gap", "seconds")
_HASH = "agsam_tune_study_hash"
_CURVE = "curve"


class Stored(NamedTuple):
    """A trial as it was stored: the number of its Optuna trial, and when it was written."""

    outcome: Outcome
    number: int
    written: datetime | None


class _AbsentError(StorageError):
    """The storage holds no study of that name."""


class ResultStore:
    """The results of one study.

    One driver at a time may write. On a journal or SQLite it holds a lock before it opens the
    store; on PostgreSQL the store holds it.

    Args:
        storage: Optuna's storage; see `open` and `read`.
        studies: the Optuna study of each optimizer in it.
        study: the study.
        location: where the storage is.
        patience: how long a storage that is away is waited for in a write, in seconds.
        curves: whether learning curves are read, most of what is stored.
    """

    def __init__(
        self,
        storage: BaseStorage,
        studies: Mapping[str, optuna.Study],
        study: Study,
        *,
        location: str,
        patience: float,
        curves: bool,
    ) -> None:
        self._location = location
        self._curves = curves
        self._forgot = False
        self._given: set[Key] = set()
        self._storage = storage
        self._optuna = studies
        self._study = study
        self._patience = patience

    @classmethod
    def open(
        cls, study: Study, location: str, *, patience: float = PATIENCE_SECONDS
    ) -> ResultStore:
        """Open or create the store at `location`, mending a journal that was cut short.

        Raises:
            StorageTakenError: another driver has it.
            StorageError: it cannot be opened, or holds another study of this name.
        """
        with storage_errors(), interrupts_held():
            if "://" in location:
                storage: BaseStorage = open_database(location, driven=study.name)
            else:
                mend_journal(location)
                storage = open_journal(location, without=_CURVE)
            with _left_if_refused(storage):
                studies = {o: _opened(study, o, storage) for o in study.optimizers}
            return cls(storage, studies, study, location=location, patience=patience, curves=False)

    @staticmethod
    def check(location: str) -> None:
        """Look whether a file may hold results, before anything is written, be it a lock.

        Raises:
            StorageError: it cannot be read, or holds something else.
        """
        file = local_file(location)
        if file is not None:
            with storage_errors():
                (check_sqlite if "://" in location else check_journal)(file)

    @classmethod
    def read(cls, study: Study, location: str, *, curves: bool = True) -> ResultStore:
        """The store at `location` to read from, whoever writes to it now.

        Args:
            study: the study.
            location: where its results are.
            curves: whether the learning curves are wanted, most of what is stored.

        Raises:
            StorageError: it is not there, or does not hold the study.
        """
        file = local_file(location)
        if file is not None and not file.is_file():
            raise StorageError(f"the results are gone: there is no {file}")
        with storage_errors():
            is_database = "://" in location
            storage: BaseStorage = (
                open_database(location, driven=None)
                if is_database
                else open_journal(location, without=None if curves else _CURVE)
            )
            with _left_if_refused(storage):
                studies = {o: _loaded(study, o, storage) for o in study.optimizers}
            return cls(storage, studies, study, location=location, patience=0, curves=curves)

    def close(self) -> None:
        """Leave the storage, and let its lock go where the store has it."""
        _leave(self._storage)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Write finished trials, one write each, which an interrupt does not cut short.

        A storage that is away is waited for, and nothing is written twice.

        Raises:
            StorageTakenError: another driver took the study over while the storage was away.
            StorageError: it cannot be written to; what was written before is there.
        """
        for outcome in outcomes:
            try:
                with interrupts_held() as interrupted:
                    write = partial(self._write, outcome)
                    patiently(write, self._patience, interrupted=interrupted)
            except StorageTakenError:
                raise
            except StorageError as error:
                msg = (
                    f"cannot be written to: {error}; all that was stored before is kept, and the "
                    "same command carries on when that is mended"
                )
                raise StorageError(msg) from error

    def _write(self, outcome: Outcome, again: bool) -> None:
        """Write a trial, unless it turns out that the attempt before has."""
        study = self._optuna[outcome.trial.optimizer]
        try:
            if not (again and outcome.trial.key in _keys(outcome.trial.optimizer, study)):
                self._add(study, self._frozen(outcome))
        except StorageError:
            raise
        except STORAGE_FAULTS as error:
            raise StorageError(reason(error)) from error

    def _add(self, study: optuna.Study, frozen: FrozenTrial) -> None:
        if not isinstance(self._storage, JournalStorage):
            study.add_trial(frozen)
            return
        study_id = self._storage.get_study_id_from_name(study.study_name)
        trial_id = self._storage.create_new_trial(study_id, template_trial=frozen)
        self._forget(self._storage.get_trial(trial_id))

    def _forget(self, trial: FrozenTrial) -> None:
        """Empty a trial in Optuna's copy of the journal in memory; the file has it.

        It keeps all of every trial, some 10 KB, for samplers that nobody asks here.
        """
        if isinstance(self._storage, JournalStorage):
            trial.user_attrs.clear()
            trial.distributions.clear()
            trial.params.clear()
            self._forgot = True

    def outcomes(self) -> Iterator[Outcome]:
        """All that is stored, by optimizer in the study's order, then as written.

        Without the learning curves, unless the store was opened to read them.
        """
        return (outcome for outcome, _ in self.numbered_outcomes())

    def numbered_outcomes(self) -> Iterator[tuple[Outcome, int]]:
        """The same, each with the number of its Optuna trial.

        Of a key that two drivers wrote, the first counts: they are equal.
        """
        if self._forgot:
            again = ResultStore.read(self._study, self._location, curves=self._curves)
            yield from again.numbered_outcomes()
            return
        yield from ((stored.outcome, stored.number) for stored in self._stored(set()))

    def new_outcomes(self) -> Iterator[Stored]:
        """What was stored since this was asked last, by optimizer, then as written.

        For a store that is read while another process writes to it: only what is new is read.
        """
        return self._stored(self._given)

    def _stored(self, known: set[Key]) -> Iterator[Stored]:
        """All whose keys are not known, which they are from then on."""
        with storage_errors():
            for optimizer, study in self._optuna.items():
                for trial in _own_trials(study):
                    key = _key(optimizer, trial)
                    if key in known:
                        self._forget(trial)
                        continue
                    outcome = _outcome(optimizer, trial, curves=self._curves)
                    self._forget(trial)
                    known.add(key)
                    yield Stored(outcome, trial.number, trial.datetime_complete)

    def _frozen(self, outcome: Outcome) -> FrozenTrial:
        trial = outcome.trial
        ran = outcome.state is State.COMPLETE
        values = dict(trial.hyperparameters)
        return create_trial(
            state=_COMPLETE if ran else _FAIL,
            value=outcome.val_accuracy if ran else None,
            params=values,
            distributions={
                name: distribution(self._study, trial.optimizer, name, values[name])
                for name in values
            },
            user_attrs=_attributes(outcome),
        )


_COMPLETE, _FAIL = TrialState.COMPLETE, TrialState.FAIL


@contextmanager
def _left_if_refused(storage: BaseStorage) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _leave(storage)
        raise


def _leave(storage: BaseStorage) -> None:
    if isinstance(storage, RDBStorage):
        storage.scoped_session.remove()
        storage.engine.dispose()


def _own_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The finished trials, without what somebody enqueued by hand."""
    finished = study.get_trials(deepcopy=False, states=(_COMPLETE, _FAIL))
    return [trial for trial in finished if "phase" in trial.user_attrs]


def _key(optimizer: str, trial: FrozenTrial) -> Key:
    attributes = trial.user_attrs
    return Key(optimizer, attributes["phase"], attributes["point"], attributes["seed"])


def _keys(optimizer: str, study: optuna.Study) -> set[Key]:
    return {_key(optimizer, trial) for trial in _own_trials(study)}


def optuna_study_name(study: str, optimizer: str) -> str:
    """What the Optuna study of one optimizer is called, such as `moons/gsam`."""
    return f"{study}/{optimizer}"


def _opened(study: Study, optimizer: str, storage: BaseStorage) -> optuna.Study:
    """The optimizer's Optuna study, created where it does not exist."""
    try:
        opened = _loaded(study, optimizer, storage)
    except _AbsentError:
        name = optuna_study_name(study.name, optimizer)
        opened = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    if _HASH not in opened.user_attrs:  # new, or whoever created it was killed before this
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # a label; it may as well change
            opened.set_metric_names(["val_accuracy"])
        opened.set_user_attr(_HASH, study.hash)
    return opened


def _loaded(study: Study, optimizer: str, storage: BaseStorage) -> optuna.Study:
    name = optuna_study_name(study.name, optimizer)
    try:
        loaded = optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        raise _AbsentError(f"the storage holds no study called {name}") from None
    found = loaded.user_attrs.get(_HASH)
    if found != study.hash and (found is not None or loaded.get_trials(deepcopy=False)):
        raise StorageError(f"the storage already holds another study called {name}")
    return loaded


def distribution(study: Study, optimizer: str, name: str, value: float) -> BaseDistribution:
    """The search space's range, widened for a mis-set value beyond it.

    Optuna wants one scale for all trials of a parameter, so a `fixed` point at zero makes it
    linear for all of them; the study file says which before the first trial.
    """
    box, fixed = study.search_spaces[optimizer].ranges[name], study.phase("fixed")
    lowest = min(
        (
            p.hyperparameters[name]
            for p in (fixed.fixed if fixed else ())
            if p.optimizer == optimizer
        ),
        default=box.low,
    )
    low, high = min(box.low, value), max(box.high, value)
    return FloatDistribution(low, high, log=box.log and lowest > 0)


def _attributes(outcome: Outcome) -> dict[str, Any]:
    """Plain JSON: Optuna refuses NumPy's numbers, and browsers JSON's NaN."""
    trial = outcome.trial
    attributes: dict[str, Any] = {
        "phase": trial.phase,
        "replicate": trial.replicate,
        "point": trial.point,
        "seed": trial.seed,
        "diverged": outcome.diverged,
        "diverged_step": outcome.diverged_step,
        **{name: _json_number(getattr(outcome, name)) for name in METRICS},
        _CURVE: {
            name: [_json_number(value) for value in getattr(outcome.curve, name)]
            for name in Curve.__slots__
        },
    }
    if outcome.sharpness:
        attributes["sharpness"] = {n: _json_number(v) for n, v in outcome.sharpness.items()}
    texts = {"error": outcome.error, "taken_from": outcome.taken_from}
    return attributes | {name: text for name, text in texts.items() if text is not None}


def _json_number(value: float) -> float | str | None:
    """NaN as null and infinities as texts, which JSON has no numbers for."""
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else str(float(value))


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _outcome(optimizer: str, frozen: FrozenTrial, *, curves: bool) -> Outcome:
    attributes: Mapping[str, Any] = frozen.user_attrs
    curve = attributes[_CURVE] if curves else {}
    trial = Trial(
        optimizer=optimizer,
        **{name: attributes[name] for name in ("phase", "replicate", "point", "seed")},
        hyperparameters=tuple(frozen.params.items()),
    )
    ran = frozen.state is _COMPLETE
    return Outcome(
        trial=trial,
        state=State.COMPLETE if ran else State.FAIL,
        val_accuracy=_number(frozen.value) if ran else math.nan,
        **{name: _number(attributes[name]) for name in METRICS},
        diverged=attributes["diverged"],
        diverged_step=attributes["diverged_step"],
        curve=Curve(**{name: tuple(map(_number, values)) for name, values in curve.items()}),
        sharpness={n: _number(v) for n, v in attributes.get("sharpness", {}).items()},
        error=attributes.get("error"),
        taken_from=attributes.get("taken_from"),
    )
