"""The sharpness of every row's final weights, in float64.

In: a task, weights. Out: numbers for each row. Must not import Ray or Optuna.

Shapes: K rows (models), P columns of one row, B examples, C outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from agsam_tune.columns import SHARPNESS_OF_WEIGHTS
from agsam_tune.engine.inspection import ModelError, raised, trainable
from agsam_tune.engine.losses import Loss
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.engine.ways import task_blueprint
from agsam_tune.sharpness import measure, module_loss
from agsam_tune.study import Sharpness
from agsam_tune.tasks.task import Task


def rows_of(model: PackModel, w_KP: Tensor) -> Iterator[Tensor]:
    """Each row's trained parameters in the module's order, as a vector without padding."""
    parts = model.unpacked(w_KP)
    for k in range(len(w_KP)):
        yield torch.cat([part[k].reshape(-1) for part in parts])


def check_sharpness(task: Task, wanted: Sharpness, device: torch.device) -> None:
    """Try on a model that is not trained, and a few examples, what is to be measured.

    Raises:
        ModelError: it cannot be: the model's second derivative is missing, say, or it computes
            in a type of its own.
    """
    module = task_blueprint(task).module
    w_P = torch.cat([p.detach().reshape(-1) for p in trainable(module)])
    few = wanted.model_copy(update={"examples": min(wanted.examples, 4), "max_iterations": 1})
    try:
        measured_sharpness(task, [(w_P.to(device), True)], few, 0, device)
    except Exception as error:
        msg = (
            f"the sharpness of the model ({type(module).__name__}), which [sharpness] asks for, "
            f"cannot be measured: {raised(error)}"
        )
        raise ModelError(msg) from error


def measured_sharpness(
    task: Task,
    weights: Iterable[tuple[Tensor, bool]],
    wanted: Sharpness,
    seed: int,
    device: torch.device,
) -> list[dict[str, float]]:
    """What `[sharpness]` asks for, of each row; NaN where it diverged.

    The loss is the reported one, without label smoothing or weight decay, over the first
    training examples, so that rows and optimizers are measured alike.

    Args:
        task: data and model.
        weights: parameters of each row, and whether it is whole.
        wanted: what to measure.
        seed: of the start vector, the same for every row.
        device: where.
    """
    loss = Loss(kind=task.loss)

    def mean(z_BC: Tensor, y_B: Tensor) -> Tensor:
        return loss.each(z_BC[None], y_B[None]).mean()

    count = min(wanted.examples, len(task.train.y))
    part = task.train.part(count)
    x, y = (torch.as_tensor(array, device=device) for array in (part.x, part.y))
    of_weights, _ = module_loss(task_blueprint(task).module.to(device), x, y, mean)
    found = []
    for w_P, alive in weights:
        if not alive:
            found.append(dict.fromkeys(SHARPNESS_OF_WEIGHTS, math.nan))
            continue
        sharpness = measure(
            of_weights,
            w_P,
            rho=wanted.rho,
            gamma=wanted.gamma,
            max_iterations=wanted.max_iterations,
            generator=np.random.default_rng(seed),
        )
        found.append({name: float(getattr(sharpness, name)) for name in SHARPNESS_OF_WEIGHTS})
    return found
