"""The contenders: ways of training GSAM, each an endless sequence of epochs.

In: a problem, and how many models at once. Out: after each epoch, the steps made, of all
models together, and each model's mean loss. All make the same steps from the same weights on
the same batches. JAX and pytorch-optimizer are asked for when they are used. Must not import
Ray or Optuna.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from agsam_tune.bench.one_model import gsam_step, loss
from agsam_tune.bench.problems import ALPHA, RHO, Problem
from agsam_tune.engine import training_epochs
from agsam_tune.trials import Pack, Trial

Epochs = Iterator[tuple[int, list[float]]]


def pack(given: Problem, rows: int) -> Epochs:
    """The engine's pack."""
    trials = tuple(
        Trial(
            optimizer="gsam",
            phase="map",
            replicate=0,
            index=0,
            point=0,
            seed=seed,
            hyperparameters=(("rho", RHO), ("alpha", ALPHA)),
        )
        for seed in range(rows)
    )
    for steps, losses in training_epochs(Pack(trials=trials), given.task, given.training):
        yield steps * rows, losses


def pytorch_optimizer(given: Problem, rows: int) -> Epochs:  # noqa: ARG001  (one at a time)
    """The GSAM of the package pytorch-optimizer, one model at a time."""
    module, x_N, y_N = _start(given)
    step = gsam_step(module, given.training, rho=RHO, alpha=ALPHA)
    for epoch in itertools.count():
        order_SB = torch.as_tensor(given.batches(0, epoch))
        losses = [float(step(x_N[index_B], y_N[index_B])) for index_B in order_SB]
        yield len(losses), [float(np.mean(losses))]


def plain(given: Problem, rows: int) -> Epochs:  # noqa: ARG001  (one at a time)
    """A loop as one writes it in PyTorch, in its default layout, one model at a time."""
    module, x_N, y_N = _start(given)
    parameters = list(module.parameters())
    training = given.training
    base = torch.optim.SGD(parameters, lr=training.lr, momentum=training.momentum)
    for epoch in itertools.count():
        losses = []
        for index_B in torch.as_tensor(given.batches(0, epoch)):
            x_B, y_B = x_N[index_B], y_N[index_B]
            f = loss(module(x_B), y_B)
            gradients = torch.autograd.grad(f, parameters)
            with torch.no_grad():
                scale = RHO / torch.sqrt(_dot(gradients, gradients))
                before = [parameter.clone() for parameter in parameters]
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.add_(scale * gradient)
            perturbed = torch.autograd.grad(loss(module(x_B), y_B), parameters)
            with torch.no_grad():
                share = _dot(gradients, perturbed) / _dot(perturbed, perturbed)
                for parameter, old, g, gp in zip(
                    parameters, before, gradients, perturbed, strict=True
                ):
                    parameter.copy_(old)
                    parameter.grad = gp - ALPHA * (g - share * gp)
            base.step()
            losses.append(f.item())
        yield len(losses), [float(np.mean(losses))]


def jax(given: Problem, rows: int) -> Epochs:
    """JAX: `vmap` over the models, compiled; see `with_jax`."""
    from agsam_tune.bench.with_jax import epochs

    return epochs(given, rows)


CONTENDERS: dict[str, Callable[[Problem, int], Epochs]] = {
    "pack": pack,
    "pytorch-optimizer": pytorch_optimizer,
    "plain": plain,
    "jax": jax,
}


def _start(given: Problem) -> tuple[nn.Module, Tensor, Tensor]:
    """The module with the first weights, and the training data."""
    module = given.module
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), given.weights(0), strict=True):
            parameter.copy_(torch.as_tensor(array))
    return module, torch.as_tensor(given.task.train.inputs()), torch.as_tensor(given.task.train.y)


def _dot(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()
