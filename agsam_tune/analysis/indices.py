"""Sobol' indices of a fitted surface: exact, and without each replicate.

In: a `Fit`. Out: rows of the record. Must not import pandas, torch, Ray or Optuna.

Of the variance of the surface over settings uniform in the box, `sobol_first` is the share that
knowing one hyperparameter removes, `sobol_total` the share that is left when all others are known,
`sobol_pair` what knowing two removes beyond each alone (I. Sobol', "Global sensitivity indices for
nonlinear mathematical models", 2001; T. Homma and A. Saltelli, 1996).

The surface is a sum of products of one function a coordinate, Σ_p w_p Π_h k_h(x_h, x_ph), so all
variances of its averages are sums over pairs of points of products of integrals along one side (W.
Chen, R. Jin and A. Sudjianto, "Analytical variance-based global sensitivity analysis in
simulation-based design under uncertainty", 2005): no sample is drawn.

The interval is the jackknife's over replicates, widened at each end by the share of the variance
that the surface does not explain, by which an index can be wrong altogether.

Shapes: P points, H hyperparameters, R groups left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.record import Importance
from agsam_tune.analysis.surface_fit import Fit

__all__ = ["sobol_indices"]

Array = NDArray[np.float64]


def sobol_indices(fit: Fit, *, confidence: float) -> tuple[Importance, ...]:
    """First and total index of each hyperparameter, and that of each pair, in [0, 1]."""
    H = len(fit.names)
    variance = _Variances(fit)
    whole = variance.of(range(H))
    if not (whole > 0).all():
        return ()
    alone = [variance.of((h,)) / whole for h in range(H)]
    rows = [_row(fit, "sobol_first", (h,), alone[h], confidence) for h in range(H)]
    for h in range(H):
        rest = variance.of(j for j in range(H) if j != h) / whole
        rows.append(_row(fit, "sobol_total", (h,), 1 - rest, confidence))
    for h, j in combinations(range(H), 2):
        both = variance.of((h, j)) / whole - alone[h] - alone[j]
        rows.append(_row(fit, "sobol_pair", (h, j), both, confidence))
    return tuple(rows)


class _Variances:
    """Variances of averages of the surface: of all points, then without each group, (1 + R,)."""

    def __init__(self, fit: Fit) -> None:
        process = fit.process
        along_HSP = process.along_sides()
        self._weight_RP = process.sizes.scale * np.vstack(
            [process.solved_P, fit.left_out.solved_RP]
        )
        self._product_HPP = np.einsum("hsp,hsq->hpq", along_HSP, along_HSP) / along_HSP.shape[1]
        mean_HP = along_HSP.mean(axis=1)
        self._apart_HPP = mean_HP[:, :, None] * mean_HP[:, None, :]
        self._squared_mean = self._form(self._apart_HPP)

    def of(self, known: Iterable[int]) -> Array:
        """The variance of the mean of the surface given the hyperparameters that are known."""
        factors_HPP = self._apart_HPP.copy()
        for h in known:
            factors_HPP[h] = self._product_HPP[h]
        return self._form(factors_HPP) - self._squared_mean

    def _form(self, factors_HPP: Array) -> Array:
        form_PP = factors_HPP.prod(axis=0)
        return np.asarray(((self._weight_RP @ form_PP) * self._weight_RP).sum(axis=1))


def _row(
    fit: Fit, method: str, which: tuple[int, ...], share: Array, confidence: float
) -> Importance:
    estimate = Estimate(value=float(share[0]), left_out=(share[1:],))
    interval = estimate.interval(1 - confidence)
    return Importance.model_validate(
        {
            "method": method,
            "hyperparameters": tuple(fit.names[h] for h in which),
            "value": float(np.clip(share[0], 0, 1)),
            "low": float(np.clip(interval.low - fit.unexplained, 0, 1)),
            "high": float(np.clip(interval.high + fit.unexplained, 0, 1)),
        }
    )
