"""σ_max: the largest algebraic eigenvalue of a loss' Hessian.

In: a loss and weights. Out: the eigenpair, its residual and the number of products it took.
Must not import the engine, the tasks or the study file.

Shapes: P parameters of one model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agsam_tune.sharpness.hessian import Loss, differentiable, exact_hessian, hessian_product
from agsam_tune.sharpness.lanczos import Ritz, largest, length_of, relative_residual

# Up to so many parameters the whole Hessian takes about as many products as Lanczos does.
_SMALL = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Eigenpair:
    """The largest eigenvalue of a Hessian.

    Attributes:
        value: σ_max, with its sign: negative where the loss is curved downwards everywhere;
            nan where the Hessian is not finite.
        vector_P: the unit eigenvector, (P,) float64, of either sign; nan if the value is.
        residual: ‖Hv − σv‖ / |σ|, where |σ| is at least 10⁻⁶ of the largest eigenvalue in
            magnitude; 0 for a Hessian that is zero.
        iterations: Hessian-vector products.
        converged: whether the residual is within the tolerance.
    """

    value: float
    vector_P: Tensor
    residual: float
    iterations: int
    converged: bool


def largest_eigenvalue(
    loss: Loss,
    w_P: Tensor,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    generator: np.random.Generator,
) -> Eigenpair:
    """The largest algebraic eigenvalue of ∇²f(w); not the largest in magnitude, which near a
    saddle may be a negative one.

    The error of the value is about residual² σ over the relative distance to the next
    eigenvalue, if the pair is the top one. That is a matter of chance: where the two largest
    are close, the second passes for the first while the start vector's small part along the
    first has not grown. On pairs 1–10 % apart that happened to 4 % of the runs at 10⁻³, 0.5 %
    at 10⁻⁴ and none of 1,200 at 10⁻⁵ (docs/sharpness.md): in proportion to the tolerance. So
    the default is 10⁻⁶, for about six products more than 10⁻³.

    Args:
        loss: (P,) float64 → scalar, twice differentiable.
        w_P: weights, of any floating type.
        tolerance: of the relative residual, > 0.
        max_iterations: most Hessian-vector products, ≥ 1. When they are used up, the best
            pair so far comes back with its residual, and `converged` is False.
        generator: draws the start vector.

    Raises:
        ValueError: a tolerance or number of iterations outside its range.
    """
    if not (tolerance > 0 and max_iterations >= 1):
        msg = (
            f"found tolerance = {tolerance!r} and max_iterations = {max_iterations!r}, "
            "allowed: tolerance > 0, max_iterations >= 1"
        )
        raise ValueError(msg)
    # Drawn in any case, so that what is drawn next does not depend on the model's size.
    start = generator.standard_normal(w_P.numel())
    with differentiable():
        if w_P.numel() <= min(_SMALL, max_iterations):
            ritz = _exact(loss, w_P)
        else:
            ritz = largest(
                hessian_product(loss, w_P),
                torch.from_numpy(start).to(w_P.device),
                tolerance=tolerance,
                max_products=max_iterations,
            )
    return Eigenpair(
        value=ritz.value,
        vector_P=ritz.vector_P,
        residual=ritz.residual,
        iterations=ritz.products,
        converged=ritz.residual <= tolerance,
    )


def _exact(loss: Loss, w_P: Tensor) -> Ritz:
    """The top of the whole Hessian's spectrum."""
    hessian_PP = exact_hessian(loss, w_P)
    if not torch.isfinite(hessian_PP).all():
        nan_P = torch.full_like(hessian_PP[0], torch.nan)
        return Ritz(value=torch.nan, vector_P=nan_P, residual=torch.nan, products=len(hessian_PP))
    values_P, vectors_PP = torch.linalg.eigh(hessian_PP)
    value, vector_P = float(values_P[-1]), vectors_PP[:, -1]
    length = length_of(hessian_PP @ vector_P - value * vector_P)
    residual = relative_residual(length, value, float(values_P.abs().max()))
    return Ritz(value=value, vector_P=vector_P, residual=residual, products=len(hessian_PP))
