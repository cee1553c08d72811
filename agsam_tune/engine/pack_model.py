"""What the training loop asks of a model, whatever way it is computed.

In: nothing. Out: an interface. Must not import Ray, Optuna or the study file.

Shapes: K rows (models), P columns of one row, B examples of a batch, D numbers of an
example, C outputs, N examples of a split.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from agsam_tune.optimizers.kinds import Kind


class PackModel(Protocol):
    """K models of one shape, whose weights are the rows of a (K, P) matrix.

    Attributes:
        parameters: weights of one model.
        width: P, the columns of a row: the parameters and their padding, which is zero and
            has zero gradients.
        records_graph: whether gradients come from autograd, so that weights must not be
            tensors of inference mode.
        stochastic: whether `loss_and_gradient` needs `noise_K`.
        kinds: of each parameter that `unpacked` gives, in its order.
    """

    kinds: tuple[Kind, ...]
    parameters: int
    width: int
    records_graph: bool
    stochastic: bool

    def initial(self, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """One row of initial weights, (P,)."""

    def flat(self, x_N: Tensor) -> Tensor:
        """Examples (N, …) as rows (N, D), in the order in which the model reads them."""

    def loss_and_gradient(
        self,
        w_KP: Tensor,
        x_KBD: Tensor,
        y_KB: Tensor,
        out_KP: Tensor,
        noise_K: list[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Each row's mean loss over its batch, (K,), and its gradient, written to `out_KP`.

        Args:
            w_KP: weights.
            x_KBD: examples, as `flat` orders them and `row_aligned` lays them out.
            y_KB: labels, int64.
            out_KP: receives the gradient; its padding must be zero.
            noise_K: a seed for each row's random numbers, such as dropout's masks.
        """

    def logits(self, w_KP: Tensor, x_ND: Tensor) -> Tensor:
        """Outputs of every row on the same examples, (K, N, C), until the next call."""

    def unpacked(self, w_KP: Tensor) -> list[Tensor]:
        """The rows as the module's trained parameters, each (K, *shape)."""
