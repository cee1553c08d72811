"""The wrapper and the base optimizer are one: groups, schedulers, hooks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_optimizer
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim import lr_scheduler as schedulers
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from agsam_tune.optim import ASAM, GSAM, SAM, AdaptiveGSAM, TwoPass

from .problems import CLASSES, batches, closure_for, mlp, train, vector

EVERY_CLASS = pytest.mark.parametrize("kind", CLASSES)


def _adaptive_gsam(model: nn.Module, **arguments: Any) -> AdaptiveGSAM:
    return AdaptiveGSAM(model.parameters(), **{"lr": 0.05, **arguments})


# ── one set of groups ────────────────────────────────────────────────────────────────────


def test_groups_state_and_defaults_are_the_same_objects_whatever_happens() -> None:
    model = mlp()
    optimizer = _adaptive_gsam(model, momentum=0.9)
    base = optimizer.base_optimizer
    fresh = copy.deepcopy(optimizer.state_dict())

    def one() -> bool:
        return (
            optimizer.param_groups is base.param_groups
            and optimizer.state is base.state
            and optimizer.defaults is base.defaults
        )

    assert one()
    train(model, optimizer, batches(1))
    assert one()
    assert len(optimizer.state) == 6
    optimizer.add_param_group({"params": nn.Parameter(torch.ones(1))})
    base.add_param_group({"params": nn.Parameter(torch.ones(1))})
    assert one()
    assert [group["rho"] for group in optimizer.param_groups] == [0.5, 0.5, 0.5]
    del optimizer.param_groups[1:]
    optimizer.load_state_dict(fresh)
    assert one()
    base.load_state_dict(fresh)
    assert one()
    assert optimizer.state == {}
    optimizer.param_groups = [dict(optimizer.param_groups[0], lr=0.3)]
    assert one()
    assert base.param_groups[0]["lr"] == 0.3


def test_the_hyperparameters_are_keys_of_the_groups() -> None:
    first, second = (nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = AdaptiveGSAM([{"params": [first], "rho": 0.1}, {"params": [second], "lr": 1.0}])
    picked = [
        {name: group[name] for name in ("rho", "alpha", "gamma", "lr")}
        for group in optimizer.param_groups
    ]
    assert picked == [
        {"rho": 0.1, "alpha": 0.04, "gamma": 0.1, "lr": 1e-3},
        {"rho": 0.5, "alpha": 0.04, "gamma": 0.1, "lr": 1.0},
    ]
    assert {k: ASAM([first]).param_groups[0][k] for k in ("rho", "gamma")} == {
        "rho": 0.5,
        "gamma": 0.01,
    }
    assert {k: GSAM([first]).param_groups[0][k] for k in ("rho", "alpha")} == {
        "rho": 0.05,
        "alpha": 0.1,
    }
    assert SAM([first]).param_groups[0]["rho"] == 0.05


@pytest.mark.parametrize("name", ["rho", "alpha", "gamma", "lr"])
def test_an_edit_of_a_group_takes_effect(name: str) -> None:
    """The same as an optimizer that was made with the value."""
    edited, made = mlp(), mlp()
    optimizer = _adaptive_gsam(edited)
    optimizer.param_groups[0][name] = 0.7
    end = train(edited, optimizer, batches(2))
    assert torch.equal(end, train(made, _adaptive_gsam(made, **{name: 0.7}), batches(2)))
    plain = mlp()
    assert not torch.equal(end, train(plain, _adaptive_gsam(plain), batches(2)))


def test_named_parameters_and_tensors_as_hyperparameters() -> None:
    named, plain = mlp(), mlp()
    optimizer = AdaptiveGSAM(named.named_parameters(), lr=0.05, rho=torch.tensor(0.2))
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"
    end = train(named, optimizer, batches(3))
    # 0.2 in single precision is another number than in double.
    rho = torch.tensor(0.2).item()
    assert torch.equal(end, train(plain, _adaptive_gsam(plain, rho=rho), batches(3)))


def test_an_added_group_is_trained_and_perturbed() -> None:
    """As if it had been there from the start."""
    late, early = mlp(), mlp()
    parameters = list(late.parameters())
    optimizer = AdaptiveGSAM(parameters[:4], lr=0.05)
    optimizer.add_param_group({"params": parameters[4:], "rho": 0.1})
    parameters = list(early.parameters())
    groups = [{"params": parameters[:4]}, {"params": parameters[4:], "rho": 0.1}]
    end = train(early, AdaptiveGSAM(groups, lr=0.05), batches(3))
    assert torch.equal(train(late, optimizer, batches(3)), end)


def test_a_parameter_that_is_replaced_by_other_data_is_noticed() -> None:
    model, other = mlp(), mlp(seed=5)
    optimizer = _adaptive_gsam(model)
    train(model, optimizer, batches(1))
    with torch.no_grad():
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            p.data = q.detach().double()
    x, y = batches(1)[0]
    end = train(model, optimizer, [(x.double(), y)])
    expected = train(other, _adaptive_gsam(other), batches(1))
    torch.testing.assert_close(end.float(), expected, rtol=1e-5, atol=1e-7)
    assert end.dtype is torch.float64


# ── base optimizers ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("base", "arguments"),
    [
        (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (SGD, {"lr": 0.1, "momentum": 0.9, "fused": True}),
        (SGD, {"lr": 0.1, "foreach": True}),
        (Adam, {"lr": 0.01, "amsgrad": True}),
        (AdamW, {"lr": 0.01}),
        (torch.optim.Adagrad, {"lr": 0.05}),
        (torch.optim.NAdam, {"lr": 0.01}),
        (pytorch_optimizer.Lion, {"lr": 0.01}),
    ],
)
@EVERY_CLASS
def test_without_a_radius_it_is_the_base_optimizer(
    kind: type[TwoPass], base: type[Optimizer], arguments: dict[str, Any]
) -> None:
    """rho = 0 makes both gradients equal, to the bit, so that g⊥ is 0 for any alpha."""
    ours, theirs = mlp(), mlp()
    optimizer = kind(ours.parameters(), base, rho=0.0, **arguments)
    end = train(ours, optimizer, batches(10))
    assert torch.equal(end, train(theirs, base(theirs.parameters(), **arguments), batches(10)))


@EVERY_CLASS
def test_max_grad_norm_scales_the_direction_of_all_groups_together(kind: type[TwoPass]) -> None:
    model, free = mlp(), mlp()
    parameters = list(model.parameters())
    groups = [{"params": parameters[:3]}, {"params": parameters[3:]}]
    optimizer = kind(groups, lr=0.1, max_grad_norm=0.01)
    before = vector(model)
    moved = train(model, optimizer, batches(1)) - before
    unbound = train(free, kind(free.parameters(), lr=0.1), batches(1)) - before
    assert moved.norm() == pytest.approx(0.1 * 0.01, rel=1e-3)
    torch.testing.assert_close(moved / moved.norm(), unbound / unbound.norm(), atol=1e-4, rtol=0)
    loose = mlp()
    optimizer = kind(loose.parameters(), lr=0.1, max_grad_norm=1e6)
    assert torch.equal(train(loose, optimizer, batches(1)), vector(free))


# ── schedulers ───────────────────────────────────────────────────────────────────────────

SCHEDULES: dict[str, Callable[[Optimizer], Any]] = {
    "StepLR": lambda o: schedulers.StepLR(o, 3, 0.5),
    "LambdaLR": lambda o: schedulers.LambdaLR(o, lambda t: 1 / (1 + t)),
    "OneCycleLR": lambda o: schedulers.OneCycleLR(o, max_lr=0.1, total_steps=20),
    "CosineAnnealingLR": lambda o: schedulers.CosineAnnealingLR(o, 10),
    "SequentialLR": lambda o: schedulers.SequentialLR(
        o, [schedulers.LinearLR(o, 0.1, total_iters=4), schedulers.CosineAnnealingLR(o, 10)], [4]
    ),
}


def _scheduled(
    model: nn.Module, optimizer: Optimizer, schedule: Callable[[Optimizer], Any]
) -> list[tuple[Any, ...]]:
    scheduler = schedule(optimizer)
    course = []
    for batch in batches(12):
        optimizer.step(closure_for(model, optimizer, batch))
        scheduler.step()
        group = optimizer.param_groups[0]
        course.append((group["lr"], group.get("momentum"), group.get("betas")))
    return course


@pytest.mark.parametrize("base", [SGD, AdamW])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedulers_act_on_the_base_optimizer(schedule: str, base: type[Optimizer]) -> None:
    """The same course and the same weights as the base optimizer alone, without a warning."""
    arguments = {"lr": 0.05, **({"momentum": 0.9} if base is SGD else {})}
    ours, theirs = mlp(), mlp()
    optimizer = GSAM(ours.parameters(), base, rho=0.0, **arguments)
    course = _scheduled(ours, optimizer, SCHEDULES[schedule])
    expected = _scheduled(theirs, base(theirs.parameters(), **arguments), SCHEDULES[schedule])
    assert course == expected
    assert len(set(course)) > 3
    assert torch.equal(vector(ours), vector(theirs))
    assert optimizer.base_optimizer.param_groups[0]["lr"] == course[-1][0]


def test_a_scheduler_of_the_base_optimizer_and_a_plateau() -> None:
    model = mlp()
    optimizer = _adaptive_gsam(model)
    scheduler = schedulers.ExponentialLR(optimizer.base_optimizer, 0.5)
    plateau = schedulers.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
    for batch in batches(3):
        loss = optimizer.step(closure_for(model, optimizer, batch))
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05 / 8)
    plateau.step(loss.item())
    plateau.step(loss.item() + 1)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05 / 80)


def test_a_schedule_of_rho_by_hand() -> None:
    """rho is a key of the groups, so any function of the step can set it."""
    model = mlp()
    optimizer = SAM(model.parameters(), lr=0.05)
    lengths = []
    for step, batch in enumerate(batches(4)):
        optimizer.param_groups[0]["rho"] = 0.1 * step
        closure = closure_for(model, optimizer, batch)
        before = vector(model)
        closure()
        optimizer.first_step()
        lengths.append(float((vector(model) - before).norm()))
        closure()
        optimizer.second_step()
    assert lengths == pytest.approx([0.0, 0.1, 0.2, 0.3], rel=1e-4)


def test_schedulers_do_not_warn_in_manual_loops() -> None:
    model = mlp()
    optimizer = _adaptive_gsam(model)
    scheduler = schedulers.StepLR(optimizer, 1, 0.5)
    (batch,) = batches(1)
    closure = closure_for(model, optimizer, batch)
    closure()
    optimizer.first_step()
    closure()
    optimizer.second_step()
    scheduler.step()  # a warning would be an error here
    assert optimizer.param_groups[0]["lr"] == 0.025


def test_a_schedule_ahead_of_the_steps_is_still_warned_of() -> None:
    scheduler = schedulers.StepLR(_adaptive_gsam(mlp()), 1, 0.5)
    with pytest.warns(UserWarning, match="lr_scheduler.step"):
        scheduler.step()


# ── hooks ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("manual", [False, True])
def test_step_hooks_run_once_a_step(manual: bool) -> None:
    model = mlp()
    optimizer = _adaptive_gsam(model)
    seen = []
    optimizer.register_step_pre_hook(lambda o, *_: seen.append(("before", o, vector(model))))
    optimizer.register_step_post_hook(lambda o, *_: seen.append(("after", o, vector(model))))
    start = vector(model)
    closure = closure_for(model, optimizer, batches(1)[0])
    if manual:
        closure()
        optimizer.first_step()
        perturbed = vector(model)
        closure()
        optimizer.second_step()
    else:
        perturbed = start
        optimizer.step(closure)
    assert [(when, who is optimizer) for when, who, _ in seen] == [
        ("before", True),
        ("after", True),
    ]
    assert torch.equal(seen[0][2], perturbed)
    assert torch.equal(seen[1][2], vector(model))
    assert not torch.equal(vector(model), start)


def test_hooks_of_all_optimizers_see_both_the_wrapper_and_the_base() -> None:
    model = mlp()
    optimizer = _adaptive_gsam(model)
    seen: list[Any] = []
    handles = (
        register_optimizer_step_pre_hook(lambda o, *_: seen.append(o)),
        register_optimizer_step_post_hook(lambda o, *_: seen.append(o)),
    )
    try:
        train(model, optimizer, batches(1))
    finally:
        for handle in handles:
            handle.remove()
    base = optimizer.base_optimizer
    assert [o is base for o in seen] == [False, True, True, False]


def test_hooks_of_the_state_dict() -> None:
    optimizer = _adaptive_gsam(mlp())
    seen = []
    optimizer.register_state_dict_pre_hook(lambda _: seen.append("saving"))
    optimizer.register_state_dict_post_hook(lambda _, saved: {**saved, "more": 1})

    def take_out(_: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
        seen.append(saved["more"])
        return {key: value for key, value in saved.items() if key != "more"}

    optimizer.register_load_state_dict_pre_hook(take_out)
    optimizer.register_load_state_dict_post_hook(lambda _: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["saving", 1, "loaded"]
