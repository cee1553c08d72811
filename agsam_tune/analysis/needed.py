"""How many replicates would decide a lens, if its differences are as they were found.

In: differences with their standard errors. Out: numbers of replicates. Pure: `plan` asks it of
differences that one would like to see, the analysis of those that it found.

At R replicates a difference d has the standard error s/√R, and its verdict interval reaches
Student's t of R − 1 degrees of freedom at the look's level, times a standard error that is itself
estimated: chances are means over what it may come to, else too few are told where they are few.
A lens is decided with the
probability that both of its differences come to lie as one of its verdicts asks; of two
differences the chance that either misses is at most the sum of both chances (Bonferroni), so the
number errs upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, ndtr, stdtrit

from agsam_tune.analysis.verdict.looks import look_level

__all__ = ["POWER", "LookLevel", "Spread", "chance_of_verdict", "replicates_needed", "sizes_after"]

#: With this probability a study of so many replicates is decided.
POWER = 0.8

#: No study is told to be larger.
_MOST = 4096

#: Where score and regret lie when a lens is decided, as in `verdict.lens_verdict`.
_DECIDED = (
    ("within", "within"),
    ("above", "above"),
    ("below", "below"),
    ("above", "within"),
    ("below", "within"),
    ("above", "below"),
    ("below", "above"),
)
#: Of a variance's distribution, at which chances are averaged.
_QUANTILES = (np.arange(40) + 0.5) / 40

LookLevel = Callable[[int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A difference, and how much it differs from replicate to replicate.

    Attributes:
        difference: in terms of the score.
        deviation: its standard error times √R: of one replicate.
    """

    difference: float
    deviation: float


def replicates_needed(
    score: Spread,
    regret: Spread,
    *,
    margin: float,
    level: LookLevel,
    sizes: Iterable[int],
    power: float = POWER,
) -> int | None:
    """The first of `sizes` at which a lens is decided with probability `power`.

    Args:
        score, regret: the lens's differences; a positive one speaks for the candidate.
        margin: differences up to it count as none.
        level: replicates → the two-sided level of the verdict intervals there.
        sizes: replicates, increasing.
        power: see above.

    Returns:
        None where no size would: a difference is about as large as the margin, or the two speak
        for different things.
    """
    for size in sizes:
        if chance_of_verdict(score, regret, size, margin=margin, level=level(size)) >= power:
            return size
    return None


def chance_of_verdict(
    score: Spread, regret: Spread, replicates: int, *, margin: float, level: float
) -> float:
    """At least how probable it is that a lens is decided at so many replicates."""
    if replicates < 2:
        return 0.0
    reach = -float(stdtrit(replicates - 1, level / 2))
    parts = [_chances(one, replicates, margin, reach) for one in (score, regret)]
    both = [parts[0][one] + parts[1][other] - 1.0 for one, other in _DECIDED]
    return float(max(0.0, *both))


def sizes_after(replicates: int) -> list[int]:
    """Sizes to try: twice, four times … as many replicates."""
    sizes = [2 * replicates]
    while 2 * sizes[-1] <= _MOST:
        sizes.append(2 * sizes[-1])
    return sizes


def level_of_looks(looks: tuple[int, ...], largest: int, alpha: float) -> LookLevel:
    """The level at a later size: after those looks, or of a study that is made for that size."""

    def level(size: int) -> float:
        made = tuple(look for look in looks if look < size)
        if size <= largest:
            return look_level((*made, size), largest, alpha)
        return look_level((size,), size, alpha)

    return level


def _chances(one: Spread, replicates: int, margin: float, reach: float) -> dict[str, float]:
    """How probable it is that an interval lies inside the margin, above 0, below 0."""
    error = max(one.deviation / np.sqrt(replicates), 1e-12)
    freedom = replicates - 1
    found_Q = error * np.sqrt(2 * gammaincinv(freedom / 2, _QUANTILES) / freedom)
    half_Q = reach * found_Q
    inside_Q = ndtr((margin - half_Q - one.difference) / error) - ndtr(
        (half_Q - margin - one.difference) / error
    )
    return {
        "within": float(np.maximum(inside_Q, 0.0).mean()),
        "above": float(ndtr((one.difference - half_Q) / error).mean()),
        "below": float(ndtr((-one.difference - half_Q) / error).mean()),
    }
