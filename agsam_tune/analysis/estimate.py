"""Estimates with their first-order expansions, and intervals from independent clusters and seeds.

In: contributions of points and seeds to an estimate. Out: `Estimate`s, that can be subtracted
(everything is paired across optimizers) and turned into leaves. Must not import torch, Ray, Optuna.

**Two-way clustering.** A `map` is R independently scrambled Sobol designs (Owen, "Randomly
permuted (t,m,s)-nets", 1995: the replicates' means are independent and unbiased, so their spread
gives the design's error, that a bootstrap over points overstates several times), crossed with S
seeds that all points share. An estimate's error is, to first order, a sum over the cells

    theta_hat - theta = sum_r u_r + sum_s w_s + interaction

with independent replicates r and seeds s. Its variance is that of a random two-way layout,

    V_replicates + (V_seeds - V_interaction),

the inclusion-exclusion of Cameron, Gelbach and Miller ("Robust inference with multiway
clustering", 2011), each part a mean square with its own degrees of freedom, joined by
`intervals.half_width`. The subtraction is left out with fewer than three seeds, where the parts
are too uncertain to be told apart (without it coverage fell to 91 %).
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.best import Best, best_components
from agsam_tune.analysis.intervals import KNOWN, Component, half_width
from agsam_tune.analysis.leaf import Leaf, Unknown, leaf, null

__all__ = [
    "UNSEEN_FAILURES",
    "Estimate",
    "count_present",
    "difference",
    "per_cluster",
    "point_means",
    "to_leaf",
]

Array = NDArray[np.float64]

#: Points that may lie where training fails although none of those drawn did, wherever they were
#: drawn at: the rule of three (J. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything
#: all right?", 1983). Where a fiftieth of the search space diverged, and none of 128 points showed
#: it, no interval of the mean accuracy had the truth.
UNSEEN_FAILURES = 3.0

#: Degrees of freedom of the choice's variance, which rests on the noise of a few good points. In
#: simulations with a cliff an optimizer beat itself in some lens in 8 % of studies with a variance
#: taken as known, and in about 5 % with this.
_CHOICE_DEGREES = 6.0


def _no_choice() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and how it depends on replicates, seeds and the best accuracies.

    Attributes:
        value: the estimate, a fraction unless its metric says otherwise.
        influence_RS: contributions of each cluster (replicate, or all-together draw) and seed;
            their mean over seeds, summed over clusters, is the estimate's error. 0 where a
            cluster or a seed has no trials.
        clusters, seeds: how many of each have trials.
        cluster_degrees: clusters - 1, or clusters - strata.
        best_terms: (weight, best accuracy): the derivative with respect to each a* that the
            estimate uses and whose own error, from fresh seeds, comes on top.
        imagined_B: the value in imagined studies that choose other best settings, but for what
            the `best_terms` already say of it; empty where it does not depend on the choice.
        extra: parts of the error that neither clusters nor seeds show.
        common: parts that move all optimizers alike: a difference does not have them.
        bias: an estimate of how far smoothing alone takes the value from the truth, with its sign,
            so that it cancels between optimizers that are smoothed alike. It is not taken off the
            value, since it is as noisy as that is; its square is a part of the error.
        least_variance: of the clusters' part, where something else than their spread tells of it.
        unseen: how far failures that no point showed could move it (`UNSEEN_FAILURES`). An
            optimizer's own number bears that; a difference over the same points does not.
        compares: whether it is a difference between optimizers. An optimizer's own numbers are
            about the setting that it chose; a difference must also bear that each could have
            chosen another.
        step: what one point more or less changes a cluster's value by, for shares; for averages
            it is taken from `values_P`.
        values_P: the points' values, for averages over points; else empty.
        low, high: the limits of what the value can be.
        n: number of trials that the value rests on.
        method: what the interval is made from.
    """

    value: float
    influence_RS: Array
    clusters: int
    seeds: int
    cluster_degrees: int
    n: int
    method: str
    best_terms: tuple[tuple[float, Best], ...] = ()
    imagined_B: Array = field(default_factory=_no_choice)
    extra: tuple[Component, ...] = ()
    common: tuple[Component, ...] = ()
    bias: float = 0.0
    least_variance: float = 0.0
    unseen: float = 0.0
    compares: bool = False
    step: float = 0.0
    values_P: Array = field(default_factory=_no_choice)
    low: float = -np.inf
    high: float = np.inf

    def components(self, confidence: float) -> tuple[Component, ...] | Unknown:
        """The independent parts of the estimate's error, or why they cannot be known."""
        parts: list[Component] = []
        best = best_components(self.best_terms)
        if isinstance(best, Unknown):
            return best
        if self.clusters > 1 and self.cluster_degrees < 1:
            return Unknown(reason="too few independent draws for an interval")
        if self.influence_RS.size:
            parts.extend(self._two_way(confidence))
        parts.extend((*self.extra, *self.common))
        if self.bias:
            parts.append(Component(variance=self.bias**2, degrees=KNOWN))
        if not parts and not best:
            return Unknown(reason="one point and one seed: there is no spread to estimate from")
        return (*parts, *best, *(self._choice() if self.compares else self._missed_collapses()))

    def _missed_collapses(self) -> list[Component]:
        """The part of the error that comes from collapses which the fresh seeds may have missed.

        A comparison does not have it: another choice of the best would have met them too, and
        that is in `_choice` (differences covered in 98 % or more beside collapses without it).
        """
        return [
            replace(part, variance=weight**2 * part.variance)
            for weight, best in self.best_terms
            for part in best.unseen
        ]

    def _choice(self) -> list[Component]:
        """The part of the error that comes from choosing the best setting by noisy means."""
        vectors = [weight * best.imagined_B for weight, best in self.best_terms]
        vectors = [vector for vector in (self.imagined_B, *vectors) if len(vector)]
        if not vectors:
            return []
        return [Component(variance=float(np.var(sum(vectors))), degrees=_CHOICE_DEGREES)]

    def _two_way(self, confidence: float) -> list[Component]:
        parts = []
        R, S = self.influence_RS.shape
        u_R = self.influence_RS.mean(axis=1)
        w_S = self.influence_RS.sum(axis=0) / S
        rest_RS = self.influence_RS / S - u_R[:, None] / S - w_S[None, :] / R
        if self.cluster_degrees >= 1:
            variance = float(np.sum(u_R**2)) * self.clusters / self.cluster_degrees
            variance = max(variance, self._unseen_variance(confidence), self._told(confidence))
            parts.append(Component(variance=variance, degrees=self.cluster_degrees))
        if self.seeds > 1:
            variance = float(np.sum(w_S**2)) * self.seeds / (self.seeds - 1)
            if self.seeds > 2 and self.cluster_degrees >= 1:
                scale = self.clusters * self.seeds / (self.cluster_degrees * (self.seeds - 1))
                variance = max(variance - scale * float(np.sum(rest_RS**2)), 0.0)
            if self.cluster_degrees < 1:
                variance = max(variance, self._unseen_variance(confidence))
            parts.append(Component(variance=variance, degrees=self.seeds - 1))
        return parts

    def _told(self, confidence: float) -> float:
        """`least_variance` so scaled that on few degrees it gives the half width of a known one."""
        if self.least_variance == 0.0:
            return 0.0
        widths = [
            half_width((Component(variance=1.0, degrees=degrees),), confidence)
            for degrees in (KNOWN, self.cluster_degrees)
        ]
        return self.least_variance * (widths[0] / widths[1]) ** 2

    def _unseen_variance(self, confidence: float) -> float:
        """The least variance of the clusters' part: what all of them may have missed by chance.

        Where accuracies fall off a cliff, Sobol points are so even that most replicates have the
        same number beyond it, and a spread of nearly 0 between replicates says little. If one
        point more lies on the other side in a replicate with probability q, this is seen in none
        of R with probability (1 - q)^R; so q up to 1 - (p/2)^(1/R) cannot be excluded (Clopper
        and Pearson, 1934). Without this floor coverage fell to 83 % at 8 replicates of 8 points.
        """
        step, own = self.step, 0.0 if self.compares else self.unseen
        if self.values_P.size:
            step += float(np.ptp(self.values_P)) * self.clusters / len(self.values_P)
        if step == own == 0.0:
            return 0.0
        p = 1.0 - confidence
        groups, degrees = self.clusters, self.cluster_degrees
        if degrees < 1:
            groups, degrees = self.seeds, self.seeds - 1
        unseen = max(step * (1.0 - (p / 2) ** (1.0 / groups)), own)
        one = (Component(variance=1.0, degrees=degrees),)
        return float((unseen / half_width(one, confidence)) ** 2)


