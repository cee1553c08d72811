"""The GSAM of the package pytorch-optimizer on one model, as its documentation has it.

In: a module and its settings. Out: a function that makes a step. The package is asked for when
it is used. Must not import Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from agsam_tune.study import Training


def gsam_step(
    module: nn.Module, training: Training, *, rho: float, alpha: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """A step of GSAM around SGD at a constant rate: (x_B, y_B) → the loss before it."""
    from pytorch_optimizer import GSAM, ProportionScheduler

    base = torch.optim.SGD(module.parameters(), lr=training.lr, momentum=training.momentum)
    lr = torch.optim.lr_scheduler.ConstantLR(base, factor=1.0)
    schedule = ProportionScheduler(
        lr, max_lr=training.lr, min_lr=training.lr, max_value=rho, min_value=rho
    )
    gsam = GSAM(module.parameters(), base, module, schedule, alpha=alpha)

    def step(x_B: Tensor, y_B: Tensor) -> Tensor:
        # Its annotation asks for a module; it calls what it is given.
        gsam.set_closure(loss, x_B, y_B)  # type: ignore[arg-type]
        _, found = gsam.step()
        lr.step()
        gsam.update_rho_t()
        return found

    return step


def loss(z_BC: Tensor, y_B: Tensor) -> Tensor:
    """The mean loss of a batch; labels may be of the logits' type where there is one logit."""
    if z_BC.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(z_BC[:, 0], y_B.to(z_BC.dtype))
    return functional.cross_entropy(z_BC, y_B)
