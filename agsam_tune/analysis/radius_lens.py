"""The metrics of the radius lens: accuracy against the measured radius, from `map`.

In: `Cells` of `map` for several optimizers. Out: a common `Window` and `Estimate`s on it. Must
not import pandas, torch, Ray or Optuna.

x = log10 of a point's radius averaged over its seeds; W = the intersection of the 5-95 % ranges
of x of two optimizers; m_o(x) = a local-linear fit of the points' accuracies with one bandwidth
for both; pi is uniform on W. The radius is an outcome and not a setting, so this is an
association. a* is cross-fitted: the best x on one half of the seeds is evaluated on the other,
and the other way round, so that it is not the maximum of its own noise.

The design's part of the error is a jackknife that leaves out one replicate at a time (B. Efron,
1982). The seeds' part is its infinitesimal version, the points' pulls on the fit, since leaving
out one of two seeds would leave no halves. (With the infinitesimal version for the design too,
regrets on 64 points beside a cliff covered 87-89 %, and tolerance volumes found a false winner in
8-14 % of studies.)
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.curves import Curve, fit_curve, smoothing_bias
from agsam_tune.analysis.estimate import UNSEEN_FAILURES, Estimate, point_means
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.local_linear import Smoother, choose_bandwidth
from agsam_tune.analysis.plateau import NO_COLLAPSES, Collapses
from agsam_tune.analysis.rho_lens import NO_MAP, too_noisy
from agsam_tune.analysis.table import Cells

__all__ = ["RadiusFit", "Window", "common_window", "fit_radius", "log_radius"]

Array = NDArray[np.float64]

#: Fewest points of an optimizer in the window.
FEWEST_POINTS = 10
_GRID = 64

#: Blocks of points that are left out in turn where there are no replicates.
_BLOCKS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The common range W of log10 radius and the one bandwidth used on it."""

    low: float
    high: float
    bandwidth: float

    @property
    def grid(self) -> Array:
        """Midpoints of equal parts of W: averages over them are averages over pi."""
        edges = np.linspace(self.low, self.high, _GRID + 1)
        return np.asarray((edges[1:] + edges[:-1]) / 2)


def common_window(one: Cells | None, other: Cells | None) -> Window | Unknown:
    """W of two optimizers, or why there is none."""
    if one is None or other is None:
        return Unknown(reason=NO_MAP)
    positions = [_positions(cells) for cells in (one, other)]
    if min(len(x) for x, _ in positions) < FEWEST_POINTS:
        return Unknown(reason=f"fewer than {FEWEST_POINTS} points with a measured radius")
    ends = [np.quantile(x, (0.05, 0.95)) for x, _ in positions]
    low, high = max(e[0] for e in ends), min(e[1] for e in ends)
    inside = [int(np.sum((x >= low) & (x <= high))) for x, _ in positions]
    if low >= high or min(inside) < FEWEST_POINTS:
        return Unknown(
            reason="the ranges of measured radius overlap in fewer than "
            f"{FEWEST_POINTS} points of each optimizer"
        )
    bandwidth = choose_bandwidth(positions, float(low), float(high))
    return Window(low=float(low), high=float(high), bandwidth=bandwidth)


@dataclass(frozen=True, slots=True, kw_only=True)
class RadiusFit:
    """One optimizer's m_o on the window.

    Attributes:
        curve: m_o on the window's grid.
        best: the cross-fitted a*; None with one seed.
        half_best: the same with half the bandwidth.
        best_PS: contributions of points and seeds to its error.
        fall_GP: how far m_o would fall if as many points failed beside one as may have failed
            unseen.
        left_out: m_o and a* without each replicate, or without each of some blocks of points;
            none with one seed.
        collapses: those around the optimizer's own best.
    """

    curve: Curve
    window: Window
    chance: float
    best: float | None
    half_best: float
    best_PS: Array
    fall_GP: Array
    left_out: tuple[tuple[Array, float], ...]
    collapses: Collapses = NO_COLLAPSES

    def regret(self) -> Estimate | Unknown:
        """E_pi[a* - max(m_o, chance)] on the window."""
        if self.best is None:
            return Unknown(reason=ONE_SEED)
        m_G = self.curve.m_G
        value, half = (
            best - float(np.maximum(m, self.chance).mean()) for m, best in self._both(self.best)
        )
        above_G = (m_G >= self.chance) / len(m_G)
        moved_PS = self.best_PS - np.tensordot(above_G, self.curve.pulls_GPS, axes=1)
        left_out = [best - np.maximum(m, self.chance).mean() for m, best in self.left_out]
        estimate = self._estimate(value, moved_PS, np.array(left_out))
        return replace(estimate, bias=smoothing_bias(value, half))

    def tolerance_volume(self, epsilon: float) -> Estimate | Unknown:
        """P_pi(m_o >= a* - epsilon) on the window."""
        if self.best is None:
            return Unknown(reason=ONE_SEED)
        threshold = self.best - epsilon
        withheld = too_noisy(self.curve.cells, threshold - epsilon, epsilon, self.collapses)
        if withheld is not None:
            return withheld
        m_G = self.curve.m_G
        near_G = np.abs(m_G - threshold) <= epsilon / 2
        density_G = np.where(near_G, 1.0 / epsilon, 0.0) / len(m_G)
        moved_PS = np.tensordot(density_G, self.curve.pulls_GPS, axes=1)
        moved_PS -= density_G.sum() * self.best_PS
        left_out = [np.mean(m >= best - epsilon) for m, best in self.left_out]
        share, half = (float(np.mean(m >= best - epsilon)) for m, best in self._both(self.best))
        # No finer than one point of a replicate more or less, as in the rho lens.
        step = len(left_out) / int(self.curve.used_P.sum())
        estimate = self._estimate(share, moved_PS, np.array(left_out), step=step)
        least = float(np.mean(m_G[:, None] - self.fall_GP >= threshold, axis=0).min())
        return replace(estimate, bias=smoothing_bias(share, half), unseen=share - least)

    def _both(self, best: float) -> tuple[tuple[Array, float], tuple[Array, float]]:
        """m_o and a* with the bandwidth, and with half of it."""
        return (self.curve.m_G, best), (self.curve.half_G, self.half_best)

    def _estimate(
        self, value: float, moved_PS: Array, left_out: Array, step: float = 0.0
    ) -> Estimate:
        """The design's part by the jackknife over blocks, the seeds' by the infinitesimal one."""
        estimate = self.curve.estimate(value, moved_PS, step=step)
        blocks = len(left_out)
        moved_R = (blocks - 1) / blocks * (left_out.mean() - left_out)
        return replace(
            estimate,
            influence_RS=moved_R[:, None] + moved_PS.sum(axis=0)[None, :] / blocks,
            clusters=blocks,
            cluster_degrees=blocks - 1,
            method="t over replicates and seeds, jackknife",
        )


