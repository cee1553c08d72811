"""The noise of the good points: its size, and whether some trials there collapse.

In: `Cells`. Out: standard deviations, and the share and size of collapses. Must not import
pandas, torch, Ray or Optuna.

Rare collapses are what a handful of fresh seeds mostly misses: at a setting where one trial in ten
ends at chance, six seeds see none in 53 % of studies, agree closely, and a t-interval of theirs
excludes the true mean. The good points around it have shown by then that there are collapses. (In a
world with such noise 95 % intervals of a* covered in 61 % of studies without them, and in all with
them.) Points farther off, at the edge of a cliff, collapse for reasons of their own.

Shapes: P points, S seeds, H hyperparameters, N trials.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from agsam_tune.analysis.table import Cells

__all__ = [
    "NO_COLLAPSES",
    "Collapses",
    "common_excess",
    "find_collapses",
    "noise_bound",
    "noise_near",
]

Array = NDArray[np.float64]

#: Collapses are looked for in this many trials of the nearest good points (one in fifty is then
#: missed in 8 % of studies), and in fewer where these are farther away than `_NEAR`, in sides of
#: the unit cube: the edge of a cliff may be within reach.
_MOST_TRIALS, _FEWEST_TRIALS = 128, 32
_NEAR = 0.3

#: Fewest good points that a noise is estimated from; with fewer it is that of all points.
_FEWEST = 5

#: A trial this many standard deviations below its point's median has collapsed. The standard
#: deviation is the middle half's, so that the collapses themselves do not widen it. Of normal noise
#: one trial in thousands is that low; where noise grows towards a cliff more are, and intervals a
#: little too wide. (With 10, where one trial in seven falls by 7 or 13 standard deviations, a* was
#: covered in 77 and 84 % of studies.)
_FAR = 4.0

#: The confidence of `noise_bound` in what all points' seeds have in common.
_SURE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapses:
    """Trials of good points that fell far below their point's other seeds.

    Attributes:
        seen: how many.
        share: of the good points' trials, in [0, 1].
        square: mean of the squared drops below the point's median, in squared fractions; 0
            without collapses.
    """

    seen: int
    share: float
    square: float

    @property
    def variance(self) -> float:
        """What collapses add to the variance of one trial."""
        return self.share * (1.0 - self.share) * self.square


NO_COLLAPSES = Collapses(seen=0, share=0.0, square=0.0)


def find_collapses(
    accuracy_PS: Array, distance_P: Array, level: float, fresh_N: Array
) -> Collapses:
    """The collapses at a setting, as the good points around it show them.

    A point is good where its best seed is, and not where its mean is: one of which a seed in four
    collapses has a low mean, and leaving it out for that would leave out what is looked for.

    Args:
        accuracy_PS: of all points; NaN without a trial. Only points with two seeds, of which one
            is at `level` or above, count.
        distance_P: from the setting that is asked for, in sides of the unit cube.
        fresh_N: further trials at the setting itself.
    """
    good_P = (_best_seed(accuracy_PS) >= level) & (np.isfinite(accuracy_PS).sum(axis=1) > 1)
    order = np.argsort(np.where(good_P, distance_P, np.inf), kind="stable")[: int(good_P.sum())]
    counts = np.isfinite(accuracy_PS[order]).sum(axis=1)
    most = np.where(distance_P[order] <= _NEAR, _MOST_TRIALS, _FEWEST_TRIALS)
    own_PS = accuracy_PS[order[np.cumsum(counts) - counts < most]]
    if not len(own_PS):
        return NO_COLLAPSES
    # The upper of two middle seeds: of two seeds it is the one that has not collapsed.
    middle_P = np.nanquantile(own_PS, 0.5, axis=1, method="higher")
    drop_PS = middle_P[:, None] - own_PS
    drop_N = drop_PS[np.isfinite(drop_PS)]
    spread = float(np.median(np.abs(drop_N[drop_N != 0]))) / 0.6745 if np.any(drop_N) else 0.0
    fell_N = drop_N > max(_FAR * spread, 1e-9)
    if not fell_N.any():
        return NO_COLLAPSES
    return Collapses(
        seen=int(fell_N.sum()),
        share=float(fell_N.sum() / (len(drop_N) + len(fresh_N))),
        square=float(np.mean(drop_N[fell_N] ** 2)),
    )


def noise_near(cells: Cells, level: float) -> float | None:
    """The pooled standard deviation over seeds of the points with a mean of `level` or more.

    Of all points if fewer than five are that good; None where no point has two seeds.
    """
    variance = _variances(cells, level)
    return None if variance is None else float(np.sqrt(variance[0]))


def noise_bound(cells: Cells, level: float, collapses: Collapses) -> float | None:
    """The same with what collapses add, and an upper bound of what a seed does to all points.

    S seeds that all points share say much of the noise that is each trial's own, and little of
    their common effect, which moves every point of a map at once: its variance rests on S - 1
    degrees of freedom. The bound is at confidence 0.8 (chi-squared).
    """
    variance = _variances(cells, level)
    if variance is None:
        return None
    # A single one may have been the edge of a cliff.
    collapsed = collapses.variance if collapses.seen > 1 else 0.0
    return float(np.sqrt(variance[0] + common_excess(cells, level) + collapsed))


def common_excess(cells: Cells, level: float) -> float:
    """By how much that bound of the variance of the seeds' common effect exceeds its estimate."""
    seeds = int(cells.present_PS.any(axis=0).sum())
    variance = _variances(cells, level)
    if variance is None or seeds < 2:
        return 0.0
    return variance[1] * ((seeds - 1) / float(chi2.ppf(1.0 - _SURE, seeds - 1)) - 1.0)


def _variances(cells: Cells, level: float) -> tuple[float, float] | None:
    """The variance over seeds pooled over points of at least that mean, and its common part."""
    present_PS = cells.present_PS
    usable_P = present_PS.sum(axis=1) > 1
    if not usable_P.any():
        return None
    sum_P = np.where(present_PS, cells.accuracy_PS, 0.0).sum(axis=1)
    near_P = usable_P & (sum_P / np.maximum(present_PS.sum(axis=1), 1) >= level)
    chosen_P = near_P if near_P.sum() >= _FEWEST else usable_P
    own_PS = cells.accuracy_PS[chosen_P]
    off_PS = own_PS - np.nanmean(own_PS, axis=1, keepdims=True)
    total = float(np.nansum(off_PS**2) / (np.isfinite(own_PS).sum(axis=1) - 1).sum())
    seen_S = np.isfinite(off_PS).any(axis=0)
    mean_S = np.nanmean(off_PS[:, seen_S], axis=0)
    between = float(np.sum(mean_S**2) / (len(mean_S) - 1))
    return total, max(between - total / len(own_PS), 0.0)


def _best_seed(accuracy_PS: Array) -> Array:
    return np.asarray(np.where(np.isfinite(accuracy_PS), accuracy_PS, -np.inf).max(axis=1))
