"""One step of the engine's stochastic gradient descent, with everything as arguments."""

from torch import Tensor

from agsam_tune.engine.base import BaseOptimizer
from agsam_tune.study import Training


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
    recipe = Training(epochs=1, batch_size=1, lr=1.0, nesterov=nesterov)
    decays = weight_decay_K1 is not None
    columns = {
        "lr": lr_K1,
        "momentum": momentum_K1,
        "weight_decay": weight_decay_K1 if decays else lr_K1,
    }
    base = BaseOptimizer(training=recipe, has_weight_decay=decays)
    w_KP, (velocity_KP,) = base.update(w_KP, d_KP, (velocity_KP,), columns, 0)
    return w_KP, velocity_KP
