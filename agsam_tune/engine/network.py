"""Any module as the rows of a matrix: one row after another, or all at once under `vmap`.

In: a (K, P) matrix of weights and a batch for each row. Out: losses and gradients by
autograd. Must not import Ray, Optuna or the study file.

Shapes: K rows (models), P columns of one row, B examples of a batch, D numbers of an
example, C outputs, N examples of a split.

Row by row, a row's bits do not depend on its pack: every row is computed alone, and every
parameter begins at the same alignment in memory. Images lie channels last, and so do the
weights of convolutions within their row, which a CPU computes about twice as fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from agsam_tune.engine.blueprint import Blueprint
from agsam_tune.engine.inspection import ModelError, trainable
from agsam_tune.engine.layout import padded_to_lanes
from agsam_tune.engine.losses import Loss
from agsam_tune.optimizers.kinds import kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """Where a parameter lies within a row."""

    name: str
    start: int
    shape: torch.Size
    channels_last: bool

    @property
    def stop(self) -> int:
        return self.start + math.prod(self.shape)

    def view(self, matrix_KP: Tensor) -> Tensor:
        """The parameter of every row, (K, *shape)."""
        part = matrix_KP[:, self.start : self.stop]
        if self.channels_last and len(self.shape) == 4:
            outputs, inputs, height, width = self.shape
            return part.view(len(part), outputs, height, width, inputs).permute(0, 1, 4, 2, 3)
        return part.view(len(part), *self.shape)


class NetworkRows:
    """K copies of a module; see `PackModel`. They are computed one after another.

    Args:
        plan: the module, which is used up: its parameters become the rows.
        example_shape: (D,), (channels, height, width), ….
        loss: what is trained on.
        device: where.
        dtype: of the weights.
        bfloat16: whether matrix products are made in bfloat16, by autocast.
    """

    records_graph = True
    _may_be_channels_last = True
    _takes_random_numbers = True

    def __init__(
        self,
        plan: Blueprint,
        example_shape: tuple[int, ...],
        loss: Loss,
        *,
        device: torch.device,
        dtype: torch.dtype,
        bfloat16: bool = False,
    ) -> None:
        if plan.stochastic and not self._takes_random_numbers:
            msg = "a model with random numbers in its forward pass is computed row by row"
            raise ModelError(msg)
        self._plan = plan
        self._shape = example_shape
        self._loss = loss
        self._bfloat16 = bfloat16
        self.stochastic = plan.stochastic
        self._channels_last = type(self)._may_be_channels_last and plan.channels_last
        self._module = plan.module.to(device, dtype)
        self._slots = _slots(self._module, channels_last=self._channels_last)
        self.kinds = tuple(kind_of(slot.name) for slot in self._slots)
        self.parameters = sum(math.prod(slot.shape) for slot in self._slots)
        self.width = padded_to_lanes(self._slots[-1].stop)

    def initial(self, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """One row of initial weights, (P,)."""
        row = np.zeros((1, self.width))
        row_1P = torch.from_numpy(row)
        for slot, array in zip(self._slots, self._plan.initial(generator), strict=True):
            slot.view(row_1P).copy_(torch.from_numpy(array))
        first: npt.NDArray[np.float64] = row[0]
        return first

    def flat(self, x_N: Tensor) -> Tensor:
        """Examples as rows, images channels last where the weights are."""
        if self._channels_last and x_N.ndim == 4:
            x_N = x_N.permute(0, 2, 3, 1)
        return x_N.reshape(len(x_N), -1)

    def loss_and_gradient(
        self,
        w_KP: Tensor,
        x_KBD: Tensor,
        y_KB: Tensor,
        out_KP: Tensor,
        noise_K: list[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See `PackModel`."""
        self._module.train()
        loss_K = w_KP.new_empty(len(w_KP))
        gradients = self.unpacked(out_KP)
        weights = self.unpacked(w_KP)
        parameters = trainable(self._module)
        for k in range(len(w_KP)):
            self._load(weights, k)
            with torch.enable_grad(), _seeded(noise_K, k, w_KP.device), self._autocast(w_KP):
                z_BC = self._module(self._batch(x_KBD[k]))
            loss_1, slope_1BC = self._loss.value_and_slope(
                z_BC.detach().to(w_KP.dtype)[None], y_KB[k][None]
            )
            loss_K[k] = loss_1[0]
            found = torch.autograd.grad(
                z_BC, parameters, slope_1BC[0].to(z_BC.dtype), allow_unused=True
            )
            for gradient_K, gradient in zip(gradients, found, strict=True):
                gradient_K[k].copy_(gradient) if gradient is not None else gradient_K[k].zero_()
        return loss_K, out_KP

    def logits(self, w_KP: Tensor, x_ND: Tensor) -> Tensor:
        """See `PackModel`."""
        self._module.eval()
        weights, x_N = self.unpacked(w_KP), self._batch(x_ND)
        rows = []
        with torch.no_grad(), self._autocast(w_KP):
            for k in range(len(w_KP)):
                self._load(weights, k)
                rows.append(self._module(x_N).to(w_KP.dtype))
        return torch.stack(rows)

    def unpacked(self, w_KP: Tensor) -> list[Tensor]:
        """The rows as the module's trained parameters, each (K, *shape)."""
        return [slot.view(w_KP) for slot in self._slots]

    def _load(self, weights: list[Tensor], k: int) -> None:
        """Let the module's parameters be row k, without a copy."""
        for parameter, weight_K in zip(trainable(self._module), weights, strict=True):
            parameter.data = weight_K[k]

    def _batch(self, x_ND: Tensor) -> Tensor:
        """Rows as the module takes them."""
        if self._channels_last and len(self._shape) == 3:
            channels, height, width = self._shape
            return x_ND.view(-1, height, width, channels).permute(0, 3, 1, 2)
        return x_ND.view(-1, *self._shape)

    def _autocast(self, like: Tensor) -> AbstractContextManager[object]:
        if not self._bfloat16:
            return nullcontext()
        return torch.autocast(like.device.type, dtype=torch.bfloat16, cache_enabled=False)


