"""How sure an interval must be when a study may be looked at again and again.

In: the sizes at which a study was analysed, and how far it may grow. Out: the two-sided level of
the last look's intervals.

False verdicts are kept at `level` over all looks by spending it, after K. K. G. Lan and D. L.
DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983), with their
function of S. J. Pocock's type, level · ln(1 + (e − 1) t) at the share t of the information.
(O'Brien and Fleming's asks five to twelve standard errors of a first look at so few degrees of
freedom.) Levels come from normal scores, whose joint law follows from the sizes alone, and are
taken over to Student's t at the degrees of freedom of each look (the significance-level approach:
C. Jennison and B. W. Turnbull, "Group Sequential Methods", 2000, section 4.4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

__all__ = ["look_level", "look_levels"]

Array = NDArray[np.float64]

#: Points of the grid that the density of the walk is followed on; 400 give four digits.
_POINTS = 801


def look_level(sizes: Sequence[int], largest: int, level: float) -> float:
    """The two-sided level for intervals at the last of the looks.

    Args:
        sizes: replicates at each look that was made, this one last, strictly increasing.
        largest: replicates at most; a study that cannot grow has the whole level at one look.
        level: false verdicts over all looks, as 0.05.

    Raises:
        ValueError: if the sizes do not increase, or go beyond the largest.
    """
    return look_levels(sizes, largest, level)[-1]


def look_levels(sizes: Sequence[int], largest: int, level: float) -> tuple[float, ...]:
    """The two-sided level of each look; see `look_level`."""
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] > largest:
        msg = f"looks at {list(sizes)} of at most {largest} replicates: allowed are sizes that grow"
        raise ValueError(msg)
    share = np.asarray(sizes, dtype=float) / largest
    spent = level * np.log1p((np.e - 1) * share)
    found: list[float] = []
    walk: tuple[Array, Array] | None = None  # the density of S(t) where no look stopped
    before = (0.0, 0.0)
    for t, total in zip(share, spent, strict=True):
        bound = _bound(walk, t - before[0], float(np.sqrt(t)), total - before[1])
        walk = _walked(walk, t - before[0], bound * float(np.sqrt(t)))
        before = (t, total)
        found.append(2 * float(ndtr(-bound)))
    return tuple(found)


def _bound(walk: tuple[Array, Array] | None, step: float, scale: float, spend: float) -> float:
    """The normal score beyond which the walk lies with probability `spend` at this look."""
    if walk is None:
        return float(-ndtri(spend / 2))
    at, weight = walk

    def beyond(score: float) -> float:
        sides = ndtr((at - score * scale) / np.sqrt(step)) + ndtr(
            (-at - score * scale) / np.sqrt(step)
        )
        return float(np.sum(weight * sides)) - spend

    return float(brentq(beyond, 0.0, 10.0, xtol=1e-8))


def _walked(
    walk: tuple[Array, Array] | None, step: float, limit: float
) -> tuple[Array, Array]:
    """Where the walk is after the look inside ± limit: points, and their probability weights."""
    at = np.linspace(-limit, limit, _POINTS)
    spacing = at[1] - at[0]
    before, weight = (np.zeros(1), np.ones(1)) if walk is None else walk
    density = np.exp(-((at[:, None] - before) ** 2) / (2 * step)) @ weight
    density *= spacing / np.sqrt(2 * np.pi * step)
    density[[0, -1]] /= 2  # the trapezoidal rule's ends
    return at, density
