"""A Gaussian process over the unit cube with a noise of its own at each point.

In: points of the unit cube, their scores, the variances of those. Out: a `Process` that predicts,
leaves out and averages over coordinates. Must not import pandas, torch, Ray or Optuna.

The model is ordinary kriging with a tensor-product Matérn 5/2 kernel (C. Rasmussen and C.
Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2, 4 and 5; "stochastic
kriging" with known noise: B. Ankenman, B. Nelson and J. Staum, 2010):

    y_p = m + f(x_p) + e_p,  e_p ~ N(0, noise_p + nugget),
    cov(f(x), f(z)) = scale * prod_h k(|x_h - z_h| / length_h),
    k(d) = (1 + a + a²/3) e^-a, a = √5 d

with a nearly flat prior on m. It is a product over coordinates, rather than a function of one
distance, because averages over coordinates are then products of averages along each, so that a
surface over two hyperparameters, and its covariance, need no sampling. Lengths, scale and nugget
maximise the likelihood times a weak prior, from two fixed starts by the analytic gradient.
scikit-learn's `GaussianProcessRegressor` gives the same predictions (tested), but neither averages
nor groups left out, and warns whenever a length reaches its bound.

Shapes: P points, H coordinates, N positions, G grid positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

__all__ = ["LeftOut", "Process", "Sizes", "condition", "fit_sizes"]

Array = NDArray[np.float64]

_ROOT5 = np.sqrt(5.0)

#: Lengths in sides of the cube: less than the spacing of 64 points along one axis cannot be told
#: from noise, and 20 is a straight line.
_LENGTHS = (0.03, 20.0)

#: Variances, in units of the points' own: from nothing to far outside the box.
_SCALES = (1e-6, 1e3)
_NUGGETS = (1e-8, 2.0)

#: The weak prior on log length, normal: half the cube, within a factor of about 7 at two sd.
#: Without it a surface of noise alone is now and then fitted by a spike at each point.
_PRIOR_CENTRE, _PRIOR_WIDTH = np.log(0.5), 1.0

#: Prior standard deviation of m about the points' mean, in units of the points' own.
_LEVEL = 10.0

#: Relative to the points' variance: what keeps the matrix invertible where noise is exactly 0.
_JITTER = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The kernel's parameters: lengths (H,) in sides of the cube, variances in score²."""

    length_H: Array
    scale: float
    nugget: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What the points of other groups say.

    Attributes:
        mean_P: each point's score, predicted.
        variance_P: of its observed score, noise included.
        solved_RP: `Process.solved_P` without each of R groups; 0 at the group's own points.
    """

    mean_P: Array
    variance_P: Array
    solved_RP: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process conditioned on its points.

    Attributes:
        unit_PH: the points.
        mean_P: what was observed there.
        noise_P: the variances of these means, the nugget included.
        centre: the points' mean score, about which the rest is.
        level: prior variance of m about the centre.
        factor_PP: the lower Cholesky factor of the observations' covariance.
        solved_P: that covariance's inverse times (mean - centre).
    """

    sizes: Sizes
    unit_PH: Array
    mean_P: Array
    noise_P: Array
    centre: float
    level: float
    factor_PP: Array
    solved_P: Array

    def predict(self, unit_NH: Array) -> Array:
        """The posterior mean at positions of the unit cube, (N,)."""
        return np.asarray(self.centre + self.cross(unit_NH) @ self.solved_P)

    def cross(self, unit_NH: Array) -> Array:
        """The prior covariance of the surface at positions with the points, (N, P)."""
        return _kernel(unit_NH, self.unit_PH, self.sizes) + self.level

    def covariance(self, cross_GP: Array, prior_GG: Array) -> Array:
        """The posterior covariance of linear functionals of the surface, (G, G)."""
        half_PG = solve_triangular(self.factor_PP, cross_GP.T, lower=True)
        return np.asarray(prior_GG - half_PG.T @ half_PG)

    def averaged(self, kept: Sequence[int], grid_GK: Array) -> tuple[Array, Array]:
        """The surface averaged over all coordinates but those `kept`, at grid positions.

        Args:
            kept: indices of K coordinates.
            grid_GK: positions along those.

        Returns:
            its prior covariance with the points (G, P) and with itself (G, G). The averages are
            over the other coordinates' whole sides.
        """
        sizes, H = self.sizes, self.unit_PH.shape[1]
        cross_GP = np.full((len(grid_GK), len(self.unit_PH)), sizes.scale)
        prior_GG = np.full((len(grid_GK), len(grid_GK)), sizes.scale)
        for h in range(H):
            length = float(sizes.length_H[h])
            points_P = self.unit_PH[:, h]
            if h in kept:
                at_G = grid_GK[:, list(kept).index(h)]
                cross_GP *= _along(at_G[:, None] - points_P[None, :], length)
                sides, side_G = np.unique(at_G, return_inverse=True)  # a grid has few
                along = _along(sides[:, None] - sides[None, :], length)
                prior_GG *= along[np.ix_(side_G, side_G)]
            else:
                cross_GP *= _along(_SIDE[:, None] - points_P[None, :], length).mean(axis=0)
                prior_GG *= _along(_SIDE[:, None] - _SIDE[None, :], length).mean()
        return cross_GP + self.level, prior_GG + self.level

    def along_sides(self) -> Array:
        """The correlation of the midpoints of each side with the points, (H, 48, P)."""
        gap_HSP = np.abs(_SIDE[None, :, None] - self.unit_PH.T[:, None, :])
        return np.stack(
            [_along(gap, float(own)) for gap, own in zip(gap_HSP, self.sizes.length_H, strict=True)]
        )

    def left_out(self, group_P: NDArray[np.int64]) -> LeftOut:
        """Each point predicted from the points of other groups.

        In closed form from the inverse covariance (R. Dubrule, "Cross validation of kriging in a
        unique neighborhood", 1983); the kernel's parameters stay those of all points.
        """
        inverse_PP = cho_solve((self.factor_PP, True), np.eye(len(self.mean_P)))
        predicted_P, variance_P = np.empty(len(group_P)), np.empty(len(group_P))
        solved = []
        for group in np.unique(group_P):
            own = np.flatnonzero(group_P == group)
            covariance = np.linalg.inv(inverse_PP[np.ix_(own, own)])
            error = covariance @ self.solved_P[own]
            predicted_P[own] = self.mean_P[own] - error
            variance_P[own] = np.diag(covariance)
            solved.append(self.solved_P - inverse_PP[:, own] @ error)
        return LeftOut(mean_P=predicted_P, variance_P=variance_P, solved_RP=np.stack(solved))


