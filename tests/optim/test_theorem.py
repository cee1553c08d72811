"""Theorem 2 of Kwon et al. (arXiv 2102.11600), whole steps on a rescaled ReLU network.

Layer one times c and layer two over c is the same function of the data. With gamma = 0, ASAM's
step Δw follows the rescaling, w₁ → c·w₁ gives Δw₁ → c·Δw₁, so the perturbed networks are the same
function too; SAM's, GSAM's and Adaptive-GSAM's do not.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from agsam_tune.optim import ASAM, GSAM, SAM, AdaptiveGSAM, TwoPass

from .problems import batches, seeded

FACTOR = 7.0


def _network(c: float) -> nn.Module:
    model = seeded(nn.Sequential(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 3)).double(), seed=3)
    with torch.no_grad():
        model[0].weight *= c
        model[0].bias *= c
        model[2].weight /= c
    return model


def _passes(kind: type[TwoPass], c: float) -> tuple[list[float], list[Tensor]]:
    """The losses of both passes of a step, and Δw of each parameter."""
    model = _network(c)
    arguments = {} if kind in {SAM, GSAM} else {"gamma": 0.0}
    optimizer = kind(model.parameters(), lr=0.1, rho=0.5, **arguments)
    ((x, y),) = batches(1, dtype=torch.float64)
    losses, weights = [], []

    def closure() -> None:
        optimizer.zero_grad()
        weights.append([p.detach().clone() for p in model.parameters()])
        loss = cross_entropy(model(x), y)
        losses.append(loss.item())
        loss.backward()

    optimizer.step(closure)
    return losses, [b - a for a, b in zip(*weights, strict=True)]


@pytest.mark.parametrize(
    ("kind", "follows"), [(ASAM, True), (SAM, False), (GSAM, False), (AdaptiveGSAM, False)]
)
def test_a_rescaled_network(kind: type[TwoPass], follows: bool) -> None:
    losses, steps = _passes(kind, 1.0)
    other_losses, other_steps = _passes(kind, FACTOR)
    assert other_losses[0] == pytest.approx(losses[0], rel=1e-12)
    rescaled = [s * c for s, c in zip(steps, (FACTOR, FACTOR, 1 / FACTOR, 1), strict=True)]
    apart = max(
        float((a - b).norm() / b.norm()) for a, b in zip(other_steps, rescaled, strict=True)
    )
    if follows:
        assert apart < 1e-12
        assert other_losses[1] == pytest.approx(losses[1], rel=1e-12)
    else:
        assert apart > 0.5
        assert other_losses[1] != pytest.approx(losses[1], rel=0.01)
