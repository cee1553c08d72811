"""What the second pass of a step must not change: random numbers and buffers.

In: the devices whose generators a pass draws from, and the model. Out: snapshots that are put
back. Must not import anything of this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomState:
    """The states of torch's own generators: the CPU's, and those of some CUDA devices."""

    cpu: Tensor
    cuda: tuple[tuple[torch.device, Tensor], ...]

    @classmethod
    def now(cls, devices: Iterable[torch.device]) -> RandomState:
        """The states as they are; of `devices`, those that are no CUDA devices are left out."""
        return cls(
            cpu=torch.get_rng_state(),
            cuda=tuple((d, torch.cuda.get_rng_state(d)) for d in devices if d.type == "cuda"),
        )

    def put_back(self) -> None:
        """Make the generators go on from here."""
        torch.set_rng_state(self.cpu)
        for device, state in self.cuda:
            torch.cuda.set_rng_state(state, device)

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """The CUDA devices."""
        return tuple(device for device, _ in self.cuda)


@contextmanager
def replayed(state: RandomState) -> Iterator[None]:
    """Draw the random numbers that follow `state`, then go on as if nothing had been drawn."""
    here = RandomState.now(state.devices)
    state.put_back()
    try:
        yield
    finally:
        here.put_back()


@contextmanager
def unchanged_buffers(model: nn.Module | None) -> Iterator[None]:
    """Put all buffers of `model` back at the end, so BatchNorm's running statistics too.

    Copies are put back, rather than the layers' settings changed for a while: it holds for
    layers of any kind, leaves nothing behind of a pass with NaNs (a momentum of 0 keeps 0·NaN),
    and a compiled model sees no change that it must be compiled for again.
    """
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in (() if model is None else model.modules())
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, copy in buffers:
                buffer.copy_(copy)
                if getattr(module, name) is not buffer:
                    setattr(module, name, buffer)


def has_batch_norm(loss: Any) -> bool:
    """Whether a loss, after its backward pass, came through a BatchNorm in training mode.

    Says False for what does not tell: a number, a detached tensor, a compiled model.
    """
    waiting = [loss.grad_fn] if isinstance(loss, Tensor) and loss.grad_fn is not None else []
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if "BatchNorm" in node.name() and getattr(node, "_saved_training", True):
            return True
        following = {child for child, _ in node.next_functions if child is not None} - seen
        seen |= following
        waiting.extend(following)
    return False
