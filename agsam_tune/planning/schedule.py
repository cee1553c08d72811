"""When each pack of a study would run: the agenda's own order, on a clock that is not real.

In: a study, how many packs are trained at once, seconds of each pack. Out: packs and the time
of the last one's end. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agsam_tune.agenda import Agenda
from agsam_tune.design import batch_sizes, tune_trials
from agsam_tune.study import Study
from agsam_tune.trials import Outcome, Pack, State, Trial

# All trials end alike, and steps are of any length; how many there are does not depend on it.
_ACCURACY, _RADII = 0.5, (1.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What was played through.

    Attributes:
        packs: in the order in which they begin.
        wall: seconds from the first one's begin to the last one's end.
        core: seconds of all packs.
    """

    packs: tuple[Pack, ...]
    wall: float
    core: float


def play(
    study: Study,
    stored: Iterable[Outcome],
    rows: int,
    places: int,
    seconds: Callable[[Pack], float],
) -> Schedule:
    """Hand out every pack of a study as Ray Tune does, and take in made-up outcomes.

    The points of `tune` are made up as well, and so is the range of `radius`: no sampler is asked.

    Args:
        study: the study.
        stored: what was run before.
        rows: of the largest pack.
        places: packs that are trained at once; one more waits.
        seconds: of a pack.
    """
    agenda = Agenda(study, stored, rows=rows, ask=_made_up, radius_range=_RADII)
    running: list[tuple[float, int, Pack]] = []
    waiting: deque[Pack] = deque()
    packs: list[Pack] = []
    clock, number = 0.0, itertools.count()
    while True:
        while len(running) + len(waiting) <= places and (pack := agenda.next_pack(places)):
            packs.append(pack)
            waiting.append(pack)
        while waiting and len(running) < places:
            pack = waiting.popleft()
            heapq.heappush(running, (clock + seconds(pack), next(number), pack))
        if not running:
            return Schedule(packs=tuple(packs), wall=clock, core=sum(map(seconds, packs)))
        clock, _, pack = heapq.heappop(running)
        agenda.record([_outcome(trial) for trial in pack.trials])


def _made_up(
    study: Study,
    optimizer: str,
    replicate: int,
    batch: int,
    told: Sequence[tuple[Mapping[str, float], float]],  # noqa: ARG001  (as samplers are asked)
) -> tuple[Trial, ...]:
    """A batch of `tune` at the default setting."""
    ranges = study.search_spaces[optimizer].ranges
    default = {name: box.default for name, box in ranges.items()}
    points = batch_sizes((phase.points if (phase := study.phase("tune")) else 0) or 0)[batch]
    return tune_trials(study, optimizer, replicate, batch, [default] * points)


def _outcome(trial: Trial) -> Outcome:
    return Outcome(
        trial=trial, state=State.COMPLETE, val_accuracy=_ACCURACY, test_accuracy=_ACCURACY
    )
