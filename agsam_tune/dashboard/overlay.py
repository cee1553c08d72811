"""The dashboard's own storage: an Optuna storage in memory that shows a run.

In: stored trials as they come, and descriptions. Out: what optuna-dashboard reads. Nothing in it
comes from a storage but the records that `ResultStore` checks, so that no attribute of somebody's
is ever unpickled or run, and nothing that is done to it reaches the run's storage.

Each optimizer has two Optuna studies: its trials with their own numbers, and its map with one
trial a setting, valued as the report does: the mean test accuracy over seeds, at least chance.
Optuna knows no diverged trials; here they break a constraint, so that the dashboard's figures show
them in grey, as infeasible.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import takewhile
from statistics import fmean
from threading import Lock
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna_dashboard import save_note, save_plotly_graph_object

from agsam_tune.columns import FAILURE_MARGIN
from agsam_tune.dashboard.description import Description
from agsam_tune.dashboard.markdown import plain, sections
from agsam_tune.dashboard.places import places
from agsam_tune.store import Stored
from agsam_tune.store.records import METRICS, distribution
from agsam_tune.study import Phase, Study, misset_layout
from agsam_tune.trials import Outcome, State

CURVES = 20
"""Learning curves of an optimizer: the dashboard draws a line for each.

They are those of settings where there are any, whose study is small: of all trials that are
complete the dashboard draws a line, empty or not, and for thousands that takes most of a second.
"""
STEPS = 12
"""Values of a learning curve, at most."""
INFEASIBLE = {"constraints": [1.0]}
VALUE = "validation accuracy (fraction)"
SETTING_VALUE = "mean test accuracy (fraction)"
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
        self._waiting: dict[tuple[str, int], list[Stored]] = {}
        self._shown: dict[int, Description] = {}
        self._described = False
        self._sizes = [0] * len(self._places.names)
        settings = set(self._places.settings.values())
        for number, name in enumerate(self._places.names):
            self._storage.create_new_study([StudyDirection.MAXIMIZE], study_name=name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of names for metrics
                self._optuna(number).set_metric_names(
                    [SETTING_VALUE if number in settings else VALUE]
                )

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

    def add(self, found: Iterable[Stored], *, last: bool = False) -> int:
        """Show trials; returns how many.

        Args:
            found: those that are new.
            last: whether no more will come, so that points are shown whatever seeds they have.
        """
        n = 0
        with self._lock:
            for stored in found:
                self._add_trial(stored)
                n += 1
            if last:
                for (optimizer, _), seeds in self._waiting.items():
                    self._add_setting(optimizer, seeds)
                self._waiting.clear()
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
        trial = stored.outcome.trial
        number = self._places.trials[trial.optimizer]
        # A storage may hold trials of others; those of the run keep their numbers.
        for _ in range(self._sizes[number], stored.number):
            self._create(number, create_trial(state=_FAIL, user_attrs=NOT_OURS))
        has_settings = trial.optimizer in self._places.settings
        curve = not has_settings and stored.number % _every(self._study, trial.optimizer) == 0
        self._create(number, trial_of(self._study, stored, chance=self._chance, curve=curve))
        if trial.phase == "map" and has_settings:
            key = (trial.optimizer, trial.point)
            seeds = self._waiting.setdefault(key, [])
            seeds.append(stored)
            phase = self._study.phase("map")
            if phase is not None and len(seeds) >= phase.seeds:
                self._add_setting(trial.optimizer, self._waiting.pop(key))

    def _add_setting(self, optimizer: str, seeds: Sequence[Stored]) -> None:
        mapped = self._study.phase("map")
        every = -(-((mapped and mapped.points) or 1) // CURVES)
        curve = seeds[0].outcome.trial.point % every == 0
        shown = setting_of(self._study, seeds, chance=self._chance, curve=curve)
        if shown is not None:
            self._create(self._places.settings[optimizer], shown)

    def _create(self, number: int, trial: FrozenTrial) -> None:
        self._storage.create_new_trial(number, trial)
        self._sizes[number] += 1


_COMPLETE, _FAIL = TrialState.COMPLETE, TrialState.FAIL


def trial_of(study: Study, stored: Stored, *, chance: float | None, curve: bool) -> FrozenTrial:
    """A trial as the dashboard shows it: its result in words, and no attribute that is unknown."""
    outcome, trial = stored.outcome, stored.outcome.trial
    value = _value(outcome, chance)
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
    return _frozen(
        study,
        outcome,
        value=value,
        attributes=_known(known),
        intermediate=_thinned(outcome.curve.val_accuracy) if curve else {},
        finished=stored.written,
        seconds=outcome.seconds,
        grey=outcome.diverged,
    )


def setting_of(
    study: Study, seeds: Sequence[Stored], *, chance: float | None, curve: bool
) -> FrozenTrial | None:
    """A point of the map as one trial; None where every seed raised an error."""
    outcomes = [one.outcome for one in seeds if not math.isnan(one.outcome.test_accuracy)]
    if not outcomes:
        return None
    trial = outcomes[0].trial
    accuracy = fmean(outcome.test_accuracy for outcome in outcomes)
    diverged = sum(outcome.diverged for outcome in outcomes)
    known = {
        "result": f"{diverged} of {len(outcomes)} seeds diverged" if diverged else "finished",
        "point": trial.point,
        "replicate": trial.replicate,
        "seeds": len(outcomes),
        "mean_test_accuracy": accuracy,
        "radius": fmean(outcome.radius for outcome in outcomes),
        "trials": ", ".join(str(one.number) for one in seeds),
    }
    written = [one.written for one in seeds if one.written is not None]
    return _frozen(
        study,
        outcomes[0],
        value=accuracy if chance is None else max(accuracy, chance),
        attributes=_known(known),
        intermediate=_thinned(_mean_curve(outcomes)) if curve else {},
        finished=max(written, default=None),
        seconds=math.nan,
        grey=diverged > 0,
    )


def _value(outcome: Outcome, chance: float | None) -> float | None:
    """What a trial is valued by; None for one that raised an error.

    Trials that were made elsewhere may have a test accuracy alone, or none where they diverged.
    """
    if outcome.state is not State.COMPLETE:
        return None
    found = (outcome.val_accuracy, outcome.test_accuracy, math.nan if chance is None else chance)
    return next((value for value in found if not math.isnan(value)), None)


def result_of(outcome: Outcome, chance: float | None) -> str:
    """How a trial ended, for a column that people sort and filter by."""
    if outcome.state is not State.COMPLETE:
        return "raised an error"
    if outcome.diverged:
        step = outcome.diverged_step
        return "diverged" if step is None else f"diverged at step {step}"
    if chance is not None and outcome.test_accuracy <= chance + FAILURE_MARGIN:
        return "failed: at chance"
    return "finished"


def _frozen(
    study: Study,
    outcome: Outcome,
    *,
    value: float | None,
    attributes: Mapping[str, Any],
    intermediate: dict[int, float],
    finished: datetime | None,
    seconds: float,
    grey: bool,
) -> FrozenTrial:
    optimizer, values = outcome.trial.optimizer, dict(outcome.trial.hyperparameters)
    trial = create_trial(
        state=_FAIL if value is None else _COMPLETE,
        value=value,
        params=values,
        distributions={n: distribution(study, optimizer, n, v) for n, v in values.items()},
        user_attrs=dict(attributes),
        system_attrs=dict(INFEASIBLE) if grey else {},
        intermediate_values=intermediate,
    )
    end = finished or trial.datetime_complete
    trial.datetime_complete = end
    whole = 0.0 if math.isnan(seconds) else seconds
    trial.datetime_start = None if end is None else end - timedelta(seconds=whole)
    return trial


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is unknown: a column of numbers with a null in it could not be sorted."""
    return {
        name: value
        for name, value in attributes.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }


