"""How sure an interval must be when a study may be looked at again and again.

In: the sizes at which a study was analysed, and how far it may grow. Out: the two-sided level of
each look's intervals.

False verdicts are kept at `level` over all looks by spending it, after K. K. G. Lan and D. L.
DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983), with their
function of S. J. Pocock's type, level · ln(1 + (e − 1) t) at the share t of the largest size.
(O'Brien and Fleming's asks five to twelve standard errors of a first look at so few replicates.)

The usual recursion is for a known variance; here each look has Student's t of the replicates so
far, and at four replicates that recursion's levels would be exceeded by 7 %. So the levels are
quantiles of many walks of t, drawn from scrambled Sobol points, the same on every machine.

Shapes: W walks, K looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri, stdtr
from scipy.stats import qmc

__all__ = ["look_level", "look_levels"]

Array = NDArray[np.float64]

#: Walks: 2^17 give levels that are exact to a hundredth of themselves.
_LOG2_WALKS = 17


def look_level(sizes: Sequence[int], largest: int, level: float) -> float:
    """The two-sided level for intervals at the last of the looks; see `look_levels`."""
    return look_levels(tuple(sizes), largest, level)[-1]


@lru_cache(maxsize=64)
def look_levels(sizes: tuple[int, ...], largest: int, level: float) -> tuple[float, ...]:
    """The two-sided level of each look.

    Args:
        sizes: replicates at each look that was made, strictly increasing.
        largest: replicates at most; a study that cannot grow has the whole level at one look.
        level: false verdicts over all looks, as 0.05.

    Raises:
        ValueError: if the sizes do not increase, or go beyond the largest.
    """
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] > largest:
        msg = f"looks at {list(sizes)} of at most {largest} replicates: allowed are sizes that grow"
        raise ValueError(msg)
    spent_K = level * np.log1p((np.e - 1) * np.asarray(sizes) / largest)
    if len(sizes) == 1:
        return (float(spent_K[0]),)
    p_KW = _p_values(sizes)
    goes_on_W = np.ones(p_KW.shape[1], dtype=bool)
    levels: list[float] = []
    for p_W, spent in zip(p_KW, spent_K, strict=True):
        # As many walks end here as brings those that have ended to what may be spent so far.
        ending = round(spent * len(p_W)) - int((~goes_on_W).sum())
        at_look = np.sort(p_W[goes_on_W])
        own = float(spent) if not levels else float(at_look[max(ending, 1) - 1])
        levels.append(own)
        goes_on_W &= p_W > own
    return tuple(levels)


def _p_values(sizes: tuple[int, ...]) -> Array:
    """Two-sided p-values (K, W) of Student's t at each look of walks without a difference."""
    K = len(sizes)
    engine = qmc.Sobol(2 * K, scramble=True, rng=np.random.default_rng(0))
    unit_W2K = engine.random_base2(_LOG2_WALKS).clip(1e-12, 1 - 1e-12)
    mean_W, squares_W = np.zeros(len(unit_W2K)), np.zeros(len(unit_W2K))
    p_KW = []
    for look, (before, size) in enumerate(pairwise((0, *sizes))):
        new = size - before
        new_mean_W = ndtri(unit_W2K[:, 2 * look]) / np.sqrt(new)
        if new > 1:
            squares_W = squares_W + 2 * gammaincinv((new - 1) / 2, unit_W2K[:, 2 * look + 1])
        squares_W = squares_W + before * new / size * (new_mean_W - mean_W) ** 2
        mean_W = (before * mean_W + new * new_mean_W) / size
        if size == 1:
            p_KW.append(np.ones(len(mean_W)))
            continue
        t_W = np.abs(mean_W) / np.sqrt(squares_W / (size - 1) / size)
        p_KW.append(2 * stdtr(size - 1, -t_W))
    return np.stack(p_KW)
