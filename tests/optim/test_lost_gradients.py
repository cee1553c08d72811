"""Gradients that step(closure) discards: said where somebody's are lost, and nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from agsam_tune.optim import GSAM, SAM, AdaptiveGSAM

from .problems import Batch, batches, closure_for, mlp, train, vector

LOST = r"AdaptiveGSAM.step\(closure\) has discarded.*call backward several times inside the closure"


def _accumulating(model: nn.Module, batch: Batch) -> Callable[[], Tensor]:
    """A closure that leaves zeroing to somebody else."""

    def closure() -> Tensor:
        loss = cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        return loss

    return closure


def test_the_gradient_of_a_backward_pass_outside_is_said_to_be_lost_once() -> None:
    model, other = mlp(), mlp()
    optimizer = AdaptiveGSAM(model.parameters(), lr=0.1)
    first, second, third = (_accumulating(model, batch) for batch in batches(3))
    first()
    with pytest.warns(UserWarning, match=LOST) as caught:
        optimizer.step(second)
    assert caught[0].filename == __file__
    first()
    optimizer.step(third)
    copy.deepcopy(optimizer)
    expected = train(other, AdaptiveGSAM(other.parameters(), lr=0.1), batches(3)[1:])
    assert torch.equal(vector(model), expected)


def test_it_is_said_later_on_too() -> None:
    """What a step leaves in .grad is told from what is added to it."""
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters(), lr=0.1)
    closure = _accumulating(model, batches(1)[0])
    for _ in range(3):
        optimizer.step(closure)
    closure()
    with pytest.warns(UserWarning, match=LOST):
        optimizer.step(closure)


def _zeroing_outside(model: nn.Module, optimizer: SAM, batch: Batch) -> None:
    optimizer.step(_accumulating(model, batch))
    optimizer.zero_grad(set_to_none=False)


def _failing_now_and_then(model: nn.Module, optimizer: SAM, batch: Batch) -> None:
    def closure() -> Tensor:
        _accumulating(model, batch)()
        raise MemoryError

    with pytest.raises(MemoryError):
        optimizer.step(closure)
    optimizer.step(_accumulating(model, batch))


def _by_hand_and_not(model: nn.Module, optimizer: SAM, batch: Batch) -> None:
    closure = _accumulating(model, batch)
    closure()
    optimizer.first_step()
    optimizer.restore()
    optimizer.step(closure)
    optimizer.zero_grad()
    closure()
    optimizer.first_step()
    closure()
    optimizer.second_step()
    optimizer.step(closure)


def _two_optimizers_of_one_model(model: nn.Module, optimizer: SAM, batch: Batch) -> None:
    """Each backward pass leaves gradients of the other's parameters, which nobody wants."""
    late = GSAM([p for p in model.parameters() if p.ndim == 1], lr=0.1)
    for each in (optimizer, late, optimizer):
        each.step(closure_for(model, each, batch))


def _zeroing_the_model(model: nn.Module, optimizer: SAM, batch: Batch) -> None:
    """After a look at the gradients outside; in place too, and with several backward passes."""
    accumulating = _accumulating(model, batch)

    def closure(to_none: bool) -> Tensor:
        model.zero_grad(set_to_none=to_none)
        accumulating()
        return accumulating()

    for to_none in (True, False):
        accumulating()
        optimizer.step(partial(closure, to_none))
    assert not any(parameter._backward_hooks for parameter in model.parameters())


@pytest.mark.parametrize(
    "use",
    [
        _zeroing_outside,
        _failing_now_and_then,
        _by_hand_and_not,
        _two_optimizers_of_one_model,
        _zeroing_the_model,
    ],
)
def test_nothing_is_said_where_nothing_is_lost(use: Callable[..., None]) -> None:
    """A warning is an error here."""
    model = mlp()
    optimizer = SAM(model.parameters(), lr=0.1)
    for batch in batches(3):
        use(model, optimizer, batch)


def test_a_zero_that_stands_in_leaves_no_trace() -> None:
    """A parameter that the closure does not use has no gradient, as without an outer pass."""
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = SAM([unused, used], lr=0.1, weight_decay=0.1)
    unused.grad = torch.ones(2)
    with pytest.warns(UserWarning, match="has discarded"):
        optimizer.step(lambda: used.square().sum().backward())
    assert torch.equal(unused.detach(), torch.ones(2))
    assert unused.grad is None
