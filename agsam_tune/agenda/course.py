"""Which trials are due: those that are drawn, and those that follow from the results of others.

In: a study, and outcomes as they are stored. Out: trials. `tune` goes batch by batch within each
replicate, `misset` follows when its replicate's `map` and `tune` are there, and `radius`, where
the study gives no range, when the first look's `key` is. Everything follows from the study and
the outcomes alone. Must not import torch or Ray.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import pandas as pd

from agsam_tune.design import (
    BATCH,
    batch_sizes,
    drawn_trials,
    misset_trials,
    radius_trials,
    tune_batch,
)
from agsam_tune.store.tables import trials_table
from agsam_tune.study import Study, planned_trials
from agsam_tune.trials import Key, Outcome, State, Trial

# Hyperparameters that differ by less are the same: the last digit may be another processor's.
SAME = 1e-9

Ends = tuple[float, float]
AskBatch = Callable[
    [Study, str, int, int, Sequence[tuple[Mapping[str, float], float]]], tuple[Trial, ...]
]


class Course:
    """Says which trials are due, and takes in outcomes.

    Args:
        study: the study.
        stored: what was run before.
        mended: optimizers of which failed trials were set aside to be run again; what follows
            from their results may have to be drawn anew.
        ask: whoever gives the trials of a batch of `tune`, with `tune_batch`'s arguments.
        radius_range: shortest and longest step of `radius` that an earlier look found.
        trivial: the trivial score, from which a range is found.
        first_look: replicates of which `key` a range is found from.

    Attributes:
        outcomes: all that is known, by key.
        planned: trials of the whole study by (phase, optimizer), in the study's order.
        radius_range: the range of `radius`, once it is known where the study gives none.
        radius_problem: why no range could be found, so that there are no such trials.
        outdated: outcomes of points that are no longer drawn.
    """

    def __init__(
        self,
        study: Study,
        stored: Iterable[Outcome],
        *,
        mended: Collection[str] = (),
        ask: AskBatch = tune_batch,
        radius_range: Ends | None = None,
        trivial: float | None = None,
        first_look: int | None = None,
    ) -> None:
        self._study = study
        self._mended = mended
        self._ask = ask
        self._trivial = trivial
        self.outcomes: dict[Key, Outcome] = {o.trial.key: _slim(o) for o in stored}
        self.planned = _planned(study)
        self.radius_range = _given_range(study) or radius_range
        self.radius_problem: str | None = None
        self.outdated: list[Outcome] = []
        self._drawn = drawn_trials(study, radius_range=self.radius_range)
        # What others wait for: the open batch of `tune` and what an own best is chosen by, of each
        # (optimizer, replicate), and what is not there yet of what a range is found from.
        self._open_batches: dict[tuple[str, int], tuple[int, list[Key]]] = {}
        self._choosing = self._chosen_by()
        looked_at = study.replicates if first_look is None else first_look
        self._range_needed = self.radius_range is None and bool(study.optimizers_of("radius"))
        self._found_by = self._range_is_found_by(looked_at) if self._range_needed else []
        self._range_waits = {*self._found_by} - self.outcomes.keys()

    def start(self) -> list[Trial]:
        """All that is due at first and not stored."""
        replicates = range(self._study.replicates)
        places = [(o, r) for o in self._study.optimizers_of("tune") for r in replicates]
        due = [trial for place in places for trial in self._next_batch(*place, 0)]
        due += self._drawn
        due += [*self._missets(list(self._choosing)), *self._radius()]
        return self._missing(due)

    def take_in(self, outcomes: Sequence[Outcome]) -> list[Trial]:
        """Take in what is stored now.

        Returns:
            the trials that are due by that and not stored.
        """
        self.outcomes.update({o.trial.key: _slim(o) for o in outcomes})
        self._range_waits.difference_update(o.trial.key for o in outcomes)
        places = list(dict.fromkeys((o.trial.optimizer, o.trial.replicate) for o in outcomes))
        due: list[Trial] = []
        for place in places:
            batch, waits = self._open_batches.get(place, (0, []))
            if waits and self._are_there(waits):
                due += self._next_batch(*place, batch + 1)
        due += [*self._missets(places), *self._radius()]
        return self._missing(due)

    def take_outdated(self) -> list[Outcome]:
        """Outcomes of points that are no longer drawn, once."""
        outdated, self.outdated = self.outdated, []
        return outdated

    def _missing(self, trials: Iterable[Trial]) -> list[Trial]:
        return [trial for trial in trials if trial.key not in self.outcomes]

    def _are_there(self, keys: Iterable[Key]) -> bool:
        return all(key in self.outcomes for key in keys)

    def _table(self, keys: Iterable[Key]) -> pd.DataFrame:
        return trials_table(self._study, ((self.outcomes[key], 0) for key in keys))

    def _kept(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        """The trials, after forgetting outcomes of these keys at other points than theirs."""
        for trial in trials:
            outcome = self.outcomes.get(trial.key) if trial.optimizer in self._mended else None
            if outcome is not None and not _is_same_point(outcome.trial, trial):
                self.outdated.append(self.outcomes.pop(trial.key))
        return trials

    def _next_batch(self, optimizer: str, replicate: int, batch: int) -> list[Trial]:
        """What is missing of the first batch from this one on that is not stored."""
        self._open_batches.pop((optimizer, replicate), None)
        keys = self._tune_keys(optimizer, replicate)
        for number in range(batch, len(batch_sizes(len(keys)))):
            start = number * BATCH
            if optimizer not in self._mended and self._are_there(keys[start : start + BATCH]):
                continue
            told = [_told(self.outcomes[key]) for key in keys[:start]]
            trials = self._kept(self._ask(self._study, optimizer, replicate, number, told))
            missing = self._missing(trials)
            if missing:
                waits = [trial.key for trial in missing]
                self._open_batches[optimizer, replicate] = (number, waits)
                return missing
        return []

    def _tune_keys(self, optimizer: str, replicate: int) -> list[Key]:
        """All trials of `tune` in a replicate, in point order; none where it is not tuned."""
        if optimizer not in self._study.optimizers_of("tune"):
            return []
        points = _points(self._study, "tune")
        first = replicate * points
        return [Key(optimizer, "tune", point, 0) for point in range(first, first + points)]

    def _chosen_by(self) -> dict[tuple[str, int], list[Key]]:
        """(optimizer, replicate) → the trials by which its own best is chosen."""
        found = {
            (optimizer, replicate): self._tune_keys(optimizer, replicate)
            for optimizer in self._study.optimizers_of("misset")
            for replicate in range(self._study.replicates)
        }
        for trial in self._drawn:
            place = trial.optimizer, trial.replicate
            if trial.phase == "map" and trial.seed == 0 and place in found:
                found[place].append(trial.key)
        return found

    def _missets(self, places: Sequence[tuple[str, int]]) -> list[Trial]:
        """`misset` of those places of which everything is there, once."""
        ready: dict[str, list[int]] = {}
        for optimizer, replicate in places:
            keys = self._choosing.get((optimizer, replicate))
            if keys is not None and self._are_there(keys):
                ready.setdefault(optimizer, []).append(replicate)
        due: list[Trial] = []
        for optimizer, replicates in ready.items():
            keys = [key for r in replicates for key in self._choosing.pop((optimizer, r))]
            bests = own_bests(self._table(keys), optimizer)
            for replicate in replicates:
                if replicate in bests:
                    best = bests[replicate]
                    due += self._kept(misset_trials(self._study, optimizer, replicate, best))
                else:  # nothing of it ran, so there is nothing to mis-set
                    self.planned["misset", optimizer] -= _points(self._study, "misset")
        return due

    def _range_is_found_by(self, replicates: int) -> list[Key]:
        """The trials of `key` in the first replicates, of those that are compared."""
        whose = self._study.compared
        return [
            trial.key
            for trial in self._drawn
            if trial.phase == "key" and trial.replicate < replicates and trial.optimizer in whose
        ]

    def _radius(self) -> list[Trial]:
        """`radius`, once, when its range can be found."""
        if not self._range_needed or self._range_waits:
            return []
        self._range_needed = False
        found = found_range(self._table(self._found_by), self._study, self._trivial)
        if isinstance(found, str):
            self.radius_problem = found
            for optimizer in self._study.optimizers_of("radius"):
                del self.planned["radius", optimizer]
            return []
        self.radius_range = found
        return [*self._kept(radius_trials(self._study, found))]


def own_bests(table: pd.DataFrame, optimizer: str) -> dict[int, Mapping[str, float]]:
    """Replicate → the optimizer's own best setting there; without those in which nothing ran."""
    from agsam_tune.analysis.own_best import best_settings

    return {r: best.hyperparameters for r, best in best_settings(table, optimizer).items()}


