"""The dashboard's own storage: an Optuna storage in memory that shows a run.

In: stored trials as they come, and descriptions. Out: what optuna-dashboard reads. Nothing in it
comes from a storage but the records that `ResultStore` checks, so that no attribute of somebody's
is ever unpickled or run, and nothing that is done to it reaches the run's storage.

Each optimizer has two Optuna studies: its trials with their own numbers, and its map alone, whose
settings fill the search space evenly, valued as the analysis does: the test accuracy, at least
chance. Optuna knows no diverged trials; here they break a constraint, so that the dashboard's
figures show them in grey, as infeasible.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from threading import Lock
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna_dashboard import save_note, save_plotly_graph_object

from agsam_tune.dashboard.description import Description
from agsam_tune.dashboard.markdown import plain, sections
from agsam_tune.dashboard.places import places
from agsam_tune.store import Stored
from agsam_tune.store.records import METRICS, distribution
from agsam_tune.study import MISSET_LARGEST, Study
from agsam_tune.trials import Outcome, State

CURVES = 20
"""Learning curves of an optimizer: the dashboard draws a line for each.

They are those of the map's first trials, whose study is small: of all trials that are complete the
dashboard draws a line, empty or not, and for thousands that takes most of a second.
"""
STEPS = 12
"""Values of a learning curve, at most."""
INFEASIBLE = {"constraints": [1.0]}
VALUE = "validation accuracy (fraction)"
MAP_VALUE = "test accuracy (fraction)"
UNKNOWN = "–"
"""A fact that was known of fewer trials: Optuna forgets no attribute."""
NOT_OURS = {"result": "not a trial of this run, or one that was run again"}


class Overlay:
    """What the dashboard shows of a run. Every method may be called from any thread.

    Args:
        study: the study.
        chance: the largest class's share of the test split, or None where it is not known.
    """

    def __init__(self, study: Study, chance: float | None) -> None:
        self._study = study
        self._chance = chance
        self._storage = InMemoryStorage()
        self._places = places(study)
        self._lock = Lock()
        self._shown: dict[int, Description] = {}
        self._described = False
        self._sizes = [0] * len(self._places.names)
        maps = set(self._places.maps.values())
        for number, name in enumerate(self._places.names):
            self._storage.create_new_study([StudyDirection.MAXIMIZE], study_name=name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of names for metrics
                self._optuna(number).set_metric_names([MAP_VALUE if number in maps else VALUE])

    @property
    def storage(self) -> BaseStorage:
        """What optuna-dashboard reads; nobody else writes to it."""
        return self._storage

    @contextmanager
    def settled(self) -> Iterator[None]:
        """While nothing is being written."""
        with self._lock:
            yield

    @property
    def n_trials(self) -> int:
        """How many trials of the run are shown."""
        with self._lock:
            return sum(self._sizes[number] for number in self._places.trials.values())

    def has_parameters(self, number: int) -> bool:
        """Whether the trials of one of the dashboard's studies have hyperparameters."""
        bare = (o for o, space in self._study.search_spaces.items() if not space.names)
        return number not in {self._places.trials.get(optimizer) for optimizer in bare}

    def figures(self, number: int) -> frozenset[str]:
        """The keys of the figures that one of the dashboard's studies has now."""
        shown = self._shown.get(number)
        return frozenset(figure.key for figure in shown.figures) if shown else frozenset()

    def add(self, found: Iterable[Stored]) -> int:
        """Show trials that are new; returns how many."""
        n = 0
        with self._lock:
            for stored in found:
                self._add_trial(stored)
                n += 1
        return n

    def describe(self, descriptions: Mapping[int, Description]) -> None:
        """Show notes, figures and facts, by the numbers of the dashboard's studies."""
        with self._lock:
            self._described = True
            for number, description in descriptions.items():
                self._describe(number, description)

    def announce(self, words: str) -> None:
        """Say something, plain text, in the notes that are not made yet."""
        with self._lock:
            for number, name in enumerate(self._places.names):
                if not self._described:
                    self._describe(
                        number, Description(note=sections(f"# {plain(name)}", plain(words)))
                    )

    def _describe(self, number: int, description: Description) -> None:
        old = self._shown.get(number)
        if old == description:
            return
        study = self._optuna(number)
        if old is None or old.note != description.note:
            save_note(study, description.note)
        gone = {} if old is None else dict.fromkeys(old.facts, UNKNOWN)
        for name, value in (gone | dict(description.facts)).items():
            study.set_user_attr(name, value)
        for figure in description.figures:
            if old is None or figure not in old.figures:
                save_plotly_graph_object(study, figure, graph_object_id=figure.key)
        self._shown[number] = description

    def _optuna(self, number: int) -> optuna.Study:
        return optuna.load_study(study_name=self._places.names[number], storage=self._storage)

    def _add_trial(self, stored: Stored) -> None:
        outcome, optimizer = stored.outcome, stored.outcome.trial.optimizer
        number, mapped = self._places.trials[optimizer], self._places.maps.get(optimizer)
        # A storage may hold trials of others; those of the run keep their numbers.
        for _ in range(self._sizes[number], stored.number):
            self._create(number, create_trial(state=_FAIL, user_attrs=NOT_OURS))
        shown = trial_of(self._study, stored, chance=self._chance)
        curve = outcome.curve
        self._create(number, shown, curve.val_accuracy if mapped is None else ())
        if mapped is not None and outcome.trial.phase == "map" and shown.value is not None:
            of_map = deepcopy(shown)
            of_map.value = _score(outcome, self._chance)
            of_map.distributions = {
                name: distribution(self._study, optimizer, name, value)
                for name, value in of_map.params.items()
            }
            self._create(mapped, of_map, curve.test_accuracy)

    def _create(self, number: int, trial: FrozenTrial, curve: Sequence[float] = ()) -> None:
        """Show a trial, with its learning curve if it is one of the first."""
        if self._sizes[number] < CURVES:
            trial.intermediate_values = _thinned(curve)
        self._storage.create_new_trial(number, trial)
        self._sizes[number] += 1


