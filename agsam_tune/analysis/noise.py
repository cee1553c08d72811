"""The noise over seeds: at each point, around it, and its share of the whole variance.

In: accuracies over points and seeds. Out: variances, and the leaf `noise_share`. Must not
import pandas, torch, Ray or Optuna.

**At a point.** With two to four seeds a point's own variance is itself mostly noise, and the
study's is none of the point's: noise is small on a plateau and large beside a cliff. So each
point's variance is drawn towards that of its neighbours, as if these had been `PRIOR_DEGREES`
further seeds (the moderated variance of G. Smyth, "Linear models and empirical Bayes methods for
assessing differential expression in microarray experiments", 2004, with a local instead of a
global prior and its degrees of freedom fixed, since variances of exactly 0 beyond a cliff leave
nothing to estimate them from).

**Share.** The law of total variance: Var(a) = E[Var(a | point)] + Var(E[a | point]). The first
part over the sum is the total-effect index of the seed (T. Homma and A. Saltelli, 1996), its main
effect and all interactions. Both parts are estimated without bias for any number of seeds
(analysis of variance of a two-way layout; S. Searle, G. Casella and C. McCulloch, "Variance
Components", 1992): all points share their seeds, so what a seed does to all of them alike is in
the spread within points, but not in the spread between their means.

Shapes: P points, S seeds, N positions, H coordinates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.stats import chi2

from agsam_tune.analysis.estimate import Estimate, count_present, per_cluster, point_means
from agsam_tune.analysis.intervals import half_width
from agsam_tune.analysis.leaf import Leaf, Unknown, leaf, null
from agsam_tune.analysis.rho_lens import NO_MAP
from agsam_tune.analysis.table import Cells

__all__ = [
    "ONE_SEED",
    "SAME",
    "moderated",
    "noise_share",
    "seed_variances",
    "smooth_variance",
    "variance_parts",
]

Array = NDArray[np.float64]

#: What a point's neighbours count, in seeds: nearly all. Where three trials of ten collapse, a
#: point's own variance tells whether it was lucky, and weighting by it biases the surface upwards
#: (with 4 instead of 20, R² fell from 0.34 to 0.25 there, and nothing was gained elsewhere).
PRIOR_DEGREES = 20.0

#: Neighbours whose variances are averaged, the point itself besides.
_NEIGHBOURS = 8

#: Width of the kernel that smooths the noise of one trial, in sides of the unit cube.
_WIDTH = 0.1

#: Accuracies, or their standard deviations, closer than this differ by rounding alone.
SAME = 1e-9

ONE_SEED = "one seed a point: the noise over seeds is not known"


def seed_variances(accuracy_PS: Array) -> tuple[Array, Array]:
    """Each point's variance over seeds (P,), NaN with fewer than two, and its degrees (P,)."""
    _, deviation_PS = _deviations(accuracy_PS)
    degrees_P = np.maximum(np.isfinite(accuracy_PS).sum(axis=1) - 1.0, 0.0)
    squares_P = (deviation_PS**2).sum(axis=1)
    return np.where(degrees_P > 0, squares_P / np.maximum(degrees_P, 1), np.nan), degrees_P


def moderated(unit_PH: Array, variance_P: Array, degrees_P: Array) -> Array:
    """Variances over seeds drawn towards those of neighbouring points, (P,).

    0 everywhere if no point has two seeds.
    """
    known = np.flatnonzero(degrees_P > 0)
    if not len(known):
        return np.zeros(len(variance_P))
    nearest = np.arange(min(_NEIGHBOURS + 1, len(known))) + 1
    _, around_PN = KDTree(unit_PH[known]).query(unit_PH, k=nearest)
    local_P = variance_P[known][around_PN].mean(axis=1)
    own_P = np.where(degrees_P > 0, degrees_P * variance_P, 0.0)
    own_P = np.nan_to_num(own_P)
    return np.asarray((PRIOR_DEGREES * local_P + own_P) / (PRIOR_DEGREES + degrees_P))


def smooth_variance(at_NK: Array, unit_PK: Array, variance_P: Array) -> Array:
    """The variance over seeds at positions along K coordinates, averaged over the others, (N,).

    A kernel average (E. Nadaraya; G. Watson, 1964) of the points that have two seeds; NaN without.
    """
    known_P = np.isfinite(variance_P)
    if not known_P.any():
        return np.full(len(at_NK), np.nan)
    square_NP = (((at_NK[:, None, :] - unit_PK[None, known_P, :]) / _WIDTH) ** 2).sum(axis=2)
    kernel_NP = np.exp(-0.5 * (square_NP - square_NP.min(axis=1, keepdims=True)))
    return np.asarray(kernel_NP @ variance_P[known_P] / kernel_NP.sum(axis=1))


