"""Times of a plan as people say them.

In: numbers. Out: text. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import math

from agsam_tune.words import significant


def rounded_duration(seconds: float) -> str:
    """A forecast, no more exact than it is: 25 s, 2.9 min, 1.5 h, 3.1 days."""
    if seconds < 90:
        return f"{max(math.ceil(seconds / 5) * 5, 5)} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def of_a_trial(seconds: float) -> str:
    """Such as 68.6 ms, 11.8 s or 3.1 h."""
    if seconds < 100:
        return (
            f"{significant(1000 * seconds, 3)} ms"
            if seconds < 0.9995
            else f"{significant(seconds, 3)} s"
        )
    return rounded_duration(seconds)


def hours(number: float) -> str:
    """Such as 2.5 or 120; of next to nothing, less than 0.01."""
    return significant(number) if number >= 0.01 else "less than 0.01"
