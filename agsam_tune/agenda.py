"""What is left to run: the packs of a study, in order, as results come in.

In: a study and the outcomes that are stored. Out: packs for whichever executor asks, and
which outcomes are new. Everything follows from the study and the results alone, so a run
that was killed carries on by making a new agenda. Must not import torch or Ray.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import product

import numpy as np

from agsam_tune.analysis import best_points
from agsam_tune.design import batch_sizes, drawn_trials, misset_trials, tune_batch
from agsam_tune.design.tune import BATCH
from agsam_tune.packs import AUTO_ROWS, alone, halves, make_packs, smaller
from agsam_tune.store.tables import trials_table
from agsam_tune.study import Study, misset_layout
from agsam_tune.trials import Key, Outcome, Pack, State, Trial

# A pack whose worker dies is run this often before its trials are run alone, and a trial alone
# as often as this before it is given up.
ATTEMPTS, ATTEMPTS_ALONE = 3, 2
# Machines that are taken away say nothing of the pack, unless it is always the same pack.
MACHINES = 10
# Trials that may fail alone before anything succeeds; then it is not the trials.
HOPELESS = 3
# Hyperparameters that differ by less are the same: the last digit may be another processor's.
SAME = 1e-9
# Into how many parts a last whole pack is divided at most: small packs cost more a row.
MOST_PARTS = 4


AskBatch = Callable[
    [Study, str, int, Sequence[tuple[Mapping[str, float], float]]], tuple[Trial, ...]
]


class Fault(StrEnum):
    """Why a pack came back without outcomes."""

    WORKER = "worker"
    MACHINE = "machine"
    MEMORY = "memory"
    TIME = "time"


class Agenda:
    """Hands out packs and takes in outcomes.

    `tune` goes batch by batch, and `misset` follows when all of an optimizer's `map` and
    `tune` is there; everything else is ready at once.

    Args:
        study: the study.
        stored: what was run before.
        mended: optimizers of which failed trials were set aside to be run again. What was drawn
            from their results without these may now have to be drawn anew: see `take_outdated`.
        retried: trials that failed before and are run again: if they cannot be, they fail again,
            whether or not anything else can be run.
        rows: the largest pack; None for what the study says.
        deadline: `time.monotonic()` after which no pack is handed out.
        ask: whoever gives the trials of a batch of `tune`, with `tune_batch`'s arguments.
        made: what another run made of a trial, which is then not handed out; see `take_over`.

    Attributes:
        planned: trials of the whole study by (phase, optimizer).
        stopped: whether no pack is handed out any more.
        lost: trials alone that could not be run while nothing could, with the last reason.
    """

    def __init__(
        self,
        study: Study,
        stored: Iterable[Outcome],
        *,
        mended: Collection[str] = (),
        retried: Collection[Key] = (),
        rows: int | str | None = None,
        deadline: float | None = None,
        ask: AskBatch = tune_batch,
        made: Callable[[Trial], Outcome | None] = lambda _: None,
    ) -> None:
        self._study = study
        self._ask = ask
        self._mended = mended
        self._retried = retried
        self._outdated: list[Outcome] = []
        self._rows = study.packs.rows if rows is None else rows
        self._proven = False
        self._outcomes: dict[Key, Outcome] = {o.trial.key: _slim(o) for o in stored}
        self._deadline = deadline
        self._made = made
        self._to_take: list[Outcome] = []
        self._ready: deque[Pack] = deque()
        self._running = 0
        self.stopped = False
        self.lost: list[tuple[Pack, str]] = []
        self._attempts: Counter[tuple[Pack, Fault]] = Counter()
        self._drawn = drawn_trials(study)
        self._open_batches: dict[str, tuple[int, set[Key]]] = {}
        self._awaited = {name: self._choosing_keys(name) for name in self._tunable}
        self.planned = self._count_planned()
        for optimizer in self._tunable:
            self._next_tune_batch(optimizer, 0)
        self._enqueue(self._drawn)
        for optimizer in self._tunable:
            self._enqueue_misset(optimizer)

    @property
    def total(self) -> int:
        """Trials of the whole study."""
        return self.planned.total()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All that is known, of this run and before it: how each ended and was judged."""
        return tuple(self._outcomes.values())

    @property
    def finished(self) -> bool:
        """Whether no pack is left to be run or is running."""
        return self._running == 0 and (not self._ready or self._is_over())

    @property
    def rows(self) -> int | str:
        """The largest pack, which is smaller than at first where memory was wanting."""
        return self._rows

    def next_pack(self, places: int = 1) -> Pack | None:
        """The next pack, or None where there is none now: see `finished`.

        Args:
            places: packs that can be trained at once. Where fewer are ready, the next one is
                handed out in parts, so that no place is idle while a last pack is trained.
        """
        if not self._ready or self._is_over():
            return None
        self._running += 1
        pack = self._ready.popleft()
        # Of what a whole pack may be, so that parts are not divided again and again.
        smallest = max(self._largest // MOST_PARTS, 1)
        parts = min(places - len(self._ready), len(pack.trials) // smallest)
        if parts > 1:
            pack, *others = smaller(pack, -(-len(pack.trials) // parts))
            self._ready.extendleft(reversed(others))
        return pack

    def stop(self) -> None:
        """Hand out no more packs; those that are being trained may still be recorded."""
        self.stopped = True

    def take_back(self, pack: Pack) -> None:
        """Take back a pack that was handed out and not begun."""
        self._running -= 1
        self._ready.appendleft(pack)

    def unknown(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Those that are not known yet: of a pack that ran twice, the second time is none."""
        return [o for o in outcomes if o.trial.key not in self._outcomes]

    def record(self, outcomes: Sequence[Outcome], *, fits: int | None = None) -> None:
        """Take in a pack's outcomes, which are stored by now.

        Args:
            outcomes: one a trial.
            fits: rows of the largest part of the pack that found memory enough, where the pack
                did not.
        """
        self._running -= 1
        self._proven = True
        if fits is not None:
            self._shrink(fits)
        # Something can be run after all, so what could not be has one more try.
        self._ready.extend(pack for pack, _ in self.lost)
        self.lost.clear()
        self._take_in(outcomes)

    def take_over(self, store: Callable[[Sequence[Outcome]], None]) -> list[Outcome]:
        """Take in what another run made of the trials that are due.

        To be called before packs are asked for, and after each `record`, which may make more
        trials due.

        Args:
            store: is given the outcomes before they count.

        Returns:
            the outcomes.
        """
        taken: list[Outcome] = []
        while self._to_take:
            due, self._to_take = self._to_take, []
            store(due)
            self._take_in(due)
            taken += due
        return taken

    def take_outdated(self) -> list[Outcome]:
        """Outcomes of points that are no longer drawn, once: they are to be set aside.

        A trial of `map` or `tune` that failed at first and ran later may change the points of
        the batches of `tune` after it, and the own best that `misset` is around.
        """
        outdated, self._outdated = self._outdated, []
        return outdated

    def hand_back(self, pack: Pack, fault: Fault, reason: str) -> list[Outcome]:
        """Take back a pack that came to nothing, to hand it out again whole or in parts.

        Returns:
            what to store and `record` in its place: a failed outcome where it is a trial alone
            that fails again and again, while others can be run. Otherwise nothing.
        """
        self._attempts[pack, fault] += 1
        again = self._again(pack, fault, self._attempts[pack, fault])
        if again is None and (self._proven or pack.trials[0].key in self._retried):
            return [Outcome(trial=pack.trials[0], state=State.FAIL, error=reason)]
        self._running -= 1
        if again is None:
            self.lost.append((pack, reason))
        else:
            self._ready.extendleft(reversed(again))
        return []

    def _again(self, pack: Pack, fault: Fault, times: int) -> list[Pack] | None:
        """What to run in place of a pack that failed so often; None to give it up."""
        if fault is Fault.MACHINE and times < MACHINES:
            return [pack]
        if len(pack.trials) == 1:
            return [pack] if times < ATTEMPTS_ALONE else None
        if fault is Fault.MEMORY:
            first, second = halves(pack)
            self._shrink(len(first.trials))
            return [first, second]
        if fault is Fault.WORKER and times < ATTEMPTS:
            return [pack]
        return alone(pack)

    def _shrink(self, rows: int) -> None:
        """Hand out no larger packs from now on."""
        self._rows = rows
        self._ready = deque(part for pack in self._ready for part in smaller(pack, rows))

    def _is_hopeless(self) -> bool:
        """Whether nothing could be run so far, so that it is not for the packs."""
        return not self._proven and len(self.lost) >= HOPELESS

    @property
    def _largest(self) -> int:
        """Trials of the largest pack."""
        return AUTO_ROWS if isinstance(self._rows, str) else self._rows

    @property
    def _tunable(self) -> tuple[str, ...]:
        """Optimizers that have hyperparameters."""
        return tuple(o for o in self._study.optimizers if self._study.search_spaces[o].names)

    def _is_over(self) -> bool:
        """Whether nothing more is handed out, however much is left."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or self.stopped or self._is_hopeless()

    def _drop_outdated(self, optimizer: str, trials: Iterable[Trial]) -> None:
        """Forget outcomes of these keys at other points than the trials'."""
        for trial in trials if optimizer in self._mended else ():
            outcome = self._outcomes.get(trial.key)
            if outcome is not None and not _is_same_point(outcome.trial, trial):
                self._outdated.append(self._outcomes.pop(trial.key))

    def _enqueue(self, trials: Iterable[Trial], *, first: bool = False) -> None:
        missing: list[Trial] = []
        for trial in trials:
            if trial.key in self._outcomes:
                continue
            made = self._made(trial)
            if made is None:
                missing.append(trial)
            else:
                self._to_take.append(made)
        packs = make_packs(missing, self._rows)
        if first:
            self._ready.extendleft(reversed(packs))
        else:
            self._ready.extend(packs)

    def _take_in(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes.update({o.trial.key: _slim(o) for o in outcomes})
        for optimizer in dict.fromkeys(o.trial.optimizer for o in outcomes):
            self._go_on(optimizer)

    def _go_on(self, optimizer: str) -> None:
        """Start what waited for the optimizer's results."""
        if optimizer in self._open_batches:
            batch, keys = self._open_batches[optimizer]
            if keys <= self._outcomes.keys():
                self._next_tune_batch(optimizer, batch + 1)
        self._enqueue_misset(optimizer)

    def _next_tune_batch(self, optimizer: str, batch: int) -> None:
        """Ask for batch after batch until one is not stored yet."""
        phase = self._study.phase("tune")
        for number in range(batch, len(batch_sizes((phase and phase.points) or 0))):
            told = [self._score(optimizer, point) for point in range(number * BATCH)]
            trials = self._ask(self._study, optimizer, number, told)
            self._drop_outdated(optimizer, trials)
            keys = {trial.key for trial in trials}
            self._open_batches[optimizer] = (number, keys)
            if not keys <= self._outcomes.keys():
                # Batches follow one another, so they go before what can be run at any time.
                self._enqueue(trials, first=True)
                return
        self._open_batches.pop(optimizer, None)

    def _score(self, optimizer: str, point: int) -> tuple[dict[str, float], float]:
        """A tune point and its mean val_accuracy over the even seeds; NaN if none ran."""
        phase = self._study.phase("tune")
        seeds = range(0, phase.seeds if phase else 0, 2)
        outcomes = [self._outcomes[Key(optimizer, "tune", point, seed)] for seed in seeds]
        scores = [o.val_accuracy for o in outcomes if o.state is State.COMPLETE]
        mean = float(np.mean(scores)) if scores else float("nan")
        return dict(outcomes[0].trial.hyperparameters), mean

    def _choosing_keys(self, optimizer: str) -> set[Key]:
        """The trials by which the optimizer's own best is chosen."""
        drawn = {t.key for t in self._drawn if t.optimizer == optimizer and t.phase == "map"}
        phase = self._study.phase("tune")
        points, seeds = (phase.points or 0, phase.seeds) if phase else (0, 0)
        return drawn | {
            Key(optimizer, "tune", point, seed) for point in range(points) for seed in range(seeds)
        }

    def _enqueue_misset(self, optimizer: str) -> None:
        """Once: when everything that the own best is chosen by is there."""
        if self._study.phase("misset") is None or optimizer not in self._awaited:
            return
        if not self._awaited[optimizer] <= self._outcomes.keys():
            return
        chosen_by = [self._outcomes[key] for key in self._awaited.pop(optimizer)]
        table = trials_table(self._study, ((outcome, 0) for outcome in chosen_by))
        best = best_points(table, [optimizer]).get(optimizer)
        if best is None:  # nothing of it ran, so there is nothing to mis-set
            self.planned["misset", optimizer] = 0
        else:
            trials = misset_trials(self._study, optimizer, best.hyperparameters)
            self._drop_outdated(optimizer, trials)
            self._enqueue(trials)

    def _count_planned(self) -> Counter[tuple[str, str]]:
        """In the study's order, with `tune` and `misset`, which are drawn while it runs."""
        planned = Counter((trial.phase, trial.optimizer) for trial in self._drawn)
        tune = self._study.phase("tune")
        for optimizer in self._tunable:
            planned["tune", optimizer] = (tune.points or 0) * tune.seeds if tune else 0
            planned["misset", optimizer] = self._misset_trials(optimizer)
        keys = product((str(phase.name) for phase in self._study.phases), self._study.optimizers)
        return Counter({key: planned[key] for key in keys if planned[key]})

    def _misset_trials(self, optimizer: str) -> int:
        misset = self._study.phase("misset")
        kinds = {"best", "all", *self._study.search_spaces[optimizer].names}
        layout = misset_layout(self._study.hyperparameters)
        points = sum(item.kind in kinds for item in layout)
        return points * misset.seeds if misset else 0


def _is_same_point(one: Trial, other: Trial) -> bool:
    names, values = dict(one.hyperparameters), dict(other.hyperparameters)
    return names.keys() == values.keys() and all(
        math.isclose(names[name], values[name], rel_tol=SAME) for name in values
    )


def _slim(outcome: Outcome) -> Outcome:
    """What the agenda needs of an outcome, a fifth of its memory; the store has all of it."""
    return Outcome(
        trial=outcome.trial,
        state=outcome.state,
        val_accuracy=outcome.val_accuracy,
        diverged=outcome.diverged,
        error=outcome.error,
        taken_from=outcome.taken_from,
    )
