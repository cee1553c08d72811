"""Everything that is measured of one model's weights, in one call.

In: a loss and weights. Out: a record of numbers. Must not import the engine, the tasks or
the study file.

Shapes: P parameters of one model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from agsam_tune.sharpness.eigenvalue import largest_eigenvalue
from agsam_tune.sharpness.gap import curvature_from_gap, surrogate_gap
from agsam_tune.sharpness.hessian import Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpness:
    """How sharp a loss is at given weights; each number is nan where it is not finite.

    Attributes:
        sigma_max: the largest algebraic eigenvalue of the Hessian.
        sigma_residual: its relative residual (see `Eigenpair`).
        sigma_iterations: Hessian-vector products that it took.
        sigma_converged: whether the residual is within the tolerance.
        gap: surrogate gap of the step ρĝ.
        gap_adaptive: surrogate gap of the step ρ ĝ∘(|w|+γ).
        sigma_from_gap: 2h/ρ² for the larger h along ± the top eigenvector.
        sigma_from_difference: the second difference along it.
    """

    sigma_max: float
    sigma_residual: float
    sigma_iterations: int
    sigma_converged: bool
    gap: float
    gap_adaptive: float
    sigma_from_gap: float
    sigma_from_difference: float


def measure(
    loss: Loss,
    w_P: Tensor,
    *,
    rho: float,
    gamma: float,
    max_iterations: int = 1000,
    generator: np.random.Generator,
) -> Sharpness:
    """The sharpness of a loss at w; the same for the same generator state.

    Args:
        loss: (P,) float64 → scalar, twice differentiable.
        w_P: weights, of any floating type.
        rho: of both gaps and of the check along the eigenvector, > 0.
        gamma: of the adaptive gap, ≥ 0.
        max_iterations: most Hessian-vector products, ≥ 1.
        generator: draws Lanczos' start vector.
    """
    top = largest_eigenvalue(loss, w_P, max_iterations=max_iterations, generator=generator)
    along = curvature_from_gap(loss, w_P, top.vector_P, rho=rho)
    return Sharpness(
        sigma_max=top.value,
        sigma_residual=top.residual,
        sigma_iterations=top.iterations,
        sigma_converged=top.converged,
        gap=surrogate_gap(loss, w_P, rho=rho),
        gap_adaptive=surrogate_gap(loss, w_P, rho=rho, gamma=gamma),
        sigma_from_gap=along.from_gap,
        sigma_from_difference=along.from_difference,
    )
