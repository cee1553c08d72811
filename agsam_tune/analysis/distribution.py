"""Which accuracies the search space holds: the empirical distribution over the box, from `map`.

In: a `Context`. Out: an optimizer's entry `distribution` of `summary.json`. Must not import torch,
Ray or Optuna.

F(x) = P_pi(max(a_o, chance) <= x): 1 - F(a* - epsilon) is the tolerance volume of epsilon, and the
area to the left of the curve is the mean accuracy. Intervals are pointwise, from the replicates
and, through the density of points around x, from the seeds, as those of `rho_lens.tolerance_volume`
are.

A point's mean over a few seeds is not its accuracy, so that the value is that of accuracies blurred
by noise / sqrt(seeds): at a cliff, or where many settings have the same accuracy, less steep than
F. The intervals bear that: their upper end is that of all points at their own lower 95 % limits,
and their lower end of all at their upper ones. (Without it they covered in 0-84 % of studies at
accuracies that many settings share.) A point's standard error is drawn towards its neighbours'.

F does not fall. The ends of pointwise intervals may; they are put in order, which brings them no
farther from a truth that does not fall either (V. Chernozhukov, I. Fernandez-Val and A. Galichon,
"Improving point and interval estimators of monotone functions by rearrangement", 2009).
"""

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import Estimate, count_present, per_cluster, point_means
from agsam_tune.analysis.intervals import half_width
from agsam_tune.analysis.leaf import Leaf, Unknown, null
from agsam_tune.analysis.noise import moderated, seed_variances
from agsam_tune.analysis.plateau import noise_near
from agsam_tune.analysis.rho_lens import NO_MAP, clipped
from agsam_tune.analysis.table import Cells
from agsam_tune.analysis.unit_cube import to_unit

__all__ = ["distribution"]

Array = NDArray[np.float64]

#: Half of the accuracies are evenly spaced and half are quantiles of the points: most points lie
#: close to the best, where evenly spaced ones would show a single step.
_HALF = 30

#: The one-sided 95 % quantile of the normal distribution.
_LIMIT = 1.6448536269514722

#: Half width of the least neighbourhood that the density of points is taken from.
_NARROWEST = 0.005


def distribution(context: Context, optimizer: str) -> Leaf:
    """The share of settings with max(a_o, chance) <= x, for about 60 x from chance to the best.

    Returns:
        "accuracy" (increasing), and for each "share", "low" and "high" (all non-decreasing, in
        [0, 1], pointwise at the study's confidence), "n" (trials) and "method"; or null with the
        reason.
    """
    if context.is_bare(optimizer):
        return null("the optimizer has no hyperparameters, and so one setting")
    cells = context.map_cells(optimizer)
    if cells is None or cells.n == 0:
        return null(NO_MAP)
    # A point below chance counts as at chance and owes nothing to its seeds.
    mean_P, deviation_PS = point_means(clipped(cells.accuracy_PS, context.chance))
    # The mean of equal numbers may differ from them in its last digit.
    mean_P = np.where(np.isclose(mean_P, context.chance, atol=1e-12), context.chance, mean_P)
    x_X = _positions(mean_P[np.isfinite(mean_P)], context.chance)
    confidence = context.study.analysis.confidence
    counts = count_present(cells.present_PS, cells.replicate_P)
    error_P = _standard_errors(
        cells, to_unit(cells.settings, context.study.search_spaces[optimizer])
    )
    better_N, worse_N = (
        np.sort((mean_P + off * error_P)[np.isfinite(mean_P)]) for off in (_LIMIT, -_LIMIT)
    )
    rows = []
    for x in x_X:
        estimate = _share(cells, mean_P, deviation_PS, float(x), counts)
        parts = estimate.components(confidence)
        if isinstance(parts, Unknown):
            return null(parts.reason)
        half = half_width(parts, confidence)
        least, most = (np.searchsorted(a, x, side="right") / len(a) for a in (better_N, worse_N))
        rows.append((estimate.value, min(least, estimate.value) - half, most + half))
    share_X, low_X, high_X = np.clip(np.array(rows).T, 0.0, 1.0)
    return {
        "accuracy": x_X.tolist(),
        "share": share_X.tolist(),
        "low": np.sort(low_X).tolist(),
        "high": np.sort(high_X).tolist(),
        "n": cells.n,
        "method": "t over replicates and seeds, pointwise"
        if cells.has_replicates
        else "t over points and seeds, pointwise",
    }


def _standard_errors(cells: Cells, unit_PH: Array) -> Array:
    """Of each point's mean over its seeds, (P,); 0 where no point has two."""
    used_P = np.asarray(cells.present_PS.any(axis=1) & np.isfinite(unit_PH).all(axis=1))
    error_P = np.zeros(len(used_P))
    variance_P, degrees_P = seed_variances(cells.accuracy_PS[used_P])
    noise_P = moderated(unit_PH[used_P], variance_P, degrees_P)
    error_P[used_P] = np.sqrt(noise_P / cells.present_PS[used_P].sum(axis=1))
    return error_P


def _positions(mean_N: Array, chance: float) -> Array:
    even = np.linspace(chance, max(float(mean_N.max()), chance), _HALF)
    # Quantiles that are points themselves, so that a share steps at the point and not beside it.
    quantiles = np.quantile(mean_N, np.linspace(0, 1, _HALF), method="inverted_cdf")
    return np.union1d(even, quantiles)


def _share(
    cells: Cells, mean_P: Array, deviation_PS: Array, x: float, counts: tuple[int, int]
) -> Estimate:
    """P(mean_P <= x), as an estimate from so many clusters and seeds."""
    has_P = np.isfinite(mean_P)
    below_P = np.where(has_P, mean_P <= x, 0.0)
    share = float(below_P[has_P].mean())
    clusters, seeds = counts
    noise = (noise_near(cells, x) or 0.0) / np.sqrt(seeds)
    width = max(_NARROWEST, 2 * noise)
    density_P = np.where(np.abs(mean_P - x) <= width, 0.5 / width, 0.0)
    # Where the seeds of the points around x were lucky, too few of the points are below it.
    moved_PS = np.where(has_P, below_P - share, 0.0)[:, None] - density_P[:, None] * deviation_PS
    return Estimate(
        value=share,
        influence_RS=per_cluster(moved_PS / has_P.sum(), cells.replicate_P),
        clusters=clusters,
        seeds=seeds,
        cluster_degrees=clusters - 1,
        n=cells.n,
        method="",
        step=clusters / int(has_P.sum()),
    )
