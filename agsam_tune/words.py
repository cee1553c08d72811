"""Numbers of accuracy and of amounts as people say them.

In: numbers. Out: text. Must not import anything of others.
"""

from __future__ import annotations

from decimal import Decimal

# Accuracy lies between 0 and 1, and so does what is lost of it.
_LARGEST = 1.0
MORE_THAN_ANY = "more than any difference there can be"


def significant(value: float, digits: int = 2) -> str:
    """To so many significant digits, without an exponent: 0.00012, 2.5, 120."""
    return f"{Decimal(f'{value:.{digits}g}'):f}"


def percentage_points(fraction: float) -> str:
    """Such as 2.5 points or 1 point, of accuracy; in words where no difference is so large."""
    if fraction > _LARGEST:
        return MORE_THAN_ANY
    number = significant(100 * fraction)
    return f"{number} point" if number == "1" else f"{number} points"
