"""Results in Optuna: one Optuna study per optimizer, one finished Optuna trial per trial.

In: outcomes. Out: the keys that are stored, and the trials as records. A trial is written
when it is finished, whole, in one write, and is never RUNNING, so carrying on is running
what the design has and the store has not. Must not import torch or Ray.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from agsam_tune.signals import interrupts_held
from agsam_tune.store.location import (
    StorageError,
    local_file,
    mend_journal,
    open_storage,
    storage_errors,
)
from agsam_tune.study import Study
from agsam_tune.trials import Curve, Key, Outcome, State, Trial

# Everything of an outcome that is one number, besides Optuna's own value.
METRICS = ("test_accuracy", "test_loss", "train_loss", "radius", "surrogate_gap", "seconds")
_HASH = "agsam_tune_study_hash"


class _AbsentError(StorageError):
    """The storage holds no study of that name."""


class ResultStore:
    """The results of one study.

    One driver at a time may write: it holds the study's lock before it opens the store.

    Args:
        studies: the Optuna study of each optimizer; see `open` and `read`.
        study: the study.
    """

    def __init__(self, studies: Mapping[str, optuna.Study], study: Study) -> None:
        self._optuna = studies
        self._study = study

    @classmethod
    def open(cls, study: Study, location: str) -> ResultStore:
        """Open or create the store at `location`, mending a journal that was cut short.

        Raises:
            StorageError: it cannot be opened, or holds another study of this name.
        """
        with storage_errors(), interrupts_held():
            mend_journal(location)
            storage = open_storage(location)
            return cls({o: _opened(study, o, storage) for o in study.optimizers}, study)

    @classmethod
    def read(cls, study: Study, location: str) -> ResultStore:
        """The store at `location` to read from, whoever writes to it now.

        Raises:
            StorageError: it is not there, or does not hold the study.
        """
        file = local_file(location)
        if file is not None and not file.is_file():
            raise StorageError(f"the results are gone: there is no {file}")
        with storage_errors():
            storage = open_storage(location)
            return cls({o: _loaded(study, o, storage) for o in study.optimizers}, study)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Write finished trials, one write each, which an interrupt does not cut short."""
        for outcome in outcomes:
            with interrupts_held():
                self._optuna[outcome.trial.optimizer].add_trial(self._frozen(outcome))

    def outcomes(self) -> list[Outcome]:
        """All that is stored, by optimizer in the study's order, then as written."""
        return [outcome for outcome, _ in self.numbered_outcomes()]

    def numbered_outcomes(self) -> list[tuple[Outcome, int]]:
        """The same, each with the number of its Optuna trial.

        Of a key that two drivers wrote, the first counts: they are equal.
        """
        found: dict[Key, tuple[Outcome, int]] = {}
        for optimizer, study in self._optuna.items():
            for trial in study.get_trials(deepcopy=False, states=(_COMPLETE, _FAIL)):
                if "phase" in trial.user_attrs:  # not one that somebody enqueued by hand
                    outcome = _outcome(optimizer, trial)
                    found.setdefault(outcome.trial.key, (outcome, trial.number))
        return list(found.values())

    def _frozen(self, outcome: Outcome) -> FrozenTrial:
        trial = outcome.trial
        ran = outcome.state is State.COMPLETE
        values = dict(trial.hyperparameters)
        return create_trial(
            state=_COMPLETE if ran else _FAIL,
            value=outcome.val_accuracy if ran else None,
            params=values,
            distributions={
                name: _distribution(self._study, trial.optimizer, name, values[name])
                for name in values
            },
            user_attrs=_attributes(outcome),
        )


_COMPLETE, _FAIL = TrialState.COMPLETE, TrialState.FAIL


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


def _distribution(study: Study, optimizer: str, name: str, value: float) -> BaseDistribution:
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
        "curve": {
            name: [_json_number(value) for value in getattr(outcome.curve, name)]
            for name in Curve.__slots__
        },
    }
    if outcome.sharpness:
        attributes["sharpness"] = {n: _json_number(v) for n, v in outcome.sharpness.items()}
    return attributes if outcome.error is None else {**attributes, "error": outcome.error}


def _json_number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _outcome(optimizer: str, frozen: FrozenTrial) -> Outcome:
    attributes: Mapping[str, Any] = frozen.user_attrs
    trial = Trial(
        optimizer=optimizer,
        phase=attributes["phase"],
        replicate=attributes["replicate"],
        point=attributes["point"],
        seed=attributes["seed"],
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
        curve=Curve(
            **{name: tuple(map(_number, values)) for name, values in attributes["curve"].items()}
        ),
        sharpness={n: _number(v) for n, v in attributes.get("sharpness", {}).items()},
        error=attributes.get("error"),
    )
