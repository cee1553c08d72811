"""The base optimizers against PyTorch's, row by row, in float64."""

from collections.abc import Callable

import pytest
import torch

from agsam_tune.engine.base import BaseOptimizer, clipped
from agsam_tune.study import Training

STEPS, ROWS, P = 12, 3, 64
LR = (0.1, 0.01, 0.003)
DECAY = (0.0, 0.1, 0.01)

CASES: list[tuple[dict[str, object], Callable[..., torch.optim.Optimizer]]] = [
    ({"momentum": 0.9}, lambda p, **k: torch.optim.SGD(p, momentum=0.9, **k)),
    (
        {"momentum": 0.9, "nesterov": True},
        lambda p, **k: torch.optim.SGD(p, momentum=0.9, nesterov=True, **k),
    ),
    ({"base_optimizer": "adam"}, lambda p, **k: torch.optim.Adam(p, **k)),
    (
        {"base_optimizer": "adam", "betas": (0.5, 0.9), "eps": 1e-3},
        lambda p, **k: torch.optim.Adam(p, betas=(0.5, 0.9), eps=1e-3, **k),
    ),
    ({"base_optimizer": "adamw"}, lambda p, **k: torch.optim.AdamW(p, **k)),
]


def _columns(*, momentum: float, decay: tuple[float, ...]) -> dict[str, torch.Tensor]:
    column = lambda values: torch.tensor(values, dtype=torch.float64)[:, None]  # noqa: E731
    return {
        "lr": column(LR),
        "weight_decay": column(decay),
        "momentum": column([momentum] * ROWS),
    }


@pytest.mark.parametrize(
    ("longest", "decay"),
    [(None, DECAY), (0.7, DECAY), (None, (0.0, 0.0, 0.0))],
    ids=["decay", "clipped", "plain"],
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case[0]))
def test_steps_are_those_of_pytorch(
    case: tuple[dict[str, object], Callable[..., torch.optim.Optimizer]],
    longest: float | None,
    decay: tuple[float, ...],
) -> None:
    keys, make = case
    recipe = Training(epochs=1, batch_size=1, lr=1.0, max_grad_norm=longest, **keys)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    w_KP = torch.randn(ROWS, P, generator=generator, dtype=torch.float64)
    d_SKP = torch.randn(STEPS, ROWS, P, generator=generator, dtype=torch.float64)
    d_SKP *= torch.logspace(-6, 0.5, STEPS, dtype=torch.float64)[:, None, None]
    theirs = [torch.nn.Parameter(row.clone()) for row in w_KP]
    optimizers = [
        make([p], lr=lr, weight_decay=wd) for p, lr, wd in zip(theirs, LR, decay, strict=True)
    ]
    base = BaseOptimizer(training=recipe, has_weight_decay=any(decay))
    state = base.initial_state(w_KP)
    for step, d_KP in enumerate(d_SKP):
        columns = _columns(momentum=recipe.momentum, decay=decay)
        w_KP, state = base.update(w_KP, d_KP, state, columns, step)
        for parameter, optimizer, gradient in zip(theirs, optimizers, d_KP, strict=True):
            scale = 1.0 if longest is None else min(1.0, longest / float(gradient.norm()))
            parameter.grad = gradient * scale
            optimizer.step()
    for row, parameter in zip(w_KP, theirs, strict=True):
        torch.testing.assert_close(row, parameter.detach(), rtol=1e-11, atol=1e-13)


def test_clipping_keeps_short_rows_and_shortens_long_ones() -> None:
    d_KP = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [3e30, 4e30], [3e-30, 4e-30]])
    found = clipped(d_KP, 1.0)
    torch.testing.assert_close(found[0], torch.tensor([0.6, 0.8]))
    assert torch.equal(found[[1, 2, 4]], d_KP[[1, 2, 4]])
    torch.testing.assert_close(found[3], torch.tensor([0.6, 0.8]))
