"""What is usual: Ray Tune, Optuna's search and pytorch-optimizer's GSAM, one training a process.

    python -m agsam_tune.bench.usual_stack TRIALS

In: how many trials. Out: a line of JSON: when the first training began, in seconds since 1970,
and the core seconds of all trainings. The moons of studies/moons.toml, with its recipe; rho and
alpha are searched in the same ranges. What the usual stack offers to be fast is used: workers
live on from trial to trial, nothing is logged, the data are sent to them once, and a batch is
taken from arrays without a loader.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from itertools import pairwise
from typing import Any

from agsam_tune.executors.ray_environment import before_ray
from agsam_tune.tasks.moons import moons
from agsam_tune.tasks.task import Split, Task

EPOCHS, BATCH_SIZE, LR, MOMENTUM = 30, 64, 0.05, 0.9
RHO, ALPHA = (0.005, 8.0), (0.0, 1.0)


def main() -> None:
    """Make the trials."""
    with redirect_stdout(sys.stderr):  # what Ray and Optuna have to say
        results = _tuned(int(sys.argv[1]))
    found = {
        "trials": len(results),
        "began": min(each["began"] for each in results),
        "training_core_s": sum(each["seconds"] for each in results),
        "best": max(each["val_accuracy"] for each in results),
    }
    print(json.dumps(found))  # noqa: T201


def _tuned(trials: int) -> list[dict[str, float]]:
    before_ray(address=None)
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    from agsam_tune.executors.ray_session import ray_session

    with ray_session() as scratch:
        tuner = tune.Tuner(
            tune.with_parameters(train, task=moons(seed=0)),
            param_space={"rho": tune.loguniform(*RHO), "alpha": tune.uniform(*ALPHA)},
            tune_config=tune.TuneConfig(
                search_alg=OptunaSearch(metric="val_accuracy", mode="max", seed=0),
                num_samples=trials,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(storage_path=str(scratch / "results"), verbose=0),
        )
        grid = tuner.fit()
        if grid.errors:
            raise grid.errors[0]
        return [dict(grid[number].metrics or {}) for number in range(len(grid))]


def train(config: Mapping[str, float], task: Task) -> dict[str, float]:
    """One training, as pytorch-optimizer's documentation has it."""
    import torch
    from pytorch_optimizer import GSAM, ProportionScheduler

    began, started = time.time(), time.perf_counter()
    torch.manual_seed(0)
    model = _model(task)
    base = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    lr = torch.optim.lr_scheduler.ConstantLR(base, factor=1.0)
    rho = ProportionScheduler(
        lr, max_lr=LR, min_lr=LR, max_value=config["rho"], min_value=config["rho"]
    )
    gsam = GSAM(model.parameters(), base, model, rho, alpha=config["alpha"])

    def loss(z_B1: Any, y_B: Any) -> Any:
        return torch.nn.functional.binary_cross_entropy_with_logits(z_B1[:, 0], y_B)

    x_N, y_N = _tensors(task.train)
    accuracies = {"val_accuracy": 0.0, "test_accuracy": 0.0}
    for _ in range(EPOCHS):
        model.train()
        order_N = torch.randperm(len(y_N))
        for start in range(0, len(y_N), BATCH_SIZE):
            index_B = order_N[start : start + BATCH_SIZE]
            # Its annotation asks for a module; it calls what it is given.
            gsam.set_closure(loss, x_N[index_B], y_N[index_B])  # type: ignore[arg-type]
            gsam.step()
            lr.step()
            gsam.update_rho_t()
        model.eval()
        accuracies = {
            "val_accuracy": _accuracy(model, task.choosing),
            "test_accuracy": _accuracy(model, task.test),
        }
    return {**accuracies, "began": began, "seconds": time.perf_counter() - started}


def _model(task: Task) -> Any:
    from torch import nn

    widths = (task.train.x.shape[1], 32, 32, 32, 1)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _tensors(split: Split) -> tuple[Any, Any]:
    import torch

    return torch.as_tensor(split.x), torch.as_tensor(split.y, dtype=torch.float32)


def _accuracy(model: Any, split: Split) -> float:
    import torch

    x_N, y_N = _tensors(split)
    with torch.no_grad():
        return float(((model(x_N)[:, 0] > 0) == (y_N > 0)).float().mean())


if __name__ == "__main__":
    main()
