"""What is usual: Ray Tune, Optuna's search and pytorch-optimizer's GSAM, one training a process.

    python -m agsam_tune.bench.usual_stack STUDY TRIALS

In: a study file, for its task, its recipe and GSAM's ranges, and how many trials. Out: a line of
JSON: when the first training began, in seconds since 1970, and the core seconds of all trainings.
What the usual stack offers to be fast is used: workers live on from trial to trial, nothing is
logged, the data are sent to them once, and a batch is taken from arrays without a loader. The
task has two classes and a model with one logit.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from agsam_tune.executors.ray_environment import before_ray
from agsam_tune.study import Range, Study, Training, load_study
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Split, Task


def main() -> None:
    """Make the trials."""
    study = load_study(Path(sys.argv[1]))
    with redirect_stdout(sys.stderr):  # what Ray and Optuna have to say
        results = _tuned(study, int(sys.argv[2]))
    found = {
        "trials": len(results),
        "began": min(each["began"] for each in results),
        "training_core_s": sum(each["seconds"] for each in results),
        "best": max(each["val_accuracy"] for each in results),
    }
    print(json.dumps(found))  # noqa: T201


def _tuned(study: Study, trials: int) -> list[dict[str, float]]:
    before_ray(address=None)
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    from agsam_tune.executors.ray_session import ray_session

    def drawn(range_: Range) -> Any:
        return (tune.loguniform if range_.log else tune.uniform)(range_.low, range_.high)

    task = load_task(study.task, study.task_options, seed=study.seed, import_path=())
    ranges = study.search_spaces["gsam"].ranges
    with ray_session() as scratch:
        tuner = tune.Tuner(
            tune.with_parameters(train, task=task, training=study.training),
            param_space={name: drawn(ranges[name]) for name in ("rho", "alpha")},
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


def train(config: Mapping[str, float], task: Task, training: Training) -> dict[str, float]:
    """One training: its accuracies, when it began, and its seconds."""
    import torch

    from agsam_tune.bench.one_model import gsam_step
    from agsam_tune.engine import task_blueprint

    began, started = time.time(), time.perf_counter()
    torch.manual_seed(0)
    model = task_blueprint(task).module
    step = gsam_step(model, training, rho=config["rho"], alpha=config["alpha"])
    x_N, y_N = _tensors(task.train)
    accuracies = {"val_accuracy": 0.0, "test_accuracy": 0.0}
    for _ in range(training.epochs):
        model.train()
        order_N = torch.randperm(len(y_N))
        for start in range(0, len(y_N), training.batch_size):
            index_B = order_N[start : start + training.batch_size]
            step(x_N[index_B], y_N[index_B])
        model.eval()
        accuracies = {
            "val_accuracy": _accuracy(model, task.choosing),
            "test_accuracy": _accuracy(model, task.test),
        }
    return {**accuracies, "began": began, "seconds": time.perf_counter() - started}


def _tensors(split: Split) -> tuple[Any, Any]:
    import torch

    return torch.as_tensor(split.inputs()), torch.as_tensor(split.y, dtype=torch.float32)


def _accuracy(model: Any, split: Split) -> float:
    import torch

    x_N, y_N = _tensors(split)
    with torch.no_grad():
        return float(((model(x_N)[:, 0] > 0) == (y_N > 0)).float().mean())


if __name__ == "__main__":
    main()
