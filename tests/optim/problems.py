"""Small models, batches and closures that the tests of the optimizers train with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector

from agsam_tune.optim import ASAM, GSAM, SAM, AdaptiveGSAM, TwoPass

CLASSES = (SAM, ASAM, GSAM, AdaptiveGSAM)
#: The rule of each class, and hyperparameters far enough from 0 to matter.
RULE_OF = {SAM: "sam", ASAM: "asam", GSAM: "gsam", AdaptiveGSAM: "adaptive_gsam"}
VALUES = {"rho": 0.2, "alpha": 0.4, "gamma": 0.1}
NAMES = {
    SAM: ("rho",),
    ASAM: ("rho", "gamma"),
    GSAM: ("rho", "alpha"),
    AdaptiveGSAM: ("rho", "alpha", "gamma"),
}

Batch = tuple[Tensor, Tensor]


def values_of(kind: type[TwoPass]) -> dict[str, float]:
    return {name: VALUES[name] for name in NAMES[kind]}


def seeded(model: nn.Module, *, seed: int = 0, scale: float = 0.4) -> nn.Module:
    """The model with normal random weights, drawn from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(scale * drawn)
    return model


def mlp(*, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
    layers = (nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    return seeded(nn.Sequential(*layers).to(dtype), seed=seed)


def cnn(*, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
    layers = (
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(8, 3)),
    )
    return seeded(nn.Sequential(*layers).to(dtype), seed=seed, scale=0.3)


def batches(
    count: int, shape: tuple[int, ...] = (2,), *, seed: int = 1, dtype: torch.dtype = torch.float32
) -> list[Batch]:
    """Batches of 16 with labels that depend on the data, and some noise."""
    generator = torch.Generator().manual_seed(seed)
    x_NB = torch.randn(count, 16, *shape, generator=generator, dtype=dtype)
    noise_NB = 0.3 * torch.randn(count, 16, generator=generator, dtype=dtype)
    score_NB = x_NB.flatten(2)[:, :, :2].prod(-1) + noise_NB
    y_NB = (score_NB > -0.2).long() + (score_NB > 0.3).long()
    return list(zip(x_NB, y_NB, strict=True))


def closure_for(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch
) -> Callable[[], Tensor]:
    x, y = batch

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        return loss

    return closure


def train(model: nn.Module, optimizer: torch.optim.Optimizer, data: Iterable[Batch]) -> Tensor:
    """One step a batch; the weights at the end."""
    for batch in data:
        optimizer.step(closure_for(model, optimizer, batch))
    return vector(model)


def vector(model: nn.Module) -> Tensor:
    """A copy of all weights of a model, one after the other."""
    return parameters_to_vector(model.parameters()).detach().clone()


def distance(a: Tensor, b: Tensor) -> float:
    """‖a − b‖ / ‖b‖."""
    return float((a - b).norm() / b.norm())
