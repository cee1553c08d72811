"""The largest algebraic eigenvalue of a symmetric operator, by thick-restart Lanczos.

In: products with the operator, and a start vector. Out: the best Ritz pair and what it took.
Knows nothing of losses. Must not import the engine, the tasks or the study file.

Every product is followed by a look at the projected matrix, so no product is made after the
residual is small enough. ARPACK (`scipy.sparse.linalg.eigsh`) looks only when its basis of 20
is full, which for a network's Hessian is up to three times as many products at the same
tolerance of 10⁻⁶ (docs/sharpness.md), and it does not hand out its best pair when it gives up.

Shapes: P the operator's dimension, M vectors of the basis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agsam_tune.optimizers.rows import norm

# An eigenvalue nearer to zero than this share of the largest in magnitude counts as zero:
# its residual is taken relative to that share, since relative to itself it has no bound.
ZERO = 1e-6
# Lengths below this share of the operator's norm are rounding: the basis is invariant.
_ROUNDING = 1e-14
# The basis: its memory, and the numbers of vectors between which it is kept. On 3,000
# eigenvalues spread evenly 20 vectors took 277 products, 40 took 247 and 400 took 238.
_BASIS_BYTES = 256 << 20
_BASIS_ROWS = (20, 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ritz:
    """An approximate eigenpair.

    Attributes:
        value: θ; nan if a product was not finite.
        vector_P: its unit vector, float64; nan if θ is.
        residual: ‖Hv − θv‖ / max(|θ|, 10⁻⁶ ‖H‖), 0 for H = 0.
        products: how many products it took.
    """

    value: float
    vector_P: Tensor
    residual: float
    products: int


def length_of(x_P: Tensor) -> float:
    """‖x‖₂, also where the squares leave the range: a network that is sure of every answer
    has a Hessian that small."""
    return float(norm(x_P.unsqueeze(0)))


def relative_residual(length: float, value: float, scale: float) -> float:
    """‖Hv − θv‖ relative to |θ|, or to 10⁻⁶ ‖H‖ where that is larger; 0/0 is 0."""
    unit = max(abs(value), ZERO * scale)
    if unit > 0:
        return length / unit
    return math.inf if length > 0 else 0.0


def largest(
    product: Callable[[Tensor], Tensor],
    start_P: Tensor,
    *,
    tolerance: float,
    max_products: int,
    rows: int | None = None,
) -> Ritz:
    """The largest algebraic eigenvalue (Wu & Simon 2000, "Thick-restart Lanczos method").

    The basis is orthogonalised in full, twice, so the projected matrix T is taken from the
    coefficients as they come, and a restart needs no case of its own: the upper half of the
    Ritz vectors and the last residual are the new basis. The residual's length is
    β |last component of T's eigenvector|.

    Args:
        product: v → Hv, both (P,) float64.
        start_P: anything but zero, with a component along the eigenvector that is sought: a
            normal random vector has one, however degenerate the eigenvalue.
        tolerance: of the relative residual, > 0.
        max_products: at least 1.
        rows: vectors of the basis, at least 4; else as many as memory allows.
    """
    size = start_P.numel()
    rows = min(rows or _basis_rows(size), size)
    basis_MP = start_P.new_empty((rows + 1, size))
    basis_MP[0] = start_P / length_of(start_P)
    projected_MM = np.zeros((rows, rows))
    used = 0
    for products in range(1, max_products + 1):
        used += 1
        coefficients_M, rest_P = _orthogonalise(product(basis_MP[used - 1]), basis_MP[:used])
        projected_MM[used - 1, :used] = projected_MM[:used, used - 1] = coefficients_M
        length = length_of(rest_P)
        if not (math.isfinite(length) and np.isfinite(coefficients_M).all()):
            nan_P = torch.full_like(start_P, torch.nan)
            return Ritz(value=math.nan, vector_P=nan_P, residual=math.nan, products=products)
        values_M, vectors_MM = np.linalg.eigh(projected_MM[:used, :used])
        scale = float(np.abs(values_M).max())
        value = float(values_M[-1])
        residual = relative_residual(length * abs(float(vectors_MM[-1, -1])), value, scale)
        invariant = used == size or length <= _ROUNDING * scale
        if residual <= tolerance or invariant or products == max_products:
            break
        if used == rows:
            used = _restart(basis_MP, projected_MM, values_M, vectors_MM)
        basis_MP[used] = rest_P / length
    vector_P = _combine(vectors_MM[:, -1:], basis_MP[:used])[0]
    vector_P /= length_of(vector_P)
    return Ritz(value=value, vector_P=vector_P, residual=residual, products=products)


def _basis_rows(size: int) -> int:
    fewest, most = _BASIS_ROWS
    return min(max(_BASIS_BYTES // (8 * size), fewest), most)


def _orthogonalise(x_P: Tensor, basis_MP: Tensor) -> tuple[NDArray[np.float64], Tensor]:
    """x's coefficients in the basis and what is left of it. Twice is enough (Giraud et al.
    2005, "The loss of orthogonality in the Gram-Schmidt orthogonalization process")."""
    first_M = basis_MP @ x_P
    x_P = x_P - first_M @ basis_MP
    second_M = basis_MP @ x_P
    return (first_M + second_M).cpu().numpy(), x_P - second_M @ basis_MP


def _restart(
    basis_MP: Tensor,
    projected_MM: NDArray[np.float64],
    values_M: NDArray[np.float64],
    vectors_MM: NDArray[np.float64],
) -> int:
    """Replace a full basis by the upper half of its Ritz vectors, in place; how many they are."""
    kept = len(values_M) // 2
    basis_MP[:kept] = _combine(vectors_MM[:, -kept:], basis_MP[: len(values_M)])
    projected_MM[:] = 0
    projected_MM[range(kept), range(kept)] = values_M[-kept:]
    return kept


def _combine(columns_MM: NDArray[np.float64], basis_MP: Tensor) -> Tensor:
    """The combinations of the basis' rows whose coefficients are the columns, as rows."""
    return torch.from_numpy(columns_MM.T.copy()).to(basis_MP.device) @ basis_MP
