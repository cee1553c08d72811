"""The metrics of the rho lens: averages over the search space, from the `map` phase.

In: `Cells` of `map` and the best accuracies. Out: `Estimate`s or `Unknown`s. Must not import
pandas, torch, Ray or Optuna.

pi is uniform over the search space in its own scale, which is how the points were drawn.
`max(a_o, chance)` is taken of a point's mean over seeds; to first order the seeds then matter
only at points above chance. The mean of max(., chance) over noisy means is biased upwards by at
most 0.4 sd / sqrt(seeds) at points that lie at chance, and by nothing at diverged ones.

Sources: J. Weerts et al., "Importance of tuning hyperparameters of machine learning algorithms"
(2020), for the regret of leaving a hyperparameter mis-set; M. Wortsman et al., "Small-scale
proxies for large-scale transformer training instabilities" (2023), for the expected loss over a
range of settings, in excess of the best one, as "sensitivity".
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.best import Best
from agsam_tune.analysis.estimate import (
    UNSEEN_FAILURES,
    Estimate,
    count_present,
    per_cluster,
    point_means,
)
from agsam_tune.analysis.intervals import KNOWN, Component
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.plateau import Collapses, common_excess, noise_bound, noise_near
from agsam_tune.analysis.table import Cells, paired_wins

__all__ = [
    "failure_rate",
    "mean_accuracy",
    "regret",
    "tolerance_volume",
    "win_probability",
]

Array = NDArray[np.float64]


def mean_accuracy(cells: Cells | None, chance: float) -> Estimate | Unknown:
    """E_pi[max(a_o, chance)]."""
    if cells is None or cells.n == 0:
        return Unknown(reason=NO_MAP)
    mean = _average(cells, clipped(cells.accuracy_PS, chance))
    points = len(mean.values_P)
    # An optimizer without hyperparameters has its one point, and no other that could fail.
    share = min(UNSEEN_FAILURES / points, 1.0) if points > 1 else 0.0
    unseen = share * max(mean.value - chance, 0.0)
    return replace(mean, unseen=unseen, low=0.0, high=1.0)


def regret(mean: Estimate | Unknown, best: Best | Unknown) -> Estimate | Unknown:
    """a* - E_pi[max(a_o, chance)], for the optimizer's own a* or another's."""
    if isinstance(mean, Unknown):
        return mean
    if isinstance(best, Unknown):
        return best
    return Estimate(
        value=best.value - mean.value,
        influence_RS=-mean.influence_RS,
        clusters=mean.clusters,
        seeds=mean.seeds,
        cluster_degrees=mean.cluster_degrees,
        n=mean.n + len(best.accuracy),
        method=f"{mean.method} + {best.seeds}",
        best_terms=((1.0, best),),
        unseen=mean.unseen,
        values_P=mean.values_P,
    )


def failure_rate(cells: Cells | None) -> Estimate | Unknown:
    """P_pi(failed): the share of trials that diverged or ended at chance."""
    if cells is None or cells.n == 0:
        return Unknown(reason=NO_MAP)
    return _average(cells, cells.failed_PS, share=True)


def win_probability(one: Cells | None, other: Cells | None) -> Estimate | Unknown:
    """P(one > other) + P(equal) / 2 over trials with the same setting and the same seed."""
    if one is None or other is None:
        return Unknown(reason=NO_MAP)
    wins = paired_wins(one, other)
    if not np.isfinite(wins).any():
        return Unknown(reason="no setting and seed that both optimizers have finished")
    return _average(one, wins, share=True)


def tolerance_volume(
    cells: Cells | None, best: Best | Unknown, epsilon: float
) -> Estimate | Unknown:
    """P_pi(a_o >= a* - epsilon).

    A point near the threshold is counted on the wrong side as often as its noise decides; the
    estimate is withheld where epsilon <= 2 noise / sqrt(seeds), with the noise of the points on
    and just below the plateau. How the share moves with the seeds and with a* is taken from the
    density of points around the threshold: within epsilon / 2, or twice the threshold's standard
    error if that is more. For a*, which moves all points at once, it is the density on the denser
    side: where a plateau ends the two differ much. Studies whose seeds happened to agree are those
    in which it is not withheld, so what the seeds do to all points alike counts with the upper
    bound of its variance that decided that.
    """
    if cells is None or cells.n == 0:
        return Unknown(reason=NO_MAP)
    if isinstance(best, Unknown):
        return best
    threshold = best.value - epsilon
    withheld = too_noisy(cells, threshold - epsilon, epsilon, best.collapses)
    if withheld is not None:
        return withheld
    mean_P, deviation_PS = point_means(cells.accuracy_PS)
    has_P = np.isfinite(mean_P)
    inside_P = np.where(has_P, mean_P >= threshold, 0.0)
    width = max(epsilon / 2, 2 * _threshold_error(cells, best, threshold - epsilon))
    density_P = np.where(np.abs(mean_P - threshold) <= width, 0.5 / width, 0.0)
    sides_P = np.where(density_P > 0, np.sign(mean_P - threshold), 0.0)
    denser = max(np.mean(sides_P[has_P] > 0), np.mean(sides_P[has_P] < 0)) / width
    share = float(inside_P[has_P].mean())
    moved_PS = np.where(has_P, inside_P - share, 0.0)[:, None] + density_P[:, None] * deviation_PS
    estimate = _estimate(
        cells,
        share,
        moved_PS / has_P.sum(),
        share=True,
        best_terms=((-float(denser), best),),
    )
    excess = common_excess(cells, threshold - epsilon) / estimate.seeds
    common = Component(variance=float(denser) ** 2 * excess, degrees=KNOWN)
    return replace(estimate, common=(common,))


def _threshold_error(cells: Cells, best: Best, level: float) -> float:
    """The standard error of a* less what all seeds of the map have in common."""
    measured = list(best.accuracy.values())
    own = np.var(measured, ddof=1) / len(measured) if len(measured) > 1 else 0.0
    seeds = int(cells.present_PS.any(axis=0).sum())
    return float(np.sqrt(own + (noise_near(cells, level) or 0.0) ** 2 / seeds))


def too_noisy(cells: Cells, level: float, epsilon: float, collapses: Collapses) -> Unknown | None:
    """The reason to withhold a tolerance volume, if epsilon <= 2 noise / sqrt(seeds).

    The noise is an upper bound: an estimate from a few seeds is too small in just those studies
    that would then report a volume.
    """
    noise = noise_bound(cells, level, collapses)
    if noise is None:
        return Unknown(reason="one seed a point: the noise that would bias it is not known")
    seeds = float(cells.present_PS.sum(axis=1)[cells.present_PS.any(axis=1)].mean())
    bound = 2 * noise / np.sqrt(seeds)
    if epsilon > bound:
        return None
    return Unknown(
        reason=f"biased: with {seeds:.3g} seeds a point's accuracy is known to ± {100 * bound:.1f} "
        f"points, too coarse for a threshold of {100 * epsilon:g}"
    )


def clipped(accuracy_PS: Array, chance: float) -> Array:
    """Accuracies whose mean over seeds is that of max(a_o, chance): chance at points below it."""
    mean_P, _ = point_means(accuracy_PS)
    below_PS = (mean_P < chance)[:, None] & ~np.isnan(accuracy_PS)
    return np.where(below_PS, chance, accuracy_PS)


NO_MAP = "no finished trial of the map phase"


def _average(cells: Cells, values_PS: Array, *, share: bool = False) -> Estimate:
    mean_P, deviation_PS = point_means(values_PS)
    has_P = np.isfinite(mean_P)
    value = float(mean_P[has_P].mean())
    moved_PS = np.where(has_P, mean_P - value, 0.0)[:, None] + deviation_PS
    return _estimate(
        cells,
        value,
        moved_PS / has_P.sum(),
        share=share,
        n=int(np.isfinite(values_PS).sum()),
        values_P=None if share else mean_P[has_P],
    )


def _estimate(
    cells: Cells,
    value: float,
    contributions_PS: Array,
    *,
    share: bool = False,
    best_terms: tuple[tuple[float, Best], ...] = (),
    n: int | None = None,
    values_P: Array | None = None,
) -> Estimate:
    clusters, seeds = count_present(cells.present_PS, cells.replicate_P)
    points = int(cells.present_PS.any(axis=1).sum())
    return Estimate(
        value=value,
        influence_RS=per_cluster(contributions_PS, cells.replicate_P),
        clusters=clusters,
        seeds=seeds,
        cluster_degrees=clusters - 1,
        n=cells.n if n is None else n,
        method=f"t over {'replicates' if cells.has_replicates else 'points'} and seeds",
        best_terms=best_terms,
        step=clusters / points if share else 0.0,
        values_P=np.zeros(0) if values_P is None else values_P,
        low=0.0 if share else -np.inf,
        high=1.0 if share else np.inf,
    )
