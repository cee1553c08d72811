"""The effective number of hyperparameters: of how many the best scores look to be a function.

In: an optimizer's `map`. Out: one row of the record. Must not import pandas, torch, Ray or Optuna.

Near the optimum a smooth score is a quadratic of the settings. So of settings drawn at random the
scores above some threshold follow the *noisy quadratic* distribution (N. Lourie, H. He and K. Cho,
"Hyperparameter loss surfaces are simple near their optima", 2025; their package opda)

    Y = Q + σ Z,   P(Q > y) = ((b − y) / (b − a))^(c / 2)   for a ≤ y ≤ b,   Z ~ N(0, 1),

whose c is the number of hyperparameters that matter there: two of equal curvature count as two, one
beside which the others do nothing as one. opda's fit takes seconds, has whole c, and fits σ, which
is badly determined; here c is any positive number, σ is measured (second seeds, and what the
replicates' data differ by), and the fit by maximum spacing (R. Cheng and N. Amin, 1983; B. Ranneby,
1984) of the better half, the rest being one censored class, takes hundredths, so that the interval
is the jackknife's over replicates, of log c.

Shapes: N points, Q nodes, R groups of replicates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from agsam_tune.analysis.data import PhaseData
from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.record import EffectiveNumber

__all__ = ["effective_number", "noisy_quadratic_above"]

Array = NDArray[np.float64]

#: Fewer points have too few in their better half.
LEAST_POINTS = 64
#: Beyond these the distribution is a step, or a normal one.
LEAST_NUMBER, MOST_NUMBER = 0.25, 12.0
#: Of the variance of the better half, the largest part that may be noise.
MOST_NOISE = 0.2

_MOST_GROUPS = 16

#: Classes: the best points each their own, the others together with their neighbours.
_TOP, _REST = 24, 40

_NODE_Q, _WEIGHT_Q = np.polynomial.hermite_e.hermegauss(40)
_WEIGHT_Q = _WEIGHT_Q / _WEIGHT_Q.sum()


def effective_number(trainings: PhaseData | None, *, confidence: float) -> EffectiveNumber:
    """c of the optimizer, with its interval; null with the reason where it cannot be said."""
    if trainings is None or not len(trainings):
        return _unknown("no trainings of the phase map")
    first = trainings.first_seeds
    if len(first) < LEAST_POINTS:
        return _unknown(f"{len(first)} points; it needs at least {LEAST_POINTS}")
    threshold = float(np.median(first.score_N))
    noise = _noise(trainings, threshold)
    if noise is None:
        return _unknown("no second seeds above the median, so the noise is not known")
    better_N = first.score_N > threshold
    noise += _data_variance(first, better_N)
    variance = float(first.score_N[better_N].var()) if better_N.sum() > 1 else 0.0
    if not variance > 0 or noise > MOST_NOISE * variance:
        return _unknown("the better half of the settings are alike but for noise")
    starts = [np.array([0.0, 0.3, np.log(c)]) for c in (1.0, 3.0)]
    whole_T = _fitted(first.score_N, threshold, np.sqrt(noise), starts)
    value = float(np.exp(whole_T[2]))
    if not LEAST_NUMBER * 1.02 < value < MOST_NUMBER / 1.02:
        return _unknown("no noisy quadratic fits the better half of the scores")
    group_N = first.replicate_N % _MOST_GROUPS
    logs = [
        _fitted(first.score_N[kept_N], threshold, np.sqrt(noise), [whole_T])[2]
        for kept_N in (group_N != group for group in np.unique(group_N))
    ]
    estimate = Estimate(value=whole_T[2], left_out=(np.array(logs),))
    if estimate.degrees < 1:
        return EffectiveNumber(value=value)
    interval = estimate.interval(1 - confidence)
    return EffectiveNumber(
        value=value, low=float(np.exp(interval.low)), high=float(np.exp(min(interval.high, 50.0)))
    )


def noisy_quadratic_above(y_N: Array, a: float, b: float, c: float, sigma: float) -> Array:
    """P(Y > y), (N,), by Gauss–Hermite quadrature over the noise."""
    share_NQ = np.clip((b - (y_N[:, None] - sigma * _NODE_Q)) / (b - a), 0.0, 1.0)
    return np.asarray(share_NQ ** (c / 2) @ _WEIGHT_Q)


def _unknown(reason: str) -> EffectiveNumber:
    return EffectiveNumber(value=None, reason=reason)


def _noise(trainings: PhaseData, threshold: float) -> float | None:
    """The variance of a training over seeds, of the points whose two are on average better."""
    one_M, other_M = (one.score_N for one in trainings.two_seeds)
    better_M = (one_M + other_M) / 2 > threshold
    if better_M.sum() < 4:
        return None
    return float(np.mean((one_M - other_M)[better_M] ** 2 / 2))


def _data_variance(first: PhaseData, better_N: NDArray[np.bool_]) -> float:
    """What the replicates' data add: the spread of the better points' means beyond their own."""
    own = first.only(better_N)
    groups = [own.score_N[own.replicate_N == r] for r in np.unique(own.replicate_N)]
    groups = [one for one in groups if len(one) > 1]
    if len(groups) < 3:
        return 0.0
    within = float(np.mean([one.var(ddof=1) / len(one) for one in groups]))
    return max(float(np.var([one.mean() for one in groups], ddof=1)) - within, 0.0)


def _fitted(score_N: Array, threshold: float, sigma: float, starts: Sequence[Array]) -> Array:
    """(b above the best in units of the better half's spread, log of (b − a) in it, log c)."""
    better_N = np.sort(score_N[score_N > threshold])
    every = max(len(better_N) // _REST, 1)
    edge_K = np.unique(np.concatenate([better_N[::every], better_N[-_TOP:]]))
    count_K = np.bincount(np.searchsorted(edge_K, better_N), minlength=len(edge_K))
    top, spread = float(edge_K[-1]), float(edge_K[-1] - threshold)
    at = np.concatenate([[threshold], edge_K])
    below = len(score_N) - len(better_N)
    # The class beyond the largest score has the one more observation of maximum spacing.
    counts = np.concatenate([[below], count_K, [1]])

    def loss(T: Array) -> float:
        log_c = float(np.clip(T[2], np.log(LEAST_NUMBER), np.log(MOST_NUMBER)))
        b = top + spread * T[0]
        a = b - spread * np.exp(np.clip(T[1], -5, 5))
        above = noisy_quadratic_above(at, a, b, np.exp(log_c), sigma)
        shares = -np.diff(np.concatenate([[1.0], above, [0.0]]))
        outside = (T[2] - log_c) ** 2 + (T[1] - np.clip(T[1], -5, 5)) ** 2
        return float(-counts @ np.log(np.maximum(shares, 1e-12)) + 100 * outside)

    found = [
        minimize(
            loss,
            start_T,
            method="Nelder-Mead",
            options={
                "maxfev": 250,
                "xatol": 5e-3,
                "fatol": 1e-2,
                "initial_simplex": start_T + np.vstack([np.zeros(3), np.diag([0.1, 0.3, 0.3])]),
            },
        )
        for start_T in starts
    ]
    best_T = min(found, key=lambda result: float(result.fun)).x
    return np.array([*best_T[:2], np.clip(best_T[2], np.log(LEAST_NUMBER), np.log(MOST_NUMBER))])
