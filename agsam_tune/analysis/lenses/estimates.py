"""Estimates over independent replicates, and their intervals.

In: what a study gives as a whole, and without each of its replicates. Out: estimates, their
differences, intervals.

The delete-one jackknife (R. G. Miller, "The jackknife: a review", Biometrika 61, 1974): from the
values t_r without replicate r the variance of an estimate is (R − 1)/R · Σ (t_r − mean t)², on
R − 1 degrees of freedom. Of a mean of replicates it is s²/R exactly, so a mean has Student's
interval and needs no way of its own.

Shapes: R replicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["Estimate", "Interval", "difference", "mean_estimate"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Both ends of an interval; infinite where one replicate says nothing of the spread."""

    low: float
    high: float

    def excludes_zero(self, sign: int) -> bool:
        """Whether all of it lies above 0 (sign 1) or below 0 (sign −1)."""
        return self.low > 0 if sign > 0 else self.high < 0

    def within(self, margin: float) -> bool:
        """Whether it lies inside ± margin, ends included."""
        return -margin <= self.low and self.high <= margin


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value, and what it is made of.

    Attributes:
        value: over all replicates.
        left_out: for each independent set of replicates the values (R,) without each of them:
            one set, but two where runs of different designs are compared.
    """

    value: float
    left_out: tuple[Array, ...]

    @property
    def standard_error(self) -> float:
        """Of `value`; NaN where one replicate has all there is."""
        return float(np.sqrt(sum(self._variances())))

    @property
    def degrees(self) -> float:
        """Degrees of freedom: R − 1, Welch's (1947) where two sets are compared."""
        degrees = [len(part) - 1 for part in self.left_out]
        variances = self._variances()
        if len(degrees) == 1 or min(degrees) < 1 or sum(variances) == 0:
            return float(min(degrees))
        return float(
            sum(variances) ** 2 / sum(v**2 / d for v, d in zip(variances, degrees, strict=True))
        )

    def interval(self, level: float) -> Interval:
        """The two-sided interval that is wrong with probability `level`, as 0.05 for 95 %."""
        if not self.degrees >= 1 or np.isnan(self.standard_error):
            return Interval(low=-np.inf, high=np.inf)
        half = -float(stdtrit(self.degrees, level / 2)) * self.standard_error
        return Interval(low=self.value - half, high=self.value + half)

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference of two estimates from the same replicates."""
        return Estimate(
            value=self.value - other.value,
            left_out=tuple(a - b for a, b in zip(self.left_out, other.left_out, strict=True)),
        )

    def _variances(self) -> list[float]:
        return [
            float((len(part) - 1) * np.var(part)) if len(part) > 1 else float("nan")
            for part in self.left_out
        ]


def mean_estimate(replicate_N: NDArray[np.int64], value_N: Array, *, replicates: int) -> Estimate:
    """The mean over trainings, with their replicates as what is independent.

    Where every replicate has as many trainings it is the mean of the replicates' means, and its
    interval Student's.

    Args:
        replicate_N: which replicate each training belongs to, in [0, replicates).
        value_N: a number of each training.
        replicates: R.

    Raises:
        ValueError: if there is no training.
    """
    if not len(value_N):
        raise ValueError("found no trainings, allowed: one or more")
    sum_R = np.bincount(replicate_N, weights=value_N, minlength=replicates)
    count_R = np.bincount(replicate_N, minlength=replicates)
    value, rest_R = sum_R.sum() / count_R.sum(), count_R.sum() - count_R
    # Where one replicate has all there is, nothing is known of the spread.
    left_out_R = np.where(rest_R > 0, (sum_R.sum() - sum_R) / np.maximum(rest_R, 1), np.nan)
    return Estimate(value=float(value), left_out=(left_out_R,))


def difference(one: Estimate, other: Estimate, *, paired: bool) -> Estimate:
    """one − other: replicate by replicate where they are the same, else as independent runs."""
    if paired:
        return one - other
    return Estimate(
        value=one.value - other.value,
        left_out=(*one.left_out, *(-part for part in other.left_out)),
    )
