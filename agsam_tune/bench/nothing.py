"""A task of which next to nothing is trained, so that what is left is all the rest of a study.

In: a seed. Out: a `Task`. Must not import torch, Ray, Optuna.
"""

from __future__ import annotations

import numpy as np

from agsam_tune.streams import stream
from agsam_tune.tasks.task import Mlp, Split, Task

_INPUTS = 4


def nothing(*, seed: int) -> Task:
    """Four examples to train on, and 200 points, hard to tell apart, whose accuracy varies."""

    def split(name: str, n: int) -> Split:
        random = stream(study_seed=seed, task="nothing", stream=name)
        y = np.arange(n, dtype=np.int64) % 2
        x = random.normal(size=(n, _INPUTS)) + 0.5 * (2 * y[:, None] - 1)
        return Split(x=x.astype(np.float32), y=y)

    return Task(
        name="nothing",
        train=split("train", 4),
        validation=split("validation", 200),
        test=split("test", 200),
        model=Mlp(widths=(_INPUTS, 1)),
    )