class NetworkVmap(NetworkRows):
    """The same, all rows at once under `torch.func.vmap`, where convolutions become grouped.

    For GPUs, which it keeps busy; on a CPU it is slower for convolutions, and a row's bits
    may depend on its pack.
    """

    # Under vmap, group normalisation does not take images that lie channels last.
    _may_be_channels_last = False
    _takes_random_numbers = False

    def loss_and_gradient(
        self,
        w_KP: Tensor,
        x_KBD: Tensor,
        y_KB: Tensor,
        out_KP: Tensor,
        noise_K: list[int] | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """See `PackModel`."""
        self._module.train()
        weights = [weight.detach().requires_grad_() for weight in self.unpacked(w_KP)]
        with torch.enable_grad(), self._autocast(w_KP):
            z_KBC = torch.vmap(self._forward)(weights, x_KBD)
        loss_K, slope_KBC = self._loss.value_and_slope(z_KBC.detach().to(w_KP.dtype), y_KB)
        found = torch.autograd.grad(z_KBC, weights, slope_KBC.to(z_KBC.dtype), allow_unused=True)
        for gradient_K, gradient in zip(self.unpacked(out_KP), found, strict=True):
            gradient_K.copy_(gradient) if gradient is not None else gradient_K.zero_()
        return loss_K, out_KP

    def logits(self, w_KP: Tensor, x_ND: Tensor) -> Tensor:
        """See `PackModel`."""
        self._module.eval()
        with torch.no_grad(), self._autocast(w_KP):
            forward = torch.vmap(self._forward, in_dims=(0, None))
            return forward(self.unpacked(w_KP), x_ND).to(w_KP.dtype)

    def _forward(self, weights: list[Tensor], x_BD: Tensor) -> Tensor:
        named = {slot.name: w for slot, w in zip(self._slots, weights, strict=True)}
        z_BC: Tensor = torch.func.functional_call(self._module, named, (self._batch(x_BD),))
        return z_BC


def _slots(module: nn.Module, *, channels_last: bool) -> tuple[_Slot, ...]:
    slots, start = [], 0
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            slots.append(
                _Slot(name=name, start=start, shape=parameter.shape, channels_last=channels_last)
            )
            start = padded_to_lanes(slots[-1].stop)
    return tuple(slots)


@contextmanager
def _seeded(noise_K: list[int] | None, k: int, device: torch.device) -> Iterator[None]:
    """PyTorch's generators seeded for row k, and as they were afterwards."""
    if noise_K is None:
        yield
        return
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(noise_K[k])
        yield
