"""The base optimizers, which apply the update direction, on (K, P) rows.

In: weights, the update direction, running means. Out: new weights and running means. The
semantics are those of `torch.optim.SGD` without dampening, `Adam` and `AdamW`. Must not
import Ray or Optuna.

Shapes: K rows (models), P parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from agsam_tune.optimizers.rows import norm, quotient
from agsam_tune.study import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseOptimizer:
    """One of the base optimizers, as the recipe sets it.

    Attributes:
        training: the recipe.
        has_weight_decay: whether any row has some; without, a pass is saved.
    """

    training: Training
    has_weight_decay: bool

    def initial_state(self, w_KP: Tensor) -> tuple[Tensor, ...]:
        """Running means before the first step: one matrix for sgd, two for the others."""
        count = 1 if self.training.base_optimizer == "sgd" else 2
        return tuple(torch.zeros_like(w_KP) for _ in range(count))

    def update(
        self,
        w_KP: Tensor,
        d_KP: Tensor,
        state: tuple[Tensor, ...],
        columns: Mapping[str, Tensor],
        step: int,
        *,
        out_KP: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """New weights and running means after a step.

        Args:
            w_KP: weights.
            d_KP: the update direction of the optimizer.
            state: running means.
            columns: lr, momentum and weight_decay of each row, (K, 1).
            step: how many steps went before.
            out_KP: receives the new weights; None for a new matrix.
        """
        recipe = self.training
        lr_K1, decay_K1 = columns["lr"], columns["weight_decay"]
        if recipe.max_grad_norm is not None:
            d_KP = clipped(d_KP, recipe.max_grad_norm)
        if self.has_weight_decay and recipe.base_optimizer == "adamw":
            w_KP = w_KP * (1 - lr_K1 * decay_K1)
        elif self.has_weight_decay:
            d_KP = torch.addcmul(d_KP, decay_K1, w_KP)
        if recipe.base_optimizer == "sgd":
            step_KP, state = _sgd(d_KP, state, columns["momentum"], nesterov=recipe.nesterov)
            return torch.addcmul(w_KP, lr_K1, step_KP, value=-1, out=out_KP), state
        step_KP, state = _adam(d_KP, state, lr_K1, betas=recipe.betas, eps=recipe.eps, step=step)
        return torch.sub(w_KP, step_KP, out=out_KP), state


def clipped(d_KP: Tensor, longest: float) -> Tensor:
    """Each row scaled down to the length `longest` where it is longer (arXiv 1211.5063)."""
    norm_K1 = norm(d_KP)
    return d_KP * torch.where(norm_K1 > longest, quotient(longest + 0 * norm_K1, norm_K1), 1.0)


def _sgd(
    d_KP: Tensor, state: tuple[Tensor, ...], momentum_K1: Tensor, *, nesterov: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(s, (v,)) with v ← μv + d, to be applied as w ← w − η s: s is v, or with Nesterov d + μv
    (Sutskever et al. 2013)."""
    velocity_KP = torch.addcmul(d_KP, momentum_K1, state[0])
    step_KP = torch.addcmul(d_KP, momentum_K1, velocity_KP) if nesterov else velocity_KP
    return step_KP, (velocity_KP,)


def _adam(
    d_KP: Tensor,
    state: tuple[Tensor, ...],
    lr_K1: Tensor,
    *,
    betas: tuple[float, float],
    eps: float,
    step: int,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """η m̂ / (√v̂ + ε), which w is lowered by, with bias-corrected means of d and d²
    (arXiv 1412.6980)."""
    beta1, beta2 = betas
    mean_KP, square_KP = state
    mean_KP = torch.add(beta1 * mean_KP, d_KP, alpha=1 - beta1)
    square_KP = torch.addcmul(beta2 * square_KP, d_KP, d_KP, value=1 - beta2)
    divisor_KP = (square_KP.sqrt() / (1 - beta2 ** (step + 1)) ** 0.5).add_(eps)
    rate_K1 = lr_K1 / (1 - beta1 ** (step + 1))
    return rate_K1 * (mean_KP / divisor_KP), (mean_KP, square_KP)