#: Midpoints of 48 intervals: averages of a kernel along a side to within 1e-3 of its scale.
_SIDE = (np.arange(48) + 0.5) / 48


def condition(unit_PH: Array, mean_P: Array, noise_P: Array, sizes: Sizes) -> Process:
    """The process with these sizes, given the points; P³ operations.

    Args:
        noise_P: variances of the means as estimates, in score².
    """
    centre, spread = _location(mean_P)
    level = _LEVEL**2 * spread
    noise_P = noise_P + sizes.nugget + _JITTER * spread
    covariance_PP = _kernel(unit_PH, unit_PH, sizes) + level
    covariance_PP[np.diag_indices_from(covariance_PP)] += noise_P
    factor_PP = cholesky(covariance_PP, lower=True)
    return Process(
        sizes=sizes,
        unit_PH=unit_PH,
        mean_P=mean_P,
        noise_P=noise_P,
        centre=centre,
        level=level,
        factor_PP=factor_PP,
        solved_P=cho_solve((factor_PP, True), mean_P - centre),
    )


def fit_sizes(unit_PH: Array, mean_P: Array, noise_P: Array, *, nugget: bool) -> Sizes:
    """The kernel's parameters of largest posterior density; about 40 × P³ operations.

    Args:
        nugget: whether there is noise besides `noise_P`, to be estimated.
    """
    centre, spread = _location(mean_P)
    y_P, relative_P = (mean_P - centre) / np.sqrt(spread), noise_P / spread + _JITTER
    H = unit_PH.shape[1]
    gap_HPP = [np.abs(unit_PH[:, None, h] - unit_PH[None, :, h]) for h in range(H)]
    bounds = [np.log(_LENGTHS)] * H + [np.log(_SCALES)] + [np.log(_NUGGETS)] * nugget
    starts = [[np.log(a)] * H + [0.0] + [np.log(0.1)] * nugget for a in (0.2, 1.0)]
    found = [
        minimize(
            _loss,
            np.clip(start, *np.transpose(bounds)),
            args=(gap_HPP, y_P, relative_P),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 60},
        )
        for start in starts
    ]
    best_T = min(found, key=lambda result: float(result.fun)).x
    return Sizes(
        length_H=np.exp(best_T[:H]),
        scale=float(np.exp(best_T[H]) * spread),
        nugget=float(np.exp(best_T[H + 1]) * spread) if nugget else 0.0,
    )