def difference(one: Estimate | Unknown, other: Estimate | Unknown) -> Estimate | Unknown:
    """`one` - `other`, paired over their common replicates, seeds and fresh seeds."""
    if isinstance(one, Unknown):
        return one
    if isinstance(other, Unknown):
        return other
    one, other = _on_common_clusters(one, other), _on_common_clusters(other, one)
    if one.influence_RS.shape != other.influence_RS.shape:
        return Unknown(reason="the two were not run on the same seeds")
    return replace(
        one,
        value=one.value - other.value,
        influence_RS=one.influence_RS - other.influence_RS,
        clusters=min(one.clusters, other.clusters),
        seeds=min(one.seeds, other.seeds),
        cluster_degrees=min(one.cluster_degrees, other.cluster_degrees),
        n=one.n + other.n,
        best_terms=one.best_terms + tuple((-w, best) for w, best in other.best_terms),
        imagined_B=_minus(one.imagined_B, other.imagined_B),
        extra=one.extra + other.extra,
        common=(),
        bias=one.bias - other.bias,
        least_variance=one.least_variance + other.least_variance,
        compares=True,
        step=max(one.step, other.step),
        values_P=_paired(one.values_P, other.values_P),
        low=one.low - other.high,
        high=one.high - other.low,
        method=f"paired {one.method}",
    )


