"""A pack costs a small part of what its trainings cost one at a time, per core."""

import time

import pytest
import torch
from pytorch_optimizer import GSAM, ProportionScheduler
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import ConstantLR

from agsam_tune.engine import train_pack
from agsam_tune.engine.cpu import one_thread
from agsam_tune.study import Training
from agsam_tune.tasks.moons import moons
from tests.engine.problems import a_pack

ROWS = 64
RECIPE = Training(epochs=3, batch_size=64, lr=0.05, momentum=0.9)


def _pack_seconds(rows: int) -> float:
    """Core seconds of a step and row, evaluations and all."""
    task = moons(seed=0)
    steps = RECIPE.epochs * -(-len(task.train.y) // RECIPE.batch_size)
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        train_pack(a_pack("gsam", rows), task, RECIPE, study_seed=0)
        best = min(best, time.process_time() - started)
    return best / rows / steps


def _one_model_seconds() -> float:
    """Core seconds of a step of pytorch-optimizer's GSAM, training alone."""
    task = moons(seed=0)
    x, y = torch.tensor(task.train.x), torch.tensor(task.train.y).float()
    layers: list[torch.nn.Module] = []
    for inputs, outputs in task.model.layers:
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    base = SGD(model.parameters(), lr=0.05, momentum=0.9)
    lr = ConstantLR(base, factor=1.0)
    rho = ProportionScheduler(lr, max_lr=0.05, min_lr=0.05, max_value=0.1, min_value=0.1)
    gsam = GSAM(model.parameters(), base, model, rho, alpha=0.2)

    def loss(z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(z[:, 0], target)

    started, steps = time.process_time(), 0
    for index in torch.randperm(len(y)).split(RECIPE.batch_size):
        gsam.set_closure(loss, x[index], y[index])
        gsam.step()
        lr.step()
        gsam.update_rho_t()
        steps += 1
    return (time.process_time() - started) / steps


@pytest.mark.slow
def test_a_pack_costs_at_most_a_tenth_of_one_model_at_a_time() -> None:
    with one_thread():
        alone = _one_model_seconds()
    pack = _pack_seconds(ROWS)
    print(f"alone {alone * 1e6:.0f} µs, in a pack {pack * 1e6:.1f} µs: {alone / pack:.1f} ×")  # noqa: T201
    assert pack <= alone / 10