ONE_SEED = "one seed: the best radius cannot be chosen and measured on the same one"


def fit_radius(
    cells: Cells, window: Window, chance: float, collapses: Collapses = NO_COLLAPSES
) -> RadiusFit | Unknown:
    """m_o on the window, or why it cannot be fitted there."""
    x_P = log_radius(cells)
    used_P = np.isfinite(x_P)
    inside = int(np.sum((x_P[used_P] >= window.low) & (x_P[used_P] <= window.high)))
    if inside < FEWEST_POINTS:
        return Unknown(reason=f"fewer than {FEWEST_POINTS} points in the window of radius")
    smoother = Smoother(x_P[used_P], window.grid, window.bandwidth)
    best, half_best, best_PS = _cross_fitted(smoother, cells, used_P)
    above_P = np.maximum(point_means(cells.accuracy_PS[used_P])[0] - chance, 0.0)
    return RadiusFit(
        curve=fit_curve(cells, smoother, used_P),
        window=window,
        chance=chance,
        best=best,
        half_best=half_best,
        best_PS=best_PS,
        fall_GP=UNSEEN_FAILURES * smoother.weights_GP * above_P,
        left_out=() if best is None else _left_out(cells, window),
        collapses=collapses,
    )


def log_radius(cells: Cells) -> Array:
    """log10 of each point's radius averaged over its seeds, (P,); NaN where none was measured."""
    radius_PS = np.where(np.isfinite(cells.radius_PS) & cells.present_PS, cells.radius_PS, np.nan)
    mean_P, _ = point_means(radius_PS)
    usable = np.isfinite(mean_P) & (mean_P > 0)
    return np.log10(mean_P, where=usable, out=np.full(len(mean_P), np.nan))


def _left_out(cells: Cells, window: Window) -> tuple[tuple[Array, float], ...]:
    x_P = log_radius(cells)
    means = [point_means(cells.accuracy_PS)[0]]
    means += [point_means(cells.accuracy_PS[:, cells.seeds % 2 == p])[0] for p in (0, 1)]
    y_PK = np.stack([np.where(np.isfinite(mean), mean, means[0]) for mean in means], axis=1)
    block_P = cells.replicate_P if cells.has_replicates else cells.replicate_P % _BLOCKS
    found = []
    for block in range(int(block_P.max()) + 1):
        kept_P = np.isfinite(x_P) & (block_P != block)
        smoother = Smoother(x_P[kept_P], window.grid, window.bandwidth)
        m_G, even_G, odd_G = smoother.fit(y_PK[kept_P]).T
        best = (odd_G[np.argmax(even_G)] + even_G[np.argmax(odd_G)]) / 2
        found.append((m_G, float(best)))
    return tuple(found)


def _cross_fitted(
    smoother: Smoother, cells: Cells, used_P: NDArray[np.bool_]
) -> tuple[float | None, float, Array]:
    """a* with the bandwidth and with half of it, and what points and seeds add to the first."""
    has_seed = cells.present_PS[used_P].any(axis=0)
    halves = [has_seed & (cells.seeds % 2 == parity) for parity in (0, 1)]
    total_PS = np.zeros(cells.accuracy_PS.shape)
    if not all(half.any() for half in halves):
        return None, np.nan, total_PS
    curves = [fit_curve(cells, smoother, used_P, half) for half in halves]
    best, half_best = 0.0, 0.0
    for chosen, measured in (curves, curves[::-1]):
        g = int(np.argmax(chosen.m_G))
        best += float(measured.m_G[g]) / 2
        half_best += float(measured.half_G[np.argmax(chosen.half_G)]) / 2
        total_PS += measured.pulls_GPS[g] / 2
    return best, half_best, total_PS


def _positions(cells: Cells) -> tuple[Array, Array]:
    x_P = log_radius(cells)
    used = np.isfinite(x_P)
    return x_P[used], point_means(cells.accuracy_PS)[0][used]