def _mean_curve(outcomes: Sequence[Outcome]) -> list[float]:
    """The mean test accuracy after each epoch, as long as no seed's training has broken off."""
    curves = [outcome.curve.test_accuracy for outcome in outcomes]
    means = (fmean(values) for values in zip(*curves, strict=False))
    return list(takewhile(lambda mean: not math.isnan(mean), means))


def _thinned(values: Sequence[float]) -> dict[int, float]:
    """Epoch, from 1 → value, at most STEPS of them and the last."""
    every = -(-len(values) // STEPS) or 1
    last = len(values)
    return {e: v for e, v in enumerate(values, 1) if (last - e) % every == 0}


def _every(study: Study, optimizer: str) -> int:
    """Each how-manieth trial shows its learning curve, so that CURVES do in the whole study."""
    return max(1, -(-_planned(study, optimizer) // CURVES))


def _planned(study: Study, optimizer: str) -> int:
    """About how many trials the whole study has of an optimizer."""
    if not study.search_spaces[optimizer].names:
        return 1
    return sum(_points(study, phase, optimizer) * phase.seeds for phase in study.phases)


def _points(study: Study, phase: Phase, optimizer: str) -> int:
    if phase.name == "fixed":
        return sum(point.optimizer == optimizer for point in phase.fixed)
    if phase.name == "misset":
        return len(misset_layout(study.hyperparameters))
    return phase.points or 0
