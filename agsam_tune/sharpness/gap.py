"""Surrogate gaps, and the curvature that they stand for.

In: a loss and weights. Out: how much higher the loss is a step away. Must not import the
engine, the tasks or the study file.

Shapes: P parameters of one model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from agsam_tune.optimizers import rule
from agsam_tune.sharpness.hessian import Loss, double, gradient, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Curvature:
    """The curvature along a unit vector v, from three values of the loss; nan if one is not finite.

    With h± = f(w ± ρv) − f(w):

    Attributes:
        from_gap: 2 max(h₊, h₋)/ρ², the paper's estimate of σ_max. It is above the other by
            2|⟨g, v⟩|/ρ and terms of third order: at a minimum both are equal, away from one
            the slope fills it, the more the smaller ρ is.
        from_difference: (h₊ + h₋)/ρ², the second difference, vᵀHv but for terms of fourth
            order: free of the slope.
    """

    from_gap: float
    from_difference: float


def surrogate_gap(loss: Loss, w_P: Tensor, *, rho: float, gamma: float | None = None) -> float:
    """h = f(w + Δw) − f(w) for one ascent step; 0 where the gradient is.

    Args:
        loss: (P,) float64 → scalar.
        w_P: weights, of any floating type.
        rho: ≥ 0; the step's length without `gamma`.
        gamma: None for the ball, Δw = ρĝ (GSAM's step); a number ≥ 0 for the adaptive
            geometry, Δw = ρ ĝ∘(|w|+γ) (the paper's Adaptive-GSAM).
    """
    names = {"rho": rho} if gamma is None else {"rho": rho, "gamma": gamma}
    ascent = rule("gsam" if gamma is None else "adaptive_gsam")
    w_1P = double(w_P).unsqueeze(0)
    columns = {name: w_1P.new_full((1, 1), number) for name, number in names.items()}
    step_P = ascent.ascent_step(w_1P, gradient(loss, w_P).unsqueeze(0), columns)[0]
    return _finite(_rise(loss, w_P, step_P))


def curvature_from_gap(loss: Loss, w_P: Tensor, vector_P: Tensor, *, rho: float) -> Curvature:
    """The check of σ_max ≈ 2h/ρ² along ± an eigenvector, which the one-step gap cannot give
    at a minimum: there is no gradient to step along.

    Rounding adds about 10⁻¹⁵ |f|/ρ².

    Args:
        loss: (P,) float64 → scalar.
        w_P: weights, of any floating type.
        vector_P: a unit vector, either sign.
        rho: > 0.

    Raises:
        ValueError: rho is not above 0.
    """
    if not rho > 0:
        msg = f"found rho = {rho!r}, allowed: a number > 0"
        raise ValueError(msg)
    up, down = (_rise(loss, w_P, sign * rho * vector_P) for sign in (1, -1))
    # The sum and the distance make twice the maximum, and nan where either rise is.
    return Curvature(
        from_gap=_finite((up + down + abs(up - down)) / rho**2),
        from_difference=_finite((up + down) / rho**2),
    )


def _rise(loss: Loss, w_P: Tensor, step_P: Tensor) -> float:
    return value(loss, w_P + step_P) - value(loss, w_P)


def _finite(number: float) -> float:
    return number if math.isfinite(number) else math.nan
