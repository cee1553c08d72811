"""A task's model as a PyTorch module, whatever way it is computed.

In: a task's model. Out: the module, initial weights, and what the module can and cannot
take. Must not import Ray, Optuna or the study file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from agsam_tune.engine.chain import Chain, chain, perceptron_chain
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
        chain: the layers of a module that is a chain of them, or None.
        stochastic: whether a training pass draws random numbers, as dropout does.
        channels_last: whether images may lie channels last in memory.
    """

    module: nn.Module
    initial: Callable[[np.random.Generator], Arrays]
    chain: Chain | None
    stochastic: bool
    channels_last: bool = True

    @property
    def widths(self) -> tuple[int, ...] | None:
        """Those of the perceptron that the module is, or None for any other module."""
        return None if self.chain is None else self.chain.widths


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
            chain=perceptron_chain(model),
            stochastic=False,
        )
    module = _built(model, seed=0)
    stochastic = examine(module, model.outputs, example)
    return Blueprint(
        module=module,
        initial=lambda generator: _initialised(model, generator),
        chain=chain(module, example),
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
