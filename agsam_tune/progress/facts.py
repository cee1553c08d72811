"""What is known of a run at one moment, and how its numbers are written.

In: nothing. Out: a record and texts. Imports the standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFacts:
    """Trials of a phase: done, and of all."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerFacts:
    """Trials of an optimizer, and its validation accuracies, fractions; NaN while unknown.

    Attributes:
        name: the optimizer.
        done: trials done.
        total: trials of all.
        best: of its best training so far.
        median: the median of its trials so far.
    """

    name: str
    done: int
    total: int
    best: float
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A run at one moment.

    Attributes:
        title: what runs.
        state: what it does, in a word.
        notice: what the user must know just now, or "".
        stored: trials that were done before it began.
        done: trials done, those among them.
        total: trials of the whole study.
        phases: each phase.
        optimizers: each optimizer.
        rate: trials a second, as of the last pack that came back; None before.
        elapsed: seconds since it began.
        left: seconds that it will take; None while unknown.
        busy: packs being trained.
        workers: packs that can be trained at once; None while unknown.
        diverged: trials that diverged.
        failed: trials that could not be run.
        memory: bytes that the driver and its workers take; None where unknown.
    """

    title: str
    state: str
    notice: str
    stored: int
    done: int
    total: int
    phases: tuple[PhaseFacts, ...]
    optimizers: tuple[OptimizerFacts, ...]
    rate: float | None
    elapsed: float
    left: float | None
    busy: int
    workers: int | None
    diverged: int
    failed: int
    memory: int | None


def duration(seconds: float) -> str:
    """Such as 12s, 3m05s, 2h04m or 3d02h."""
    whole = round(seconds)
    for unit, size, next_unit, next_size in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // next_size:02d}{next_unit}"
    return f"{whole}s"


def rate(per_second: float) -> str:
    """Such as 11.8 trials/s, 5.0 trials/min or 2.5 trials/h."""
    for unit, size in (("s", 1), ("min", 60)):
        if per_second * size >= 1:
            return f"{per_second * size:.1f} trials/{unit}"
    return f"{per_second * 3600:.1f} trials/h"


def memory(size: int) -> str:
    """Such as 812 MB or 3.4 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def points(fraction: float, unknown: str) -> str:
    """Such as 91.7%."""
    return unknown if math.isnan(fraction) else f"{100 * fraction:.1f}%"