def _on_common_clusters(one: Estimate, other: Estimate) -> Estimate:
    """An optimizer of one point has seeds alone; beside one with replicates they count for each."""
    rows = len(other.influence_RS)
    if len(one.influence_RS) != 1 or rows < 2:
        return one
    return replace(
        one,
        influence_RS=np.repeat(one.influence_RS / rows, rows, axis=0),
        clusters=other.clusters,
        cluster_degrees=other.cluster_degrees,
        values_P=np.zeros(1),
    )


def _minus(one: Array, other: Array) -> Array:
    if not len(one) or not len(other):
        return one if len(one) else -other
    return np.asarray(one - other)


def _paired(one: Array, other: Array) -> Array:
    """Differences of the points' values; where they are not the same points, of all with all."""
    if one.shape == other.shape:
        return np.asarray(one - other)
    if not one.size or not other.size:
        return one if one.size else other
    return np.subtract.outer(one, other).ravel()


def to_leaf(estimate: Estimate | Unknown, confidence: float, **more: object) -> Leaf:
    """The estimate as a leaf of `summary.json`, its interval cut at what is possible."""
    if isinstance(estimate, Unknown):
        return null(estimate.reason)
    parts = estimate.components(confidence)
    if isinstance(parts, Unknown):
        return null(parts.reason)
    half = half_width(parts, confidence)
    return leaf(
        value=estimate.value,
        low=max(estimate.value - half, min(estimate.low, estimate.value)),
        high=min(estimate.value + half, max(estimate.high, estimate.value)),
        n=estimate.n,
        method=estimate.method,
        **more,
    )


def point_means(values_PS: Array) -> tuple[Array, Array]:
    """Means over the seeds that there are, (P,), and deviations, (P, S), NaN and 0 without any.

    The deviations of a point with n_p of S seeds are scaled by S / n_p, so that their mean over
    all S is what the point's mean owes to its seeds.
    """
    present = ~np.isnan(values_PS)
    count_P = present.sum(axis=1)
    mean_P = np.where(present, values_PS, 0.0).sum(axis=1) / np.maximum(count_P, 1)
    scale_P = values_PS.shape[1] / np.maximum(count_P, 1)
    deviation_PS = np.where(present, values_PS - mean_P[:, None], 0.0) * scale_P[:, None]
    return np.where(count_P > 0, mean_P, np.nan), deviation_PS


def per_cluster(contributions_PS: Array, cluster_P: NDArray[np.int64]) -> Array:
    """Sums of the rows of each cluster, (R, S)."""
    sums_RS = np.zeros((int(cluster_P.max()) + 1, contributions_PS.shape[1]))
    np.add.at(sums_RS, cluster_P, contributions_PS)
    return sums_RS


def count_present(present_PS: NDArray[np.bool_], cluster_P: NDArray[np.int64]) -> tuple[int, int]:
    """How many clusters and how many seeds have at least one trial."""
    clusters = len(np.unique(cluster_P[present_PS.any(axis=1)]))
    return clusters, int(present_PS.any(axis=0).sum())
