"""What is said of repeated measurements.

In: numbers. Out: three of them. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def spread(measured: Sequence[float]) -> dict[str, float]:
    """Median, least and most, in the unit of what was measured."""
    return {"median": median(measured), "min": min(measured), "max": max(measured)}
