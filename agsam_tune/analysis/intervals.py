"""Intervals and p-values of a sum of independent parts, each with a variance and its freedom.

In: `Component`s. Out: half widths and p-values. Must not import pandas, torch, Ray or Optuna.

The one rule of the whole analysis: the half width at confidence 1 - p of an estimate whose error
is a sum of independent parts, with estimated variances v_i on d_i degrees of freedom, is

    sqrt(sum_i t_{d_i, 1 - p/2}^2 v_i)

(S. Banerjee, "Approximate confidence interval for linear functions of means of k populations when
the population variances are not equal", Sankhya 22, 1960). With one part it is Student's t; with
several it covers at least at its nominal rate, whatever the true variances. Satterthwaite's
(1946) approximate degrees of freedom are a little narrower, but in simulations covered 88 % at
a nominal 95 % with two seeds, and 93 % with three or four, where the seeds' part was a large one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

__all__ = ["KNOWN", "Component", "half_width", "holm", "p_value"]

_SMALLEST_P = 1e-12

#: Degrees of freedom of a variance that is taken as known.
KNOWN = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One independent part of an estimate's error: its variance (>= 0) and degrees of freedom."""

    variance: float
    degrees: float


def half_width(components: Sequence[Component], confidence: float) -> float:
    """The half width of the interval at `confidence` (0-1); 0 without components."""
    return _half_width(components, 1.0 - confidence)


def p_value(components: Sequence[Component], difference: float) -> float:
    """The two-sided p-value of `difference` = 0: where the interval's end touches 0.

    1 where the difference is 0, however small its variance; never below 1e-12.
    """
    size = abs(difference)
    if size == 0.0:
        return 1.0
    if _half_width(components, _SMALLEST_P) <= size:
        return _SMALLEST_P

    def distance(log_p: float) -> float:
        return _half_width(components, float(np.exp(log_p))) - size

    return float(np.exp(brentq(distance, np.log(_SMALLEST_P), 0.0, xtol=1e-6)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the given order (S. Holm, Scand. J. Statistics 6, 1979)."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    steps = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1.0)
    adjusted = np.empty(len(p_values))
    adjusted[order] = steps
    return [float(p) for p in adjusted]


def _half_width(components: Sequence[Component], p: float) -> float:
    variance = np.array([c.variance for c in components], dtype=float)
    degrees = np.array([c.degrees for c in components], dtype=float)
    quantile = -stdtrit(degrees, p / 2)
    return float(np.sqrt(np.sum(quantile**2 * variance)))
