"""What the contenders train: the same models, first weights and batches for all of them.

In: a name. Out: a problem. Must not import Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn

from agsam_tune.engine import orders, task_blueprint
from agsam_tune.models import paper_cnn
from agsam_tune.streams import stream
from agsam_tune.study import Training
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Network, Split, Task

RHO, ALPHA = 0.1, 0.2
# Epochs that a learning rate schedule is laid out for; no measurement makes as many.
_EPOCHS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A task and a recipe; all batches of an epoch have the same size.

    Attributes:
        task: data and model.
        training: the recipe, SGD with momentum and a constant rate.
    """

    task: Task
    training: Training

    @property
    def coordinates(self) -> dict[str, int | str]:
        """Of the streams, but for the seed, as the engine has them for `contenders.pack`."""
        return {"study_seed": 0, "phase": "map", "replicate": 0, "index": 0}

    @property
    def module(self) -> nn.Module:
        """A new module, with weights of its own."""
        return task_blueprint(self.task).module

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())

    def weights(self, seed: int) -> list[npt.NDArray[np.float64]]:
        """The first weights of a seed, in the order and the shapes of the module's parameters."""
        return task_blueprint(self.task).initial(
            stream(**self.coordinates, seed=seed, stream="weights")
        )

    def batches(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        """Indices of the epoch's examples, (batches, batch size)."""
        n = len(self.task.train.y)
        (order_N,) = orders([{**self.coordinates, "seed": seed}], epoch, n)
        order_MB: npt.NDArray[np.int64] = order_N.reshape(-1, self.training.batch_size)
        return order_MB


def problem(name: str) -> Problem:
    """The problem called `moons`, `digits` or `mnist`."""
    if name == "moons":
        return Problem(
            task=load_task("moons", {"train_size": 4096}, seed=0, import_path=()),
            training=_recipe(64),
        )
    if name == "digits":
        return Problem(
            task=load_task("digits", {"train_size": 960, "val_size": 0}, seed=0, import_path=()),
            training=_recipe(32),
        )
    # The time of a step does not depend on what the images show, and no files are needed.
    rng = np.random.default_rng(0)
    split = Split(x=rng.random((320, 1, 28, 28), dtype=np.float32), y=rng.integers(10, size=320))
    task = Task(
        name="mnist",
        train=split,
        validation=None,
        test=split,
        model=Network(build=paper_cnn, outputs=10),
    )
    return Problem(task=task, training=_recipe(32))


def _recipe(batch_size: int) -> Training:
    fields: Mapping[str, object] = {
        "epochs": _EPOCHS,
        "batch_size": batch_size,
        "lr": 0.05,
        "momentum": 0.9,
    }
    return Training.model_validate(fields)
