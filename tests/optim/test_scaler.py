"""Gradient scalers: the same training as without one, and steps that overflow are skipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.functional import cross_entropy

from agsam_tune.optim import AdaptiveGSAM, TwoPass

from .problems import CLASSES, Batch, batches, mlp, values_of, vector

Loop = Callable[[nn.Module, TwoPass, GradScaler, list[Batch]], None]
EVERY_CLASS = pytest.mark.parametrize("kind", CLASSES)


def _loss(model: nn.Module, batch: Batch) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return cross_entropy(model(batch[0]), batch[1])


def by_closure(model: nn.Module, optimizer: TwoPass, scaler: GradScaler, data: list[Batch]) -> None:
    for batch in data:

        def closure(batch: Batch = batch) -> Tensor:
            optimizer.zero_grad()
            loss = _loss(model, batch)
            scaler.scale(loss).backward()
            return loss

        optimizer.step(closure, scaler=scaler)
        scaler.update()


def by_hand(model: nn.Module, optimizer: TwoPass, scaler: GradScaler, data: list[Batch]) -> None:
    for batch in data:
        scaler.scale(_loss(model, batch)).backward()
        optimizer.first_step(scaler=scaler, zero_grad=True)
        scaler.scale(_loss(model, batch)).backward()
        optimizer.second_step(scaler=scaler, zero_grad=True)
        scaler.update()


def unscaled_by_the_user(
    model: nn.Module, optimizer: TwoPass, scaler: GradScaler, data: list[Batch]
) -> None:
    """With unscale_() before the first step, as for looking at the gradients."""
    for batch in data:
        scaler.scale(_loss(model, batch)).backward()
        scaler.unscale_(optimizer)
        optimizer.first_step(zero_grad=True)
        scaler.scale(_loss(model, batch)).backward()
        optimizer.second_step(scaler=scaler, zero_grad=True)
        scaler.update()


EVERY_LOOP = pytest.mark.parametrize("loop", [by_closure, by_hand, unscaled_by_the_user])


def _optimizer(kind: type[TwoPass], model: nn.Module, **arguments: Any) -> TwoPass:
    settings = {"lr": 0.05, "momentum": 0.9, **values_of(kind), **arguments}
    return kind(model.parameters(), **settings)


def _end(kind: type[TwoPass], loop: Loop, scaler: GradScaler, **arguments: Any) -> Tensor:
    model = mlp()
    loop(model, _optimizer(kind, model, **arguments), scaler, batches(10))
    return vector(model)


@EVERY_LOOP
@EVERY_CLASS
def test_training_with_a_scaler_is_training_without_one(kind: type[TwoPass], loop: Loop) -> None:
    """To the bit, where a power of two scales and nothing overflows or underflows."""
    arguments: dict[str, Any] = {"max_grad_norm": 0.5}
    plain = _end(kind, loop, GradScaler("cpu", enabled=False), **arguments)
    scaler = GradScaler("cpu", init_scale=2.0**10)
    assert torch.equal(_end(kind, loop, scaler, **arguments), plain)
    assert bool(plain.isfinite().all())


@EVERY_LOOP
def test_the_fused_base_optimizer_too(loop: Loop) -> None:
    """It has a protocol of its own with scalers, which must not unscale a second time."""
    plain = _end(AdaptiveGSAM, loop, GradScaler("cpu", enabled=False), fused=True)
    scaler = GradScaler("cpu", init_scale=2.0**10)
    assert torch.equal(_end(AdaptiveGSAM, loop, scaler, fused=True), plain)


class _Overflowing(nn.Module):
    """Makes the loss infinite in chosen passes, counted from 0."""

    def __init__(self, model: nn.Module, passes: set[int]) -> None:
        super().__init__()
        self.model, self.passes, self.count = model, passes, 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.model(x)
        self.count += 1
        return y * float("inf") if self.count - 1 in self.passes else y


@EVERY_LOOP
@pytest.mark.parametrize("bad", [2, 3], ids=["first pass", "second pass"])
@EVERY_CLASS
def test_a_step_that_overflows_is_skipped(kind: type[TwoPass], bad: int, loop: Loop) -> None:
    """In either pass of the second of three steps: as if that batch had not been."""
    data = batches(3)
    model, other = mlp(), mlp()
    scaler = GradScaler("cpu", init_scale=2.0**10)
    loop(_Overflowing(model, {bad}), _optimizer(kind, model), scaler, data)
    assert scaler.get_scale() == 2.0**9
    expected = GradScaler("cpu", init_scale=2.0**10)
    loop(other, _optimizer(kind, other), expected, [data[0], data[2]])
    assert torch.equal(vector(model), vector(other))


def test_an_overflow_in_the_first_pass_perturbs_nothing() -> None:
    model = mlp()
    optimizer, scaler = _optimizer(AdaptiveGSAM, model), GradScaler("cpu")
    start = vector(model)
    scaler.scale(_loss(_Overflowing(model, {0}), batches(1)[0])).backward()
    optimizer.first_step(scaler=scaler)
    assert torch.equal(vector(model), start)
    optimizer.second_step(scaler=scaler)
    assert torch.equal(vector(model), start)
    assert optimizer.state == {}


@EVERY_CLASS
def test_an_overflow_that_only_the_user_s_own_unscaling_saw(kind: type[TwoPass]) -> None:
    """The second gradients are finite, and the step is skipped all the same."""
    weight = nn.Parameter(torch.ones(3))
    optimizer, scaler = kind([weight], lr=0.1), GradScaler("cpu", init_scale=2.0)
    scaler.scale(weight.sum()).backward()
    weight.grad[1] = float("inf")
    scaler.unscale_(optimizer)
    optimizer.first_step()
    weight.grad.fill_(2.0)
    optimizer.second_step(scaler=scaler)
    scaler.update()
    assert torch.equal(weight.detach(), torch.ones(3))
    assert scaler.get_scale() == 1.0


def test_the_scale_grows_by_steps_and_not_by_passes() -> None:
    model = mlp()
    scaler = GradScaler("cpu", init_scale=2.0, growth_interval=4)
    optimizer = _optimizer(AdaptiveGSAM, model)
    by_hand(model, optimizer, scaler, batches(3))
    assert scaler.get_scale() == 2.0
    by_hand(model, optimizer, scaler, batches(1))
    assert scaler.get_scale() == 4.0


def test_a_skipped_first_step_is_no_reason_for_a_scheduler_to_warn() -> None:
    model = mlp()
    optimizer, scaler = _optimizer(AdaptiveGSAM, model), GradScaler("cpu")
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    by_hand(_Overflowing(model, {0}), optimizer, scaler, batches(1))
    scheduler.step()


def test_the_scaler_s_own_step_is_refused_with_the_way_out() -> None:
    model = mlp()
    optimizer, scaler = _optimizer(AdaptiveGSAM, model), GradScaler("cpu")
    scaler.scale(_loss(model, batches(1)[0])).backward()
    with pytest.raises(RuntimeError, match=r"step\(closure, scaler=scaler\) does both"):
        scaler.step(optimizer)


def test_gradients_that_the_user_has_unscaled_are_not_unscaled_again() -> None:
    """torch refuses it, rather than dividing by the scale twice."""
    model = mlp()
    optimizer, scaler = _optimizer(AdaptiveGSAM, model), GradScaler("cpu")
    scaler.scale(_loss(model, batches(1)[0])).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        optimizer.first_step(scaler=scaler)