_COMPLETE, _FAIL = TrialState.COMPLETE, TrialState.FAIL


def trial_of(study: Study, stored: Stored, *, chance: float | None) -> FrozenTrial:
    """A trial as the dashboard shows it: its result in words, and no attribute that is unknown."""
    outcome, trial = stored.outcome, stored.outcome.trial
    value, values = _value(outcome, chance), dict(trial.hyperparameters)
    known = {
        "result": result_of(outcome, chance),
        "phase": trial.phase,
        "replicate": trial.replicate,
        "point": trial.point,
        "seed": trial.seed,
        **{name: getattr(outcome, name) for name in METRICS},
        **outcome.sharpness,
        "error": outcome.error,
    }
    shown = create_trial(
        state=_FAIL if value is None else _COMPLETE,
        value=value,
        params=values,
        distributions={n: _wide(study, trial.optimizer, n, v) for n, v in values.items()},
        user_attrs=_known(known),
        system_attrs=dict(INFEASIBLE) if outcome.diverged else {},
    )
    end = stored.written or shown.datetime_complete
    whole = 0.0 if math.isnan(outcome.seconds) else outcome.seconds
    shown.datetime_complete = end
    shown.datetime_start = None if end is None else end - timedelta(seconds=whole)
    return shown


def _wide(study: Study, optimizer: str, name: str, value: float) -> FloatDistribution:
    """One range for the trials of all phases, many of which leave the box.

    Optuna's importances take trials of different ranges as those of different spaces.
    """
    box = distribution(study, optimizer, name, value)
    factor = max(study.factor, MISSET_LARGEST)
    ends = [box.low, box.high]
    if name in study.search_spaces[optimizer].names:
        known = study.search_spaces[optimizer].ranges[name]
        ends += [known.low, known.high]
    if name == study.key and study.key_box is not None:
        ends += study.key_box
    ends += [end * off for end in ends[2:] for off in (1 / factor, factor)]
    return FloatDistribution(min(ends), max(ends), log=box.log)


def _value(outcome: Outcome, chance: float | None) -> float | None:
    """What a trial is valued by; None for one that raised an error.

    Trials that were made elsewhere may have a test accuracy alone, or none where they diverged.
    """
    if outcome.state is not State.COMPLETE:
        return None
    found = (outcome.val_accuracy, outcome.test_accuracy, math.nan if chance is None else chance)
    return next((value for value in found if not math.isnan(value)), None)


def _score(outcome: Outcome, chance: float | None) -> float | None:
    """What the analysis takes of a trial that has a result."""
    known = not (outcome.diverged or math.isnan(outcome.test_accuracy))
    if chance is None:
        return outcome.test_accuracy if known else _value(outcome, chance)
    return max(outcome.test_accuracy, chance) if known else chance


def result_of(outcome: Outcome, chance: float | None) -> str:
    """How a trial ended, for a column that people sort and filter by."""
    if outcome.state is not State.COMPLETE:
        return "raised an error"
    if outcome.diverged:
        step = outcome.diverged_step
        return "diverged" if step is None else f"diverged at step {step}"
    if chance is not None and outcome.test_accuracy <= chance:
        return "no better than chance"
    return "finished"


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is unknown: a column of numbers with a null in it could not be sorted."""
    return {
        name: value
        for name, value in attributes.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }


def _thinned(values: Sequence[float]) -> dict[int, float]:
    """Epoch, from 1 → value, at most STEPS of them and the last; none where it had diverged."""
    every, last = -(-len(values) // STEPS) or 1, len(values)
    chosen = {e: v for e, v in enumerate(values, 1) if (last - e) % every == 0}
    return {e: v for e, v in chosen.items() if not math.isnan(v)}
