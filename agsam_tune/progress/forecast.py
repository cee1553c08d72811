"""How long what is left of a study will take.

In: when packs begin and end, and the seconds that were measured of their trials. Out: seconds.
Imports the standard library only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agsam_tune.trials import Outcome, Pack

# Between a worker's packs it takes less; in more than that it was waiting for something else.
_HANDOVER = 10.0


@dataclass(frozen=True, slots=True)
class _Turn:
    """A pack on a worker: what it is, and since when it takes the worker up."""

    pack: Pack
    since: float
    first: bool


class Forecast:
    """The trials' own seconds, times what they take of a worker's time, over the workers.

    - A trial of an optimizer takes the mean of those measured: one-pass rules take half of the
      others' time, and packs come back 64 trials at a time. One that was not measured yet takes
      the mean of all.
    - A second of training takes more than a second of a worker: packs are sent, results stored.
      How much more is measured from the end of the worker's pack before to the end of this one.
      A worker's first pack does not count for it: what starting takes is not paid again.
    - Of the packs being trained, the time that they have been is done already.

    All times are in seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._trials: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._turns: dict[str, _Turn] = {}
        self._idle_since: list[float] = []
        self._taken = self._trained = 0.0

    @property
    def running(self) -> tuple[Pack, ...]:
        """The packs being trained."""
        return tuple(turn.pack for turn in self._turns.values())

    def begun(self, pack: Pack, now: float) -> None:
        """A worker has begun a pack."""
        first = not self._idle_since
        # Of the worker that is idle for the shortest time; others waited for want of packs.
        since = now if first else max(self._idle_since.pop(), now - _HANDOVER)
        self._turns[pack.name] = _Turn(pack, since, first)

    def ended(self, pack: Pack, outcomes: Sequence[Outcome], now: float) -> None:
        """A pack came back; without outcomes where it was lost."""
        turn = self._turns.pop(pack.name, None)
        if turn is None:  # lost before it was begun
            return
        self._idle_since.append(now)
        measured = [o for o in outcomes if not math.isnan(o.seconds)]
        for outcome in measured:
            name = outcome.trial.optimizer
            self._trials[name] += 1
            self._seconds[name] = self._seconds.get(name, 0.0) + outcome.seconds
        if not turn.first:
            self._taken += now - turn.since
            self._trained += sum(outcome.seconds for outcome in measured)

    def drop(self) -> None:
        """Nothing is being trained any more, whatever did not come back."""
        self._turns.clear()

    def left(self, trials: Mapping[str, int], workers: int, now: float) -> float | None:
        """Seconds to the end; None where nothing was measured yet, or nobody works.

        Args:
            trials: how many are not done, of each optimizer, those being trained among them.
            workers: packs that can be trained at once.
            now: the time.
        """
        if not self._trials or not workers:
            return None
        work = sum(n * self._cost(optimizer) for optimizer, n in trials.items())
        rests = [self._rest(turn, now) for turn in self._turns.values()]
        waiting = work - sum(len(p.trials) * self._cost(p.optimizer) for p in self.running)
        return max((max(waiting, 0.0) + sum(rests)) / workers, max(rests, default=0.0))

    def rest(self, now: float) -> float | None:
        """Seconds until all packs being trained are back; None where nothing was measured."""
        if not self._trials:
            return None
        return max((self._rest(turn, now) for turn in self._turns.values()), default=0.0)

    def _rest(self, turn: _Turn, now: float) -> float:
        whole = len(turn.pack.trials) * self._cost(turn.pack.optimizer)
        return max(whole - (now - turn.since), 0.0)

    def _cost(self, optimizer: str) -> float:
        """Seconds of a worker that a trial takes."""
        of = [optimizer] if self._trials[optimizer] else list(self._seconds)
        seconds = sum(self._seconds[name] for name in of)
        mean = seconds / sum(self._trials[name] for name in of)
        return mean * (self._taken / self._trained if self._trained else 1.0)
