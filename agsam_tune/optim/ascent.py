"""What the first half of a step leaves for the second.

In: weights and gradients before the ascent step. Out: the same, and the weights put back. Must
not import anything of this package but `flat`.

Shapes: P entries of all parameters that have a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agsam_tune.optim.flat import Flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Ascent:
    """What first_step() leaves for second_step(); flat is None where nothing had a gradient.

    Attributes:
        w_1P: the weights to come back to.
        g_1P: the gradient at them.
        skipped: a gradient scaler found the gradient non-finite, and nothing was moved.
    """

    flat: Flat | None
    w_1P: Tensor
    g_1P: Tensor
    skipped: bool

    @torch.no_grad()
    def put_back(self) -> None:
        """Write the weights to the parameters, to the bit."""
        if self.flat is not None and not self.skipped:
            torch._foreach_copy_(self.flat.parameters, self.flat.pieces(self.w_1P))
