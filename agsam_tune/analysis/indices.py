"""Sobol' indices of the accuracy surface, and RBD-FAST beside them as a check.

In: an optimizer's surface and its `map`. Out: leaves. Must not import pandas, torch, Ray or
Optuna.

Of the variance of one trial's accuracy, over settings uniform in the search space and over seeds,
`sobol_first_x` is the share that knowing x alone removes, `sobol_total_x` the share that is left
when all but x are known (I. Sobol', "Global sensitivity indices for nonlinear mathematical
models", 2001; T. Homma and A. Saltelli, 1996). SALib (J. Herman and W. Usher, 2017; the
estimators of A. Saltelli et al., "Variance based sensitivity analysis of model output", 2010)
computes them on the fitted surface; times 1 - noise share they are of the whole variance, and
the first-order indices, the interactions and the seed's total index add up to it.

`rbd_fast_x` estimates the first-order index from the points alone, without a surface (S.
Tarantola, D. Gatelli and T. Mara, "Random balance designs for the estimation of first order
global sensitivity indices", 2006), of the points' means, times their share of the whole variance.

Shapes: P points, S seeds, H hyperparameters, N base samples, B draws, R groups.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.estimate import Estimate, point_means
from agsam_tune.analysis.intervals import KNOWN, Component, half_width
from agsam_tune.analysis.jackknife import jackknife_groups, jackknife_variance, jackknifed
from agsam_tune.analysis.leaf import Leaf, Unknown, leaf
from agsam_tune.analysis.noise import SAME, variance_parts
from agsam_tune.analysis.rho_lens import NO_MAP, clipped
from agsam_tune.analysis.surface_fit import LEAST_R2, Fit
from agsam_tune.analysis.table import Cells
from agsam_tune.analysis.unit_cube import Axis

__all__ = ["rbd_fast", "sobol_indices"]

Array = NDArray[np.float64]

#: Base samples: N (H + 2) surface values; SALib's error is then below 0.01.
_BASE = 2**10

#: The same where only differences between surfaces on the same sample matter.
_BASE_FOR_ERRORS = 2**8

#: Surfaces drawn for the intervals: a standard deviation to within 9 %.
_DRAWS = 64

#: RBD-FAST's harmonics, SALib's default, and the fewest points for them.
_HARMONICS = 10
_LEAST_POINTS = 40


def sobol_indices(
    fit: Fit | Unknown, noise_share: Leaf, *, chance: float, confidence: float, seed: int
) -> dict[str, dict[str, Leaf]] | Unknown:
    """hyperparameter -> {"sobol_first", "sobol_total"}, or why there are none.

    Each interval joins that of the surface's index and that of the noise share, as
    `noise.noise_share` joins its own two. That of the surface's index is the wider of two: from
    surfaces drawn from the posterior (with what each seed adds), which know the noise and the
    gaps between the points, and from surfaces fitted without each group of points, which know
    what the points that happen to lie at a cliff decide. To it is added the share of the variance
    that the surface leaves unexplained, by which its indices can be wrong altogether. In
    simulations the intervals cover on smooth surfaces. Across a sharp cliff they do not always:
    the total index of the hyperparameter along which the cliff bends was covered in 87 % of 149
    maps of 128 points and 75 % of 96 maps of 64, of which half a dozen lie where it bends.
    """
    if isinstance(fit, Unknown):
        return fit
    if not fit.quality.usable:
        return Unknown(reason=f"the surface is not good enough: {fit.quality.reason}")
    if fit.quality.r2 < LEAST_R2:
        return Unknown(reason=f"the surface's R² is {fit.quality.r2:.2f}, below {LEAST_R2}")
    if noise_share["value"] is None:
        return Unknown(reason=f"the noise share is not known: {noise_share['reason']}")
    generator = np.random.default_rng([seed, 0x50B01])
    value_KH = _of_surface(fit, chance, generator)
    left_out = _left_out(fit, chance, generator)
    half_KH = fit.quality.unexplained + np.maximum(
        np.sqrt(_posterior_variance(fit, chance, generator)) * _quantile(KNOWN, confidence),
        np.sqrt(jackknife_variance(left_out)) * _quantile(len(left_out) - 1, confidence),
    )
    method = (
        f"SALib on the surface (R² {fit.quality.r2:.2f}), times 1 - noise share; wider of "
        f"{_DRAWS} posterior surfaces and {len(left_out)} groups left out, plus what the surface "
        "leaves unexplained, with the noise share's"
    )
    return {
        name: {
            key: _shared(float(value_KH[k, h]), float(half_KH[k, h]), noise_share, fit.n, method)
            for k, key in enumerate(("sobol_first", "sobol_total"))
        }
        for h, name in enumerate(fit.names)
    }


def _of_surface(fit: Fit, chance: float, generator: np.random.Generator) -> Array:
    """First and total indices of the posterior mean surface, by SALib, (2, H)."""
    from SALib.analyze import sobol

    unit_NH, problem, seed = _sample(fit, _BASE, generator)
    value_N = np.maximum(fit.process.predict(unit_NH), chance)
    if np.ptp(value_N) < SAME:
        return np.zeros((2, len(fit.names)))
    found = sobol.analyze(problem, value_N, calc_second_order=False, num_resamples=2, seed=seed)
    return np.asarray(np.clip(np.stack([found["S1"], found["ST"]]), 0.0, 1.0))


def _posterior_variance(fit: Fit, chance: float, generator: np.random.Generator) -> Array:
    """The mean square of drawn surfaces' indices about those of their mean, (2, H)."""
    unit_NH, _, _ = _sample(fit, _BASE_FOR_ERRORS, generator)
    mean_N = fit.process.predict(unit_NH)
    drawn_NB = np.column_stack([mean_N, fit.draws(unit_NH, _DRAWS, generator)])
    found_BKH = _indices(np.maximum(drawn_NB, chance), len(fit.names))
    return np.asarray(np.mean((found_BKH[1:] - found_BKH[0]) ** 2, axis=0))


