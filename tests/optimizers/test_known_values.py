"""The values that docs/design.md prints, worked out by hand for a quadratic."""

from __future__ import annotations

import pytest
import torch

from agsam_tune.optimizers import rule
from tests.optimizers.sgd import update

from .problems import columns

A = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
W = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
HALF_A_DIGIT = 0.5e-10 * (1 + 1e-6)

KNOWN = [
    (
        "gsam",
        {},
        (0.0316227766, -0.0948683298),
        (0.9817985763, -3.1638772672),
        (0.9018201424, -1.6836122733),
    ),
    (
        "adaptive_gsam",
        {"gamma": 0.1},
        (0.0347850543, -0.1992234926),
        (0.8332462795, -3.3830056536),
        (0.9166753721, -1.6616994346),
    ),
    (
        "adaptive_gsam",
        {"gamma": 0.0},
        (0.0316227766, -0.1897366596),
        (0.8347133761, -3.3668889756),
        (0.9165286624, -1.6633111024),
    ),
    (
        "adaptive_gsam_t2",
        {"gamma": 0.01},
        (0.0166846573, -0.1982384585),
        (0.7600808070, -3.4029123333),
        (0.9239919193, -1.6597087667),
    ),
    (
        "gsam_matched",
        {"gamma": 0.1},
        (0.0639531078, -0.1918593235),
        (0.9646764675, -3.3304059088),
        None,
    ),
]


@pytest.mark.parametrize(("name", "gamma", "ascent", "direction", "after"), KNOWN)
def test_known_values(
    name: str,
    gamma: dict[str, float],
    ascent: tuple[float, float],
    direction: tuple[float, float],
    after: tuple[float, float] | None,
) -> None:
    values = columns(torch.float64, rho=0.1, alpha=0.4, **gamma)
    g_KP = W @ A
    step_KP = rule(name).ascent_step(W, g_KP, values)
    direction_KP = rule(name).update_direction(g_KP, (W + step_KP) @ A, values)
    _check(step_KP, ascent)
    _check(direction_KP, direction)
    w_KP, _ = update(
        W,
        direction_KP,
        torch.zeros_like(W),
        lr_K1=torch.full((1, 1), 0.1, dtype=torch.float64),
        momentum_K1=torch.zeros(1, 1, dtype=torch.float64),
        weight_decay_K1=torch.zeros(1, 1, dtype=torch.float64),
        nesterov=False,
    )
    if after is not None:
        _check(w_KP, after)


def _check(found_KP: torch.Tensor, printed: tuple[float, float]) -> None:
    difference = found_KP - torch.tensor([printed], dtype=torch.float64)
    assert difference.abs().max() <= HALF_A_DIGIT
