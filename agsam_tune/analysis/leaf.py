"""The leaves of `summary.json`: a value with its interval, or null with the reason.

In: numbers. Out: JSON-able dicts without NaN or infinity. Imports nothing of the project.
"""

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Unknown", "finite", "leaf", "null"]

Leaf = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What stands in the place of an estimate that the data cannot give, with the reason."""

    reason: str


def leaf(*, value: float, low: float, high: float, n: int, method: str, **more: object) -> Leaf:
    """An estimate: `n` is the number of trials it rests on, `method` what its interval is.

    A value that is not finite becomes null with that as the reason.
    """
    if not all(math.isfinite(number) for number in (value, low, high)):
        return null("the estimate is not finite")
    return {
        "value": float(value),
        "low": float(low),
        "high": float(high),
        "n": int(n),
        "method": method,
        **more,
    }


def null(reason: str) -> Leaf:
    """No estimate, and why."""
    return {"value": None, "reason": reason}


def finite(number: float) -> float | None:
    """The number, or None where it is NaN or infinite."""
    return float(number) if math.isfinite(number) else None