def _left_out(fit: Fit, chance: float, generator: np.random.Generator) -> Array:
    """The indices of the surfaces without each group of points, (R, 2, H)."""
    unit_NH, _, _ = _sample(fit, _BASE_FOR_ERRORS, generator)
    surfaces = [
        fit.without(fit.group_P == group).predict(unit_NH) for group in np.unique(fit.group_P)
    ]
    return _indices(np.maximum(np.stack(surfaces, axis=1), chance), len(fit.names))


def _sample(
    fit: Fit, base: int, generator: np.random.Generator
) -> tuple[Array, dict[str, Any], int]:
    """SALib's sample of the unit cube (base (H + 2), H), its problem, and the seed it had."""
    from SALib.sample import sobol

    H = len(fit.names)
    problem = {"num_vars": H, "names": list(fit.names), "bounds": [[0.0, 1.0]] * H}
    seed = int(generator.integers(2**31))
    return sobol.sample(problem, base, calc_second_order=False, seed=seed), problem, seed


def _indices(values_NB: Array, H: int) -> Array:
    """First and total indices of B surfaces on such a sample, by SALib's estimators, (B, 2, H).

    0 of a surface that is the same everywhere.
    """
    from SALib.analyze.sobol import first_order, total_order

    found_BKH = np.zeros((values_NB.shape[1], 2, H))
    varied_B = np.ptp(values_NB, axis=0) >= SAME
    if not varied_B.any():
        return found_BKH
    values_NB = values_NB[:, varied_B]
    values_NB = (values_NB - values_NB.mean(axis=0)) / values_NB.std(axis=0)
    blocks = values_NB.reshape(-1, H + 2, values_NB.shape[1])
    one, other = blocks[:, 0], blocks[:, -1]
    found_KHB = np.array(
        [
            [index(one, blocks[:, 1 + h], other) for h in range(H)]
            for index in (first_order, total_order)
        ]
    )
    found_BKH[varied_B] = np.moveaxis(found_KHB, 2, 0)
    return found_BKH


def _quantile(degrees: float, confidence: float) -> float:
    return half_width((Component(variance=1.0, degrees=degrees),), confidence)


def _shared(value: float, half: float, noise_share: Leaf, n: int, method: str) -> Leaf:
    share, low, high = (float(noise_share[key]) for key in ("value", "low", "high"))
    own = (1.0 - share) * half
    scaled = value * (1.0 - share)
    return leaf(
        value=scaled,
        low=max(scaled - float(np.hypot(own, value * (high - share))), 0.0),
        high=min(scaled + float(np.hypot(own, value * (share - low))), 1.0),
        n=n,
        method=method,
    )


def rbd_fast(
    cells: Cells | None, axes: tuple[Axis, ...], *, chance: float
) -> dict[str, Estimate] | Unknown:
    """hyperparameter -> its first-order index by RBD-FAST, or why there is none."""
    if cells is None or cells.n == 0:
        return Unknown(reason=NO_MAP)
    present_P = cells.present_PS.any(axis=1)
    if present_P.sum() < _LEAST_POINTS:
        return Unknown(reason=f"fewer than {_LEAST_POINTS} points")
    group_P = jackknife_groups(cells)
    kept = [present_P, *(present_P & (group_P != group) for group in range(group_P.max() + 1))]
    found_RH = np.array([_rbd_fast(cells, axes, kept_P, chance) for kept_P in kept])
    if not np.isfinite(found_RH).all():
        return Unknown(reason="all points have the same accuracy")
    return {
        axis.name: jackknifed(
            float(found_RH[0, h]),
            found_RH[1:, h],
            cells.n,
            f"SALib's RBD-FAST on the points' means, {_HARMONICS} harmonics",
            cells,
        )
        for h, axis in enumerate(axes)
    }


def _rbd_fast(
    cells: Cells, axes: tuple[Axis, ...], kept_P: NDArray[np.bool_], chance: float
) -> list[float]:
    from SALib.analyze.rbd_fast import compute_first_order, permute_outputs, unskew_S1

    own = cells.only(np.repeat(kept_P[:, None], len(cells.seeds), axis=1))
    mean_P = point_means(clipped(own.accuracy_PS, chance))[0][kept_P]
    if np.ptp(mean_P) < SAME:
        return [np.nan] * len(axes)
    parts = variance_parts(own)
    share = 1.0
    if not isinstance(parts, Unknown):
        share = min(float(mean_P.var()) / (parts.within + parts.between), 1.0)
    raw = [
        compute_first_order(permute_outputs(cells.settings[axis.name][kept_P], mean_P), _HARMONICS)
        for axis in axes
    ]
    return [float(unskew_S1(index, _HARMONICS, len(mean_P))) * share for index in raw]