def _loss(
    log_T: Array, gap_HPP: Sequence[Array], y_P: Array, relative_P: Array
) -> tuple[float, Array]:
    """Minus the log posterior density of the log parameters, and its gradient."""
    H, P = len(gap_HPP), len(y_P)
    length_H = np.exp(log_T[:H])
    along = [_along(gap, length) for gap, length in zip(gap_HPP, length_H, strict=True)]
    kernel_PP = np.exp(log_T[H]) * np.prod(along, axis=0)
    nugget = np.exp(log_T[H + 1]) if len(log_T) > H + 1 else 0.0
    total_PP = kernel_PP + _LEVEL**2
    total_PP[np.diag_indices(P)] += relative_P + nugget
    factor_PP = cholesky(total_PP, lower=True)
    inverse_PP = cho_solve((factor_PP, True), np.eye(P))
    solved_P = inverse_PP @ y_P
    off_H = (log_T[:H] - _PRIOR_CENTRE) / _PRIOR_WIDTH
    loss = 0.5 * y_P @ solved_P + np.log(np.diag(factor_PP)).sum() + 0.5 * off_H @ off_H
    slope_PP = 0.5 * (inverse_PP - np.outer(solved_P, solved_P))
    weighted_PP = slope_PP * kernel_PP
    gradient = [
        float(np.sum(weighted_PP * _log_slope(gap, length))) + off / _PRIOR_WIDTH
        for gap, length, off in zip(gap_HPP, length_H, off_H, strict=True)
    ]
    gradient.append(float(weighted_PP.sum()))
    if len(log_T) > H + 1:
        gradient.append(float(nugget * np.trace(slope_PP)))
    return float(loss), np.array(gradient)


def _kernel(one_NH: Array, other_MH: Array, sizes: Sizes) -> Array:
    kernel_NM = np.full((len(one_NH), len(other_MH)), sizes.scale)
    for h, length in enumerate(sizes.length_H):
        values, value_N = np.unique(one_NH[:, h], return_inverse=True)  # Sobol samples repeat them
        kernel_NM *= _along(values[:, None] - other_MH[None, :, h], float(length))[value_N]
    return kernel_NM


def _along(gap: Array, length: float) -> Array:
    """The Matérn 5/2 correlation along one coordinate."""
    a = _ROOT5 / length * np.abs(gap)
    return np.asarray((1.0 + a + a * a / 3.0) * np.exp(-a))


def _log_slope(gap: Array, length: float) -> Array:
    """The derivative of log correlation with respect to log length: a² (1 + a) / (3 + 3a + a²)."""
    a = _ROOT5 / length * gap
    return np.asarray(a * a * (1.0 + a) / (3.0 + 3.0 * a + a * a))


def _location(mean_P: Array) -> tuple[float, float]:
    """The points' mean and variance, the latter at least that of 1e-4 in accuracy."""
    return float(mean_P.mean()), max(float(mean_P.var()), 1e-8)
