"""What the tests of the sharpness feed it: quadratics with known spectra and small networks.

Shapes: P parameters of one model, N examples, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from agsam_tune.sharpness.hessian import Loss

KINDS = ("tanh", "relu", "binary", "images", "normed")


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def quadratic(matrix_PP: Tensor) -> Loss:
    """f(w) = ½ wᵀAw."""
    return lambda w_P: 0.5 * (w_P @ (matrix_PP @ w_P))


def symmetric(spectrum: Sequence[float], *, seed: int = 0) -> Tensor:
    """A symmetric matrix with these eigenvalues and random eigenvectors, (P, P)."""
    normal_PP = generator(seed).normal(size=(len(spectrum), len(spectrum)))
    q_PP = torch.from_numpy(np.linalg.qr(normal_PP)[0])
    matrix_PP = q_PP @ torch.diag(torch.tensor(spectrum, dtype=torch.float64)) @ q_PP.T
    return (matrix_PP + matrix_PP.T) / 2


def weights(size: int, *, seed: int = 1) -> Tensor:
    """Normal random weights, (P,) float64."""
    return torch.from_numpy(generator(seed).normal(size=size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A module, examples, labels, and a mean loss on the module's logits."""

    module: nn.Module
    x: Tensor
    y: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]


def binary(z_NC: Tensor, y_N: Tensor) -> Tensor:
    """Mean binary cross-entropy of one logit."""
    return functional.binary_cross_entropy_with_logits(z_NC[:, 0], y_N.to(z_NC.dtype))


def network(kind: str, *, seed: int = 0, steps: int = 0) -> Problem:
    """One of `KINDS`, with about 100 parameters, or `wide`, with 700, after some steps of SGD."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    problem = _network(kind)
    optimizer = torch.optim.SGD(problem.module.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        problem.loss(problem.module(problem.x), problem.y).backward()
        optimizer.step()
    optimizer.zero_grad()
    torch.random.set_rng_state(state)
    return problem


def _network(kind: str) -> Problem:
    if kind in ("images", "normed"):
        norm = nn.GroupNorm(2, 4) if kind == "normed" else nn.Identity()
        module = nn.Sequential(
            *(nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 2)),
            *(nn.ReLU(), nn.Flatten(), nn.Linear(4, 3)),
        )
        y = torch.randint(0, 3, (24,))
        x = torch.randn(3, 1, 6, 6)[y] + torch.randn(24, 1, 6, 6)
        return Problem(module=module, x=x, y=y, loss=functional.cross_entropy)
    x = torch.randn(40, 3)
    first, second = (40, 12) if kind == "wide" else (8, 6)
    between = nn.Tanh() if kind == "tanh" else nn.ReLU()
    outputs = 1 if kind == "binary" else 4
    module = nn.Sequential(
        *(nn.Linear(3, first), between, nn.Linear(first, second), nn.ReLU()),
        nn.Linear(second, outputs),
    )
    if kind == "binary":
        return Problem(module=module, x=x, y=(x[:, 0] * x[:, 1] > 0).long(), loss=binary)
    y = torch.cat([x, -x.sum(1, keepdim=True)], 1).argmax(1)
    return Problem(module=module, x=x, y=y, loss=functional.cross_entropy)


def paper_cnn() -> nn.Module:
    """The paper's CNN for MNIST, 225,034 parameters."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10)),
    )
