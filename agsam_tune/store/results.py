"""Results in Optuna: one Optuna study per optimizer, one finished Optuna trial per trial.

In: outcomes. Out: the keys that are stored, and the trials as records. A trial is written
when it is finished, whole, in one write, and is never RUNNING, so carrying on is running
what the design has and the store has not. A trial that is to be run again is set aside: Optuna
changes no finished trial, so the numbers of those that count no more are an attribute of the
Optuna study, and whoever reads passes them over. Must not import torch or Ray.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from typing import NamedTuple

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from agsam_tune.columns import SET_ASIDE
from agsam_tune.paths import is_url
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
from agsam_tune.store.records import CURVE, frozen_trial, key_of, outcome_of
from agsam_tune.study import Study
from agsam_tune.study.first_design import FIRST_DESIGN
from agsam_tune.trials import Key, Outcome

_HASH = "agsam_tune_study_hash"


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
        self._given: dict[Key, int] = {}
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
            if is_url(location):
                storage: BaseStorage = open_database(location, driven=study.name)
            else:
                mend_journal(location)
                storage = open_journal(location, without=CURVE)
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
                (check_sqlite if is_url(location) else check_journal)(file)

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
            is_database = is_url(location)
            storage: BaseStorage = (
                open_database(location, driven=None)
                if is_database
                else open_journal(location, without=None if curves else CURVE)
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
            self._patiently(partial(self._write, outcome))

    def set_aside(self, keys: Collection[Key]) -> None:
        """Let the trials of these keys count no more: they are missing, until they are run again.

        One write for each optimizer, and no trial is lost: the storage keeps it.

        Raises:
            StorageTakenError, StorageError: as `add`.
        """
        found: dict[str, set[int]] = defaultdict(set)
        with closing(ResultStore.read(self._study, self._location, curves=False)) as reader:
            for optimizer, study in reader._optuna.items():
                for trial in _own_trials(study):
                    if key_of(optimizer, trial) in keys:
                        found[optimizer].add(trial.number)
        for optimizer, numbers in found.items():
            self._patiently(partial(self._write_aside, optimizer, numbers))

    def mended(self) -> frozenset[str]:
        """The optimizers of which trials of `map` or `tune` were set aside.

        From what these phases gave without them, later points may have been drawn.
        """
        with storage_errors():
            if not any(_set_aside(study) for study in self._optuna.values()):
                return frozenset()
        with closing(ResultStore.read(self._study, self._location, curves=False)) as reader:
            return frozenset(o for o, study in reader._optuna.items() if _is_mended(study))

    def _patiently(self, write: Callable[[bool], None]) -> None:
        try:
            with interrupts_held() as interrupted:
                patiently(write, self._patience, interrupted=interrupted)
        except StorageTakenError:
            raise
        except StorageError as error:
            msg = (
                f"cannot be written to: {error}; all that was stored before is kept, and the "
                "same command carries on when that is mended"
            )
            raise StorageError(msg) from error

    def _write_aside(self, optimizer: str, numbers: set[int], again: bool) -> None:  # noqa: ARG002
        study = self._optuna[optimizer]
        try:
            study.set_user_attr(SET_ASIDE, sorted(_set_aside(study) | numbers))
        except StorageError:
            raise
        except STORAGE_FAULTS as error:
            raise StorageError(reason(error)) from error

    def _write(self, outcome: Outcome, again: bool) -> None:
        """Write a trial, unless it turns out that the attempt before has."""
        study = self._optuna[outcome.trial.optimizer]
        try:
            if not (again and outcome.trial.key in _keys(outcome.trial.optimizer, study)):
                self._add(study, frozen_trial(self._study, outcome))
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
        yield from ((stored.outcome, stored.number) for stored in self._stored({}))

    def new_outcomes(self) -> Iterator[Stored]:
        """What was stored since this was asked last, by optimizer, then as written.

        For a store that is read while another process writes to it: only what is new is read. A
        key comes once more where its trial was set aside and run again.
        """
        return self._stored(self._given)

    def _stored(self, known: dict[Key, int]) -> Iterator[Stored]:
        """All whose keys are not known, which they are from then on, with their numbers."""
        with storage_errors():
            for optimizer, study in self._optuna.items():
                trials, aside = _own_trials(study), _set_aside(study)
                for trial in trials:
                    key = key_of(optimizer, trial)
                    if key in known and known[key] not in aside:
                        self._forget(trial)
                        continue
                    outcome = outcome_of(optimizer, trial, curves=self._curves)
                    self._forget(trial)
                    known[key] = trial.number
                    yield Stored(outcome, trial.number, trial.datetime_complete)


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
    """The finished trials that count, without what somebody enqueued by hand."""
    finished = study.get_trials(deepcopy=False, states=(_COMPLETE, _FAIL))
    aside = _set_aside(study)  # asked last, so that it is not older than the trials
    return [t for t in finished if "phase" in t.user_attrs and t.number not in aside]


def _is_mended(study: optuna.Study) -> bool:
    trials, aside = study.get_trials(deepcopy=False), _set_aside(study)
    drawn_from = ("map", "tune")
    return any(t.number in aside and t.user_attrs.get("phase") in drawn_from for t in trials)


def _set_aside(study: optuna.Study) -> frozenset[int]:
    return frozenset(study.user_attrs.get(SET_ASIDE, ()))


def _keys(optimizer: str, study: optuna.Study) -> set[Key]:
    return {key_of(optimizer, trial) for trial in _own_trials(study)}


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
    if study.format == FIRST_DESIGN:  # the hash was of another form then
        return loaded
    found = loaded.user_attrs.get(_HASH)
    if found != study.hash and (found is not None or loaded.get_trials(deepcopy=False)):
        raise StorageError(f"the storage already holds another study called {name}")
    return loaded
