"""Progress as plain lines, for pipes, logs and terminals that can do no more.

In: facts. Out: lines of text, each with the local time, without control characters. Imports
Rich's console only.
"""

from __future__ import annotations

from datetime import datetime

from rich.console import Console

from agsam_tune.progress.facts import Facts, duration, memory, points, rate

# Between two lines, at least; and at most, where nothing changes.
_SECONDS, _SILENCE = 15.0, 300.0


class Lines:
    """Prints a line at the start, now and then, at each phase's end, and at the end.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = 0.0
        self._notice = ""
        self._done = 0
        self._over: frozenset[str] = frozenset()

    def start(self, facts: Facts) -> None:
        """Say what there is to do."""
        self._over = _over(facts)
        self._done = facts.done
        self._print(facts, opening(facts))

    def show(self, facts: Facts) -> None:
        """Print a line if it is time to."""
        passed = facts.elapsed - self._printed
        if facts.notice and not self._notice:
            self._print(facts, facts.notice)
            self._notice = facts.notice
        over = _over(facts) - self._over
        if over and facts.done < facts.total:
            self._over |= over
            self._print(facts, f"{', '.join(sorted(over))} done: {line(facts)}")
        elif passed >= _SILENCE or (passed >= _SECONDS and facts.done != self._done):
            self._print(facts, line(facts))

    def stop(self, facts: Facts) -> None:
        """Print the last line."""
        self._print(facts, f"{facts.state}: {line(facts)}")

    def _print(self, facts: Facts, text: str) -> None:
        now = datetime.now().isoformat(timespec="seconds")
        self._console.print(
            f"{now} {text}", soft_wrap=True, markup=False, highlight=False, emoji=False
        )
        self._printed, self._done = facts.elapsed, facts.done


def opening(facts: Facts) -> str:
    """What was found, and what is left."""
    left = ", ".join(f"{p.name} {p.total - p.done}" for p in facts.phases if p.done < p.total)
    if not facts.stored:
        return f"{facts.title}: {facts.total} trials to train: {left}"
    found = f"{facts.stored} of {facts.total} trials are stored"
    return f"{facts.title}: {found}, {facts.total - facts.done} are left: {left}"


def line(facts: Facts) -> str:
    """All facts in one line."""
    parts = [
        f"{facts.done}/{facts.total} trials",
        "-/s" if facts.rate is None else rate(facts.rate),
        f"{duration(facts.elapsed)} elapsed",
        "- left" if facts.left is None else f"{duration(facts.left)} left",
        f"{facts.busy}/{'-' if facts.workers is None else facts.workers} workers busy",
        f"{facts.diverged} diverged",
        f"{facts.failed} failed to run",
        *([] if facts.memory is None else [f"memory {memory(facts.memory)}"]),
        *(f"{phase.name} {phase.done}/{phase.total}" for phase in facts.phases),
    ]
    accuracies = ", ".join(
        f"{o.name} {points(o.best, '-')} ({points(o.median, '-')})" for o in facts.optimizers
    )
    return f"{', '.join(parts)}; best (median) validation accuracy: {accuracies}"


def _over(facts: Facts) -> frozenset[str]:
    return frozenset(phase.name for phase in facts.phases if phase.done == phase.total)