def found_range(table: pd.DataFrame, study: Study, trivial: float | None) -> Ends | str:
    """Shortest and longest step of `radius` from the trials of `key`, or why there is none."""
    from agsam_tune.analysis import radius_range

    if trivial is None:
        return "the trivial score is not known; give low and high of the phase radius"
    return radius_range(table, study, trivial=trivial)


def _given_range(study: Study) -> Ends | None:
    phase = study.phase("radius")
    if phase is None or phase.low is None or phase.high is None:
        return None
    return phase.low, phase.high


def _points(study: Study, name: str) -> int:
    phase = study.phase(name)
    return (phase and phase.points) or 0


def _planned(study: Study) -> Counter[tuple[str, str]]:
    """By phase and optimizer in the study's order, with those that are drawn while it runs."""
    by_optimizer = planned_trials(study)
    keys = [(o, phase.name) for phase in study.phases for o in study.optimizers]
    return Counter({(p, o): by_optimizer[o, p] or 0 for o, p in keys if (o, p) in by_optimizer})


def _told(outcome: Outcome) -> tuple[dict[str, float], float]:
    """A tune point and its score, NaN if it did not run."""
    score = outcome.val_accuracy if outcome.state is State.COMPLETE else math.nan
    return dict(outcome.trial.hyperparameters), score


def _is_same_point(one: Trial, other: Trial) -> bool:
    names, values = dict(one.hyperparameters), dict(other.hyperparameters)
    return names.keys() == values.keys() and all(
        math.isclose(names[name], values[name], rel_tol=SAME) for name in values
    )


def _slim(outcome: Outcome) -> Outcome:
    """What is needed of an outcome here, a fifth of its memory; the store has all of it."""
    return Outcome(
        trial=outcome.trial,
        state=outcome.state,
        val_accuracy=outcome.val_accuracy,
        test_accuracy=outcome.test_accuracy,
        radius=outcome.radius,
        diverged=outcome.diverged,
        error=outcome.error,
        taken_from=outcome.taken_from,
    )
