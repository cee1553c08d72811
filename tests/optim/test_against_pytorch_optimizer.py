"""A hundred steps beside pytorch-optimizer's SAM, its adaptive SAM, and GSAM.

Where both mean the same thing:
- its adaptive SAM scales with w² where ASAM has T² = (|w|+γ)²: compared at γ = 0. Its GSAM with
  `adaptive=True` takes the same step, which is the rule adaptive_gsam_t2 here.
- its SAM takes the norm over all groups and rho from each, as ours does: compared with several
  groups that have their own rho. Its GSAM has one rho and one alpha for all groups, so there the
  groups differ in lr and weight decay.
- it adds 1e-12 to norms, in float32 without effect, and its GSAM comes back from the ascent by
  subtraction: hence 1e-5 and not bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_optimizer
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ConstantLR

from agsam_tune.optim import ASAM, GSAM, SAM, TwoPass

from .problems import Batch, batches, closure_for, cnn, distance, mlp, vector

STEPS = 100
RHO, ALPHA = 0.1, 0.4
TOLERANCE = 1e-5

#: The CNN in float64: in float32 rounding takes a unit across its kink on one kind of CPU, and the
#: two part by 2.6e-4.
MODELS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...], torch.dtype]] = {
    "mlp": (mlp, (2,), torch.float32),
    "cnn": (cnn, (1, 8, 8), torch.float64),
}
BASES: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.05}),
    "momentum and weight decay": (
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-3},
    ),
    "adamw": (torch.optim.AdamW, {"lr": 2e-3, "weight_decay": 0.05}),
}
PEERS = ("sam", "asam", "gsam", "adaptive_gsam_t2")


def _groups(model: nn.Module, *, several: bool, rho: bool) -> Any:
    """The parameters as they are, or in three groups with settings of their own."""
    parameters = list(model.parameters())
    if not several:
        return parameters
    own = [{"lr": 0.01}, {"weight_decay": 0.02}, {}]
    if rho:
        own = [{**group, "rho": r} for group, r in zip(own, (0.05, 0.2, 0.0), strict=True)]
    parts = (parameters[:1], parameters[1:3], parameters[3:])
    return [{"params": part, **group} for part, group in zip(parts, own, strict=True)]


def ours(
    name: str, model: nn.Module, base: type, arguments: dict[str, Any], *, several: bool
) -> TwoPass:
    groups = _groups(model, several=several, rho=name in {"sam", "asam"})
    if name == "sam":
        return SAM(groups, base, rho=RHO, **arguments)
    if name == "asam":
        return ASAM(groups, base, rho=RHO, gamma=0.0, **arguments)
    if name == "gsam":
        return GSAM(groups, base, rho=RHO, alpha=ALPHA, **arguments)
    values = {"rho": RHO, "alpha": ALPHA, "gamma": 0.0}
    return TwoPass(groups, base, rule=name, hyperparameters=values, **arguments)


def peer(
    name: str, model: nn.Module, base: type, arguments: dict[str, Any], *, several: bool
) -> Callable[[Batch], None]:
    """A step of the same optimizer in pytorch-optimizer."""
    groups = _groups(model, several=several, rho=name in {"sam", "asam"})
    if name in {"sam", "asam"}:
        sam = pytorch_optimizer.SAM(groups, base, rho=RHO, adaptive=name == "asam", **arguments)

        def sam_step(batch: Batch) -> None:
            closure = closure_for(model, sam, batch)
            closure()  # its step() expects the first gradients to be there already
            sam.step(closure)

        return sam_step
    inner = base(groups, **arguments)
    # Equal limits make its rho scheduler a constant.
    schedule = pytorch_optimizer.ProportionScheduler(
        ConstantLR(inner, factor=1.0), max_lr=1.0, min_lr=1.0, max_value=RHO, min_value=RHO
    )
    gsam = pytorch_optimizer.GSAM(
        model.parameters(), inner, model, schedule, alpha=ALPHA, adaptive=name != "gsam"
    )

    def gsam_step(batch: Batch) -> None:
        gsam.set_closure(cross_entropy, *batch)
        gsam.step()

    return gsam_step


@pytest.mark.parametrize("several", [False, True], ids=["one group", "three groups"])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("network", MODELS)
@pytest.mark.parametrize("name", PEERS)
def test_a_hundred_steps(name: str, network: str, base: str, several: bool) -> None:
    make, shape, dtype = MODELS[network]
    kind, arguments = BASES[base]
    mine, theirs = make(dtype=dtype), make(dtype=dtype)
    optimizer = ours(name, mine, kind, arguments, several=several)
    step = peer(name, theirs, kind, arguments, several=several)
    for batch in batches(STEPS, shape, dtype=dtype):
        optimizer.step(closure_for(mine, optimizer, batch))
        step(batch)
        assert distance(vector(mine), vector(theirs)) <= TOLERANCE


@pytest.mark.parametrize("network", MODELS)
def test_the_peers_can_be_told_apart(network: str) -> None:
    """A hundred steps of two optimizers end far apart, so agreement says something."""
    make, shape, dtype = MODELS[network]
    ends: list[Tensor] = []
    for name in PEERS:
        model = make(dtype=dtype)
        step = peer(name, model, *BASES["sgd"], several=False)
        for batch in batches(STEPS, shape, dtype=dtype):
            step(batch)
        ends.append(vector(model))
    for i, a in enumerate(ends):
        for b in ends[i + 1 :]:
            assert distance(a, b) > 50 * TOLERANCE
