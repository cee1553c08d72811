"""What is left to run: the packs of a study, in order, as results come in.

In: a study and the outcomes that are stored. Out: packs for whichever executor asks, and
which outcomes are new. Everything follows from the study and the results alone, so a run
that was killed carries on by making a new agenda. Must not import torch or Ray.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum

from agsam_tune.agenda.course import AskBatch, Course, Ends
from agsam_tune.design import tune_batch
from agsam_tune.packs import AUTO_ROWS, alone, halves, make_packs, smaller
from agsam_tune.study import Study
from agsam_tune.trials import Key, Outcome, Pack, State, Trial

# A pack whose worker dies is run this often before its trials are run alone, and a trial alone
# as often as this before it is given up.
ATTEMPTS, ATTEMPTS_ALONE = 3, 2
# Machines that are taken away say nothing of the pack, unless it is always the same pack.
MACHINES = 10
# Trials that may fail alone before anything succeeds; then it is not the trials.
HOPELESS = 3
# Into how many parts a last whole pack is divided at most: small packs cost more a row.
MOST_PARTS = 4


class Fault(StrEnum):
    """Why a pack came back without outcomes."""

    WORKER = "worker"
    MACHINE = "machine"
    MEMORY = "memory"
    TIME = "time"


class Agenda:
    """Hands out packs and takes in outcomes.

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
        radius_range: shortest and longest step of `radius` that was found before, where the
            study gives none.
        trivial: the trivial score, by which that range is found; without it none is.
        first_look: replicates of which `key` it is found from; by default all.

    Attributes:
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
        radius_range: Ends | None = None,
        trivial: float | None = None,
        first_look: int | None = None,
    ) -> None:
        self._course = Course(
            study,
            stored,
            mended=mended,
            ask=ask,
            radius_range=radius_range,
            trivial=trivial,
            first_look=first_look,
        )
        self._retried = retried
        self._rows = study.packs.rows if rows is None else rows
        self._proven = False
        self._deadline = deadline
        self._made = made
        self._to_take: list[Outcome] = []
        self._ready: deque[Pack] = deque()
        self._held: list[Trial] = []
        self._running = 0
        self.stopped = False
        self.lost: list[tuple[Pack, str]] = []
        self._attempts: Counter[tuple[Pack, Fault]] = Counter()
        self._enqueue(self._course.start())

    @property
    def planned(self) -> Counter[tuple[str, str]]:
        """Trials of the whole study by (phase, optimizer), in the study's order."""
        return self._course.planned

    @property
    def radius_range(self) -> Ends | None:
        """Shortest and longest step of `radius`, the study's own or what was found; or None."""
        return self._course.radius_range

    @property
    def radius_problem(self) -> str | None:
        """Why no such range could be found, so that there are no trials of `radius`; or None."""
        return self._course.radius_problem

    @property
    def total(self) -> int:
        """Trials of the whole study."""
        return self.planned.total()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All that is known, of this run and before it: how each ended and was judged."""
        return tuple(self._course.outcomes.values())

    @property
    def finished(self) -> bool:
        """Whether no pack is left to be run or is running."""
        nothing_left = not self._ready and not self._held
        return self._running == 0 and (nothing_left or self._is_over())

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
        if not self._ready:  # then trials that wait for others to fill a pack go as they are
            self._ready.extend(make_packs(self._held, self._rows))
            self._held = []
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
        return [o for o in outcomes if o.trial.key not in self._course.outcomes]

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
        return self._course.take_outdated()

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

    def _is_over(self) -> bool:
        """Whether nothing more is handed out, however much is left."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or self.stopped or self._is_hopeless()

    def _enqueue(self, trials: Iterable[Trial]) -> None:
        """Make packs of what is due, but for what another run has made."""
        tune: list[Trial] = []
        others: list[Trial] = []
        for trial in trials:
            made = self._made(trial)
            if made is not None:
                self._to_take.append(made)
            elif trial.phase == "misset":
                self._held.append(trial)
            else:
                (tune if trial.phase == "tune" else others).append(trial)
        # Batches follow one another, so they go before what can be run at any time.
        self._ready.extendleft(reversed(make_packs(tune, self._rows)))
        self._ready.extend(make_packs(others, self._rows))
        # Those of a replicate are few: they wait for those of others, as long as there is more.
        packs, self._held = make_packs(self._held, self._rows), []
        for pack in packs:
            if len(pack.trials) < self._largest:
                self._held += pack.trials
            else:
                self._ready.append(pack)

    def _take_in(self, outcomes: Sequence[Outcome]) -> None:
        self._enqueue(self._course.take_in(outcomes))
