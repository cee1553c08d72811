"""The machine's rate of matrix products, which a pack's arithmetic is compared with.

In: nothing. Out: endless products on one thread. Torch is imported when they begin. Must not
import Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterator

PRODUCT = "matrix product"
_SIDE = 1024
# The work of one product of two square matrices.
PRODUCT_FLOP = 2 * _SIDE**3


def products() -> Iterator[int]:
    """Multiply two float32 matrices again and again; yields 1 after each product."""
    import torch

    a, b = torch.randn(_SIDE, _SIDE), torch.randn(_SIDE, _SIDE)
    out = torch.empty(_SIDE, _SIDE)
    while True:
        torch.mm(a, b, out=out)
        yield 1
