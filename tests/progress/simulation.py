"""A run without training: the agenda's own packs on workers with a clock that is not real."""

import heapq
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from rich.console import Console

from agsam_tune.agenda import Agenda
from agsam_tune.progress import StudyProgress
from agsam_tune.progress.facts import Facts
from agsam_tune.study import Study
from agsam_tune.trials import Outcome, Pack, State


@dataclass(kw_only=True)
class Machine:
    """What takes how long, in seconds.

    Attributes:
        trial: a trial of each optimizer, in a pack of 64.
        workers: packs at once.
        start_up: until the first worker begins.
        first_pack: what a worker's first pack takes besides, for imports and compiling.
        each_pack: what every pack takes besides, of which half lies between two packs.
        noise: by how much packs differ, as a share.
        seed: of the noise.
    """

    trial: Mapping[str, float]
    workers: int = 2
    start_up: float = 6.0
    first_pack: float = 4.0
    each_pack: float = 0.2
    noise: float = 0.1
    seed: int = 0
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def training(self, pack: Pack) -> float:
        """Seconds of a pack; small ones cost more a row."""
        rows = len(pack.trials)
        whole = (rows + 4) * self.trial[pack.optimizer] * 64 / 68
        return whole * self.rng.uniform(1 - self.noise, 1 + self.noise)


def outcomes_of(pack: Pack, seconds: float) -> list[Outcome]:
    """What such a pack brings; some trials diverge."""
    share = seconds / len(pack.trials)
    return [
        Outcome(
            trial=trial,
            state=State.COMPLETE,
            val_accuracy=0.5 + 0.4 * random.Random(str(trial.key)).random(),
            diverged=trial.point % 37 == 0,
            seconds=share,
        )
        for trial in pack.trials
    ]


def simulate(
    study: Study, machine: Machine, *, stored: tuple[Outcome, ...] = (), look: float = 0.5
) -> tuple[list[Facts], Agenda]:
    """Run the study; returns what is known every so many seconds, and at the end."""
    now, seen = 0.0, []
    agenda = Agenda(study, stored, radius_range=(1.0, 10.0))
    quiet = Console(file=io.StringIO())
    progress = StudyProgress(study.name, agenda.planned, agenda.outcomes, quiet, clock=lambda: now)
    # What happens: when, in order of coming, what; a worker that is free, or a pack that is back.
    number = count()
    events: list[tuple[float, int, Pack | None, float]] = []
    for _ in range(machine.workers):
        heapq.heappush(events, (machine.start_up, next(number), None, 0.0))
    fresh, idle, next_look = machine.workers, 0, 0.0
    while events:
        when, _, pack, seconds = heapq.heappop(events)
        while next_look < when:
            now = next_look
            seen.append(progress.facts())
            next_look += look
        now = when
        progress.places(machine.workers)
        if pack is not None:
            outcomes = outcomes_of(pack, seconds)
            agenda.record(outcomes)
            progress.add(outcomes)
            progress.ended(pack, outcomes)
            # All who waited for what this pack makes possible look again.
            for _ in range(idle + 1):
                free = now + machine.each_pack / 2
                heapq.heappush(events, (free, next(number), None, 0.0))
            idle = 0
            continue
        pack = agenda.next_pack(machine.workers)
        if pack is None:
            idle += 1
            continue
        progress.begun(pack)
        seconds = machine.training(pack)
        back = now + seconds + machine.each_pack / 2 + (machine.first_pack if fresh > 0 else 0.0)
        fresh -= 1
        heapq.heappush(events, (back, next(number), pack, seconds))
    seen.append(progress.facts())
    return seen, agenda
