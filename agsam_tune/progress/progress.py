"""What a run shows of itself: told by the executor, shown by a thread twice a second.

In: what there is to do, packs that begin and end, outcomes. Out: a panel on a terminal, else
lines. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console

from agsam_tune.progress.facts import Facts, OptimizerFacts, PhaseFacts, duration
from agsam_tune.progress.forecast import Forecast
from agsam_tune.progress.lines import Lines
from agsam_tune.progress.memory import memory_of_tree
from agsam_tune.progress.panel import PanelScreen
from agsam_tune.progress.tally import Tally
from agsam_tune.signals import interrupts_held
from agsam_tune.trials import Outcome, Pack

_BETWEEN_LOOKS, _BETWEEN_MEASUREMENTS = 0.5, 5.0


class Screen(Protocol):
    """Where facts are shown."""

    def start(self, facts: Facts) -> None: ...

    def show(self, facts: Facts) -> None: ...

    def stop(self, facts: Facts) -> None: ...


class StudyProgress:
    """Counts what is done, forecasts what is left, and shows it until the block is left.

    Args:
        title: what runs.
        planned: trials of the whole study by (phase, optimizer), in the order to show them;
            looked at again and again, since phases that follow from results may turn out smaller.
        stored: outcomes of an earlier start; they count as done, not for the rate.
        console: where to show it.
        clock: the time in seconds.
    """

    def __init__(
        self,
        title: str,
        planned: Mapping[tuple[str, str], int],
        stored: Iterable[Outcome],
        console: Console,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title = title
        self._planned = planned
        self._clock = clock
        self._tally = Tally()
        self._tally.add(stored)
        self._stored = self._tally.done.total()
        self._forecast = Forecast()
        self._workers: int | None = None
        self._began = clock()
        self._first_pack = self._last_back = math.nan
        self._memory: int | None = None
        self._measured = -math.inf
        self._state = "starting"
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._screen: Screen = PanelScreen(console) if has_panel(console) else Lines(console)
        self._thread = threading.Thread(target=self._keep_showing, daemon=True)

    def __enter__(self) -> Self:
        self._screen.start(self.facts())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with interrupts_held():  # or the terminal would be left without its cursor
            self._over.set()
            self._thread.join()
            done = self._tally.done.total() == sum(self._planned.values())
            self._state = "done" if done else "stopped"
            self._forecast.drop()
            self._screen.stop(self.facts())

    def places(self, count: int) -> None:
        """So many packs can be trained at once now."""
        self._workers = count

    def begun(self, pack: Pack) -> None:
        """A worker has begun a pack."""
        with self._lock:
            now = self._clock()
            if math.isnan(self._first_pack):
                self._first_pack, self._state = now, "training"
            self._forecast.begun(pack, now)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count finished trials."""
        with self._lock:
            self._tally.add(outcomes)
            self._last_back = self._clock()

    def drop(self, outcomes: Sequence[Outcome]) -> None:
        """Count trials of before no more: they are trained again."""
        with self._lock:
            self._tally.drop(outcomes)
            self._stored -= len(outcomes)

    def ended(self, pack: Pack, outcomes: Sequence[Outcome]) -> None:
        """A pack is back, its outcomes counted; without any where it was lost."""
        with self._lock:
            self._forecast.ended(pack, outcomes, self._clock())

    def stop(self) -> bool:
        """Show that no pack is begun any more; returns whether some are waited for.

        It may be called from a signal handler, so it takes no lock and prints nothing.
        """
        self._state = "stopping"
        return bool(self._forecast.running)

    def facts(self) -> Facts:
        """What is known now."""
        with self._lock:
            now = self._clock()
            done, planned = self._tally.done, self._now_planned()
            return Facts(
                title=self._title,
                state=self._state,
                notice=self._notice(now),
                stored=self._stored,
                done=done.total(),
                total=sum(planned.values()),
                phases=self._phases(),
                optimizers=self._optimizers(),
                rate=self._rate(),
                elapsed=now - self._began,
                left=self._left(now),
                busy=len(self._forecast.running),
                workers=self._workers,
                diverged=self._tally.diverged,
                failed=self._tally.failed,
                memory=self._memory,
            )

    def _now_planned(self) -> dict[tuple[str, str], int]:
        """A copy, in one step: whoever plans may drop a phase while it is being counted."""
        return dict(self._planned)

    def _phases(self) -> tuple[PhaseFacts, ...]:
        done, planned = (_summed(c, 0) for c in (self._tally.done, self._now_planned()))
        return tuple(PhaseFacts(name=p, done=done[p], total=planned[p]) for p in planned)

    def _optimizers(self) -> tuple[OptimizerFacts, ...]:
        done, planned = (_summed(c, 1) for c in (self._tally.done, self._now_planned()))
        return tuple(
            OptimizerFacts(
                name=name,
                done=done[name],
                total=planned[name],
                best=self._tally.best.get(name, math.nan),
                median=self._tally.median(name),
            )
            for name in planned
        )

    def _rate(self) -> float | None:
        """As of the last pack that came back: it would sink and leap with each one otherwise."""
        new = self._tally.done.total() - self._stored
        passed = self._last_back - self._first_pack
        return new / passed if passed > 0 else None

    def _left(self, now: float) -> float | None:
        left = _summed(self._now_planned(), 1)
        left.subtract(_summed(self._tally.done, 1))
        return self._forecast.left(left, self._workers or 0, now)

    def _notice(self, now: float) -> str:
        running = self._forecast.running
        if self._state != "stopping":
            return ""
        if not running:
            return "Stopping."
        one = len(running) == 1
        packs, are, them = ("pack", "is", "it") if one else (f"{len(running)} packs", "are", "them")
        trials = sum(len(pack.trials) for pack in running)
        rest = self._forecast.rest(now)
        how_long = "" if rest is None else f", about {duration(rest)}"
        return (
            f"Stopping when the {packs} being trained ({trials} trials) {are} done and stored"
            f"{how_long}. Ctrl-C again stops at once, without {them}."
        )

    def _keep_showing(self) -> None:
        while not self._over.wait(_BETWEEN_LOOKS):
            now = self._clock()
            # Not when the workers are gone: the last line is of the run, not of its end.
            with self._lock:
                training = bool(self._forecast.running)
            if training and now - self._measured >= _BETWEEN_MEASUREMENTS:
                self._memory, self._measured = memory_of_tree(os.getpid()), now
            self._screen.show(self.facts())


def has_panel(console: Console, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a panel can be drawn: on a terminal that can, and not where CI keeps a log."""
    return (
        console.file.isatty()
        and console.is_interactive
        and console.encoding.startswith("utf")
        and environment.get("CI", "").lower() in ("", "0", "false")
    )


def _summed(counts: Mapping[tuple[str, str], int], part: int) -> Counter[str]:
    """Counts by phase (part 0) or by optimizer (part 1)."""
    summed: Counter[str] = Counter()
    for key, count in counts.items():
        summed[key[part]] += count
    return summed
