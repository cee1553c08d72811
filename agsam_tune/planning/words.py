"""Numbers of a plan as people say them.

In: numbers. Out: text. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import math


def percentage_points(fraction: float) -> str:
    """Such as 2.5 points or 1 point, of accuracy."""
    number = f"{100 * fraction:.2g}"
    return f"{number} point" if number == "1" else f"{number} points"


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
    """Such as 68.6 ms or 11.8 s."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
