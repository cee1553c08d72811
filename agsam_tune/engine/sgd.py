"""Stochastic gradient descent with momentum, the base optimizer, on (K, P) rows.

In: weights, the update direction, the velocity. Out: new weights and velocity. The
semantics are those of `torch.optim.SGD` without dampening. Must not import Ray, Optuna
or the study file.

Shapes: K rows (models), P parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor


def update(
    w_KP: Tensor,
    d_KP: Tensor,
    velocity_KP: Tensor,
    *,
    lr_K1: Tensor,
    momentum_K1: Tensor,
    weight_decay_K1: Tensor | None,
    nesterov: bool,
) -> tuple[Tensor, Tensor]:
    """One step: v ← μv + (d + λw), w ← w − η v, or with Nesterov w ← w − η (d + λw + μv).

    Args:
        w_KP: weights.
        d_KP: the update direction of the optimizer.
        velocity_KP: zeros before the first step (Sutskever et al. 2013, as in PyTorch).
        lr_K1: learning rate η of each row.
        momentum_K1: μ of each row.
        weight_decay_K1: λ of each row; None where all are 0, which saves a pass.
        nesterov: look ahead along the new velocity.
    """
    if weight_decay_K1 is not None:
        d_KP = torch.addcmul(d_KP, weight_decay_K1, w_KP)
    velocity_KP = torch.addcmul(d_KP, momentum_K1, velocity_KP)
    step_KP = torch.addcmul(d_KP, momentum_K1, velocity_KP) if nesterov else velocity_KP
    return torch.addcmul(w_KP, lr_K1, step_KP, value=-1), velocity_KP
