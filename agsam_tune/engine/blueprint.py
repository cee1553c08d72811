"""A task's model as a PyTorch module, whatever way it is computed.

In: a task's model. Out: the module, initial weights, and what the module can and cannot
take. Must not import Ray, Optuna or the study file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from agsam_tune.engine.inspection import (
    ModelError,
    examine,
    raised,
    takes_channels_last,
    trainable,
)
from agsam_tune.models import perceptron
from agsam_tune.tasks.task import Mlp, Network

__all__ = ["Arrays", "Blueprint", "ModelError", "blueprint", "glorot"]

Arrays = list[npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blueprint:
    """What every way of computing a model starts from.

    Attributes:
        module: the module, in float32, on the CPU.
        initial: initial weights in the order of the module's parameters, from a generator.
        widths: those of the perceptron that the module is, or None for any other module.
        stochastic: whether a training pass draws random numbers, as dropout does.
        channels_last: whether images may lie channels last in memory.
    """

    module: nn.Module
    initial: Callable[[np.random.Generator], Arrays]
    widths: tuple[int, ...] | None
    stochastic: bool
    channels_last: bool = True


def blueprint(model: Mlp | Network, example: Tensor) -> Blueprint:
    """The blueprint of a task's model.

    Args:
        model: the model.
        example: a few examples (B, …) for looking at what the module does with them.

    Raises:
        ModelError: the module cannot be built or trained; see `examine`.
    """
    if isinstance(model, Mlp):
        return Blueprint(
            module=perceptron(model.widths),
            initial=lambda generator: glorot(model, generator),
            widths=model.widths,
            stochastic=False,
        )
    module = _built(model, seed=0)
    stochastic = examine(module, model.outputs, example)
    return Blueprint(
        module=module,
        initial=lambda generator: _initialised(model, generator),
        widths=_perceptron_widths(module, example),
        stochastic=stochastic,
        channels_last=takes_channels_last(module, example),
    )


def _built(model: Network, *, seed: int) -> nn.Module:
    """A new module, initialised from `seed` alone, in float32 and in training mode."""
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            module = model.build()
        except Exception as error:
            raise ModelError(f"Network.build raised {raised(error)}") from error
    if not isinstance(module, nn.Module):
        msg = f"Network.build returned a {type(module).__name__}, not a torch.nn.Module"
        raise ModelError(msg)
    return module.float().cpu().train()


def glorot(model: Mlp, generator: np.random.Generator) -> Arrays:
    """Glorot-uniform weights (Glorot & Bengio 2010), transposed to PyTorch's, and zero biases."""
    arrays: Arrays = []
    for inputs, outputs in model.layers:
        limit = np.sqrt(6.0 / (inputs + outputs))
        weights = generator.uniform(-limit, limit, size=inputs * outputs)
        arrays += [weights.reshape(inputs, outputs).T, np.zeros(outputs)]
    return arrays


def _initialised(model: Network, generator: np.random.Generator) -> Arrays:
    module = _built(model, seed=int(generator.integers(2**63)))
    return [p.detach().double().numpy() for p in trainable(module)]


def _perceptron_widths(module: nn.Module, example: Tensor) -> tuple[int, ...] | None:
    """The widths where the module is dense layers with ReLU between them, or None."""
    layers = list(_flattened(module))
    if layers and isinstance(layers[0], nn.Flatten):
        if (layers[0].start_dim, layers[0].end_dim) != (1, -1):
            return None
        layers = layers[1:]
    elif example.ndim != 2:
        return None
    dense, relus = layers[0::2], layers[1::2]
    linear = [layer for layer in dense if type(layer) is nn.Linear and layer.bias is not None]
    if len(linear) < len(dense) or not all(type(relu) is nn.ReLU for relu in relus):
        return None
    # No layer twice, and none frozen.
    if len(relus) != len(dense) - 1 or len(trainable(module)) != 2 * len(linear):
        return None
    if any(_has_hooks(layer) for layer in layers):
        return None
    return (linear[0].in_features, *(layer.out_features for layer in linear))


def _flattened(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of nested nn.Sequentials in order; any other module as it is."""
    if type(module) is nn.Sequential and not _has_hooks(module):
        for child in module:
            yield from _flattened(child)
    else:
        yield module


def _has_hooks(module: nn.Module) -> bool:
    hooks = (
        *(module._forward_hooks, module._forward_pre_hooks),
        *(module._backward_hooks, module._backward_pre_hooks),
    )
    return any(hooks)
