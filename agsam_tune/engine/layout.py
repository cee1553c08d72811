"""How the rows of a pack lie in memory.

In: shapes. Out: padded lengths and aligned tensors. Must not import Ray, Optuna or the
study file.
"""

from __future__ import annotations

import math

from torch import Tensor

# Vectorised loops take two registers of 16 float32 at a time (AVX-512).
LANES = 32


def padded_to_lanes(length: int) -> int:
    """The smallest multiple of `LANES` that is at least `length`."""
    return -(-length // LANES) * LANES


def row_aligned(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """An uninitialised tensor of `shape` whose every row begins at a multiple of `LANES`.

    The rest is contiguous: shape (K, a, b) has strides (padded a·b, b, 1).
    """
    rows, *rest = shape
    row = padded_to_lanes(math.prod(rest))
    strides = [math.prod(rest[i + 1 :]) for i in range(len(rest))]
    return like.new_empty(rows, row).as_strided(shape, (row, *strides))
