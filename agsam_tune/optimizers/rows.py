"""Row-wise vector algebra on (K, P) matrices, safe for zero, tiny and huge rows.

In: matrices whose K rows are K independent models. Out: per-row norms, directions
and projections. Must not import Ray, Optuna or anything of this package.

Shapes: K rows (models), P parameters of one model.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def quotient(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, and 0 where the denominator is 0.

    No epsilon is added: an absolute one breaks the optimizers' identities for small
    gradients (docs/design.md, Formulas).
    """
    zero = denominator == 0
    return torch.where(zero, 0.0, numerator / torch.where(zero, 1.0, denominator))


def norm(x_KP: Tensor) -> Tensor:
    """Euclidean norm of each row, (K, 1), free of overflow and underflow in the squares."""
    _, scale_K1, norm_K1 = _rescaled(x_KP)
    return norm_K1 if scale_K1 is None else norm_K1 * scale_K1


def unit(x_KP: Tensor) -> Tensor:
    """x / ‖x‖₂ row by row, (K, P); a row of zeros stays zero."""
    y_KP, scale_K1, norm_K1 = _rescaled(x_KP)
    if scale_K1 is None:
        return torch.div(x_KP, norm_K1)
    # A zero row over 1 is the row itself; dividing once is cheaper than masking P columns.
    divisor_K1 = torch.where(norm_K1 == 0, 1.0, norm_K1)
    return torch.div(y_KP, divisor_K1)


def of_length(x_KP: Tensor, length_K1: Tensor) -> Tensor:
    """x · length / ‖x‖₂ row by row, (K, P); a row of zeros stays zero.

    The norm is taken in float64, so that the length is exact to the rounding of the entries.
    """
    y_KP, _, _ = _rescaled(x_KP)
    norm_K1 = torch.linalg.vector_norm(y_KP, dim=1, keepdim=True, dtype=torch.float64)
    return y_KP * quotient(length_K1.double(), norm_K1).to(x_KP.dtype)


def orthogonal(x_KP: Tensor, onto_KP: Tensor) -> Tensor:
    """The part of x that is orthogonal to `onto`: x − (⟨x, onto⟩ / ‖onto‖²) onto, (K, P).

    Exactly zero where both are equal, and x where `onto` is zero.
    """
    # The scale of `onto` cancels; that of x comes back.
    y_KP, scale_K1, norm_K1 = _rescaled(onto_KP)
    z_KP, back_K1, _ = _rescaled(x_KP)
    if scale_K1 is None and back_K1 is None:
        coefficient_K1 = _dot(x_KP, onto_KP) / _dot(onto_KP, onto_KP)
        return torch.addcmul(x_KP, coefficient_K1, onto_KP, value=-1)
    square_K1 = torch.where(norm_K1 == 0, 0.0, _dot(y_KP, y_KP))
    coefficient_K1 = quotient(_dot(z_KP, y_KP), square_K1)
    rest_KP = torch.addcmul(z_KP, coefficient_K1, y_KP, value=-1)
    return rest_KP if back_K1 is None else rest_KP * back_K1


def _dot(a_KP: Tensor, b_KP: Tensor) -> Tensor:
    return torch.unsqueeze(torch.linalg.vecdot(a_KP, b_KP, dim=1), 1)


@cache
def _ordinary(dtype: torch.dtype) -> tuple[float, float]:
    """Between which norms a row needs no scaling.

    The fourth roots leave room for squares and products of two norms.
    """
    limits = torch.finfo(dtype)
    return limits.tiny**0.25, limits.max**0.25


def _rescaled(x_KP: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
    """(y, s, ‖y‖) with x = y·s: s is 1 for rows of ordinary size, else the power of two
    that makes the largest entry of y lie in [1, 2), so the scaling is exact.

    A row's result depends on that row alone. Where no row needs scaling, y is x itself and s
    is None, which saves a pass over the rows.
    """
    norm_K1 = torch.linalg.vector_norm(x_KP, dim=1, keepdim=True)
    least, most = _ordinary(x_KP.dtype)
    if x_KP.device.type == "cpu" and len(x_KP):
        low, high = torch.aminmax(norm_K1)
        if low.item() > least and high.item() < most:
            return x_KP, None, norm_K1
    ordinary_K1 = (norm_K1 > least) & (norm_K1 < most)
    peak_K1 = x_KP.abs().amax(dim=1, keepdim=True)
    scalable_K1 = ~ordinary_K1 & (peak_K1 > 0) & torch.isfinite(peak_K1)
    exponent_K1 = torch.frexp(torch.where(scalable_K1, peak_K1, 1.0)).exponent - 1
    scale_K1 = torch.where(scalable_K1, torch.ldexp(torch.ones_like(peak_K1), exponent_K1), 1.0)
    y_KP = x_KP / scale_K1
    return y_KP, scale_K1, torch.linalg.vector_norm(y_KP, dim=1, keepdim=True)