def noise_share(cells: Cells | None, confidence: float) -> Leaf:
    """The variance within points over the total variance of a trial's accuracy, in [0, 1].

    Its interval joins two: the first-order expansion of the ratio over replicates and seeds, and
    that of the variance of what a seed does to all points alike, of which there are only as many
    draws as seeds, by chi-squared. They are joined as G. Zou and A. Donner ("Construction of
    confidence limits about effect measures", 2008) recover variances from limits, which keeps the
    second one's skewness: two seeds hardly bound it from above.
    """
    if cells is None or cells.n == 0:
        return null(NO_MAP)
    parts = variance_parts(cells)
    if isinstance(parts, Unknown):
        return null(parts.reason)
    share = parts.within / (parts.within + parts.between)
    moved_PS = ((1 - share) * parts.own_PS - share * parts.between_PS) / (
        parts.within + parts.between
    )
    estimate = _estimate(cells, share, moved_PS)
    components = estimate.components(confidence)
    if isinstance(components, Unknown):
        return null(components.reason)
    half = half_width(components, confidence)
    quantiles = chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], parts.seeds - 1)
    low, high = (
        _ratio(parts.within + parts.common * ((parts.seeds - 1) / quantile - 1), parts.between)
        for quantile in quantiles
    )
    return leaf(
        value=share,
        low=max(share - float(np.hypot(half, share - low)), 0.0),
        high=min(share + float(np.hypot(half, high - share)), 1.0),
        n=cells.n,
        method=f"{estimate.method}, chi-squared for what all points have in common",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceParts:
    """The parts of the total variance, and what each point and seed contributes to them.

    Attributes:
        within: E[Var(a | point)], `common` included.
        common: the variance over seeds of the mean over points, of `seeds` seeds.
        between: Var(E[a | point]).
        own_PS: contributions to `within` less `common`; mean over seeds, sum over points.
        between_PS: contributions to `between`.
    """

    within: float
    common: float
    between: float
    seeds: int
    own_PS: Array
    between_PS: Array


def variance_parts(cells: Cells) -> VarianceParts | Unknown:
    present = cells.present_PS
    count_P, present_P = present.sum(axis=1), np.asarray(present.any(axis=1))
    twice_P, P, S = np.asarray(count_P > 1), int(present_P.sum()), present.shape[1]
    if not twice_P.any():
        return Unknown(reason=ONE_SEED)
    if P < 2:
        return Unknown(reason="one point: there is no variance between points")
    mean_P, deviation_PS = _deviations(cells.accuracy_PS)
    within = float(np.mean(seed_variances(cells.accuracy_PS)[0][twice_P]))
    effect_S = deviation_PS.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    own_PS = np.where(present, deviation_PS - effect_S, 0.0)
    scale_P = np.where(twice_P, S / np.maximum(count_P - 1, 1), 0.0) * P / (P - 1)
    square_PS = own_PS**2 * scale_P[:, None]
    away_P = np.where(present_P, mean_P - mean_P[present_P].mean(), 0.0)
    noise_PS = square_PS / np.maximum(count_P, 1)[:, None]
    spread = float(np.sum(away_P**2) / P) + _variance_of_mean(cells, away_P / P)
    between = max(spread - float(noise_PS.mean(axis=1)[twice_P].mean()), 0.0)
    if within + between < SAME**2:
        return Unknown(reason="all trials have the same accuracy")
    scaled_PS = own_PS * (S / np.maximum(count_P, 1))[:, None]
    seen_S = present.any(axis=0)
    return VarianceParts(
        within=within,
        common=float(np.var(effect_S[seen_S], ddof=1)),
        between=between,
        seeds=int(seen_S.sum()),
        own_PS=_centred(square_PS, twice_P),
        between_PS=_centred(
            (away_P**2)[:, None] + 2 * away_P[:, None] * scaled_PS - noise_PS, present_P
        ),
    )


def _centred(contributions_PS: Array, counted_P: NDArray[np.bool_]) -> Array:
    away_PS = contributions_PS - contributions_PS[counted_P].mean()
    return np.asarray(np.where(counted_P[:, None], away_PS, 0.0) / counted_P.sum())


def _variance_of_mean(cells: Cells, away_P: Array) -> float:
    """The variance of the mean over points, by which their spread about it falls short."""
    clusters, _ = count_present(cells.present_PS, cells.replicate_P)
    u_R = per_cluster(away_P[:, None], cells.replicate_P)[:, 0]
    return float(np.sum(u_R**2)) * clusters / max(clusters - 1, 1)


def _estimate(cells: Cells, share: float, moved_PS: Array) -> Estimate:
    clusters, seeds = count_present(cells.present_PS, cells.replicate_P)
    present_P = cells.present_PS.any(axis=1)
    return Estimate(
        value=share,
        influence_RS=per_cluster(moved_PS, cells.replicate_P),
        clusters=clusters,
        seeds=seeds,
        cluster_degrees=clusters - 1,
        n=cells.n,
        method=f"t over {'replicates' if cells.has_replicates else 'points'} and seeds",
        values_P=moved_PS.mean(axis=1)[present_P] * present_P.sum(),
        low=0.0,
        high=1.0,
    )


def _ratio(within: float, between: float) -> float:
    within = max(within, 0.0)
    return within / (within + between) if within + between > 0 else 0.0


def _deviations(accuracy_PS: Array) -> tuple[Array, Array]:
    """Means over seeds (P,) and deviations from them (P, S), 0 where there is no trial."""
    mean_P, _ = point_means(accuracy_PS)
    present = np.isfinite(accuracy_PS)
    return mean_P, np.where(present, accuracy_PS - np.nan_to_num(mean_P)[:, None], 0.0)
