"""Fifty steps in float32 against torch.optim.SGD and pytorch-optimizer's SAM and GSAM.

pytorch-optimizer takes its norms in float32 whatever the weights are, adds 1e-12 to them,
and its GSAM comes back from the ascent by subtraction: hence 1e-5 and not bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import pytorch_optimizer
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import parameters_to_vector
from torch.optim.lr_scheduler import ConstantLR

from agsam_tune.optimizers import rule
from tests.optimizers.sgd import update

from .problems import columns

STEPS, BATCH = 50, 32
RHO, ALPHA, LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.4, 0.1, 0.9, 1e-3
TOLERANCE = 1e-5

Trainer = Callable[[nn.Module, list[tuple[Tensor, Tensor]]], Iterator[Tensor]]


def _model() -> nn.Module:
    """A small MLP; its weights are drawn from a generator of its own."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(
        nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return model


def _batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    x_NBD = torch.randn(STEPS, BATCH, 2, generator=generator)
    noise_NB1 = 0.3 * torch.randn(STEPS, BATCH, 1, generator=generator)
    y_NB1 = (x_NBD.prod(-1, keepdim=True) + noise_NB1 > 0).float()
    return list(zip(x_NBD, y_NB1, strict=True))


def _sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **_BASE)


_BASE = {"lr": LR, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}


def _closure(
    model: nn.Module, optimizer: torch.optim.Optimizer, x_BD: Tensor, y_B1: Tensor
) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(model(x_BD), y_B1)
        loss.backward()
        return loss

    return closure


def peer_sgd(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    optimizer = _sgd(model)
    for batch in batches:
        optimizer.step(_closure(model, optimizer, *batch))
        yield parameters_to_vector(model.parameters()).detach().clone()


def peer_sam(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    optimizer = pytorch_optimizer.SAM(model.parameters(), torch.optim.SGD, rho=RHO, **_BASE)
    for batch in batches:
        closure = _closure(model, optimizer, *batch)
        closure()  # its step() expects the first gradients to be there already
        optimizer.step(closure)
        yield parameters_to_vector(model.parameters()).detach().clone()


def peer_gsam(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    base = _sgd(model)
    # Equal limits make its rho scheduler a constant.
    schedule = pytorch_optimizer.ProportionScheduler(
        ConstantLR(base, factor=1.0), max_lr=LR, min_lr=LR, max_value=RHO, min_value=RHO
    )
    optimizer = pytorch_optimizer.GSAM(
        model.parameters(), base, model, schedule, alpha=ALPHA, adaptive=False
    )
    for batch in batches:
        optimizer.set_closure(binary_cross_entropy_with_logits, *batch)
        optimizer.step()
        yield parameters_to_vector(model.parameters()).detach().clone()


def ours(name: str, model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    """The rule called `name` on one row, with torch's own gradients."""
    chosen = rule(name)
    values = columns(torch.float32, rho=RHO, alpha=ALPHA)
    base = columns(torch.float32, lr_K1=LR, momentum_K1=MOMENTUM, weight_decay_K1=WEIGHT_DECAY)
    shapes = {key: value.shape for key, value in model.named_parameters()}
    w_1P = parameters_to_vector(model.parameters()).detach().clone().unsqueeze(0)
    velocity_1P = torch.zeros_like(w_1P)
    for x_BD, y_B1 in batches:

        def gradient(at_1P: Tensor, x_BD: Tensor = x_BD, y_B1: Tensor = y_B1) -> Tensor:
            at_1P = at_1P.clone().requires_grad_()
            parts = torch.split(at_1P[0], [shape.numel() for shape in shapes.values()])
            parameters = {
                key: part.view(shape)
                for (key, shape), part in zip(shapes.items(), parts, strict=True)
            }
            logits_B1 = functional_call(model, parameters, (x_BD,))
            loss = binary_cross_entropy_with_logits(logits_B1, y_B1)
            return torch.autograd.grad(loss, at_1P)[0]

        g_1P = gp_1P = gradient(w_1P)
        if chosen.ascent is not None:
            gp_1P = gradient(w_1P + chosen.ascent_step(w_1P, g_1P, values))
        direction_1P = chosen.update_direction(g_1P, gp_1P, values)
        w_1P, velocity_1P = update(w_1P, direction_1P, velocity_1P, **base, nesterov=False)
        yield w_1P[0]


@pytest.mark.parametrize(
    ("name", "peer"), [("sgd", peer_sgd), ("sam", peer_sam), ("gsam", peer_gsam)]
)
def test_fifty_steps(name: str, peer: Trainer) -> None:
    found = list(ours(name, _model(), _batches()))
    expected = list(peer(_model(), _batches()))
    assert len(found) == len(expected) == STEPS
    for a_P, b_P in zip(found, expected, strict=True):
        assert (a_P - b_P).norm() <= TOLERANCE * b_P.norm()


def test_the_peers_can_be_told_apart() -> None:
    """Fifty steps of two optimizers end a hundred tolerances apart, so agreement says something."""
    ends = [list(ours(name, _model(), _batches()))[-1] for name in ("sgd", "sam", "gsam")]
    for i, a_P in enumerate(ends):
        for b_P in ends[i + 1 :]:
            assert (a_P - b_P).norm() > 100 * TOLERANCE * b_P.norm()
