"""Small tasks and packs for the engine's tests."""

import dataclasses

import numpy as np

from agsam_tune.optimizers import rule
from agsam_tune.study import Training
from agsam_tune.tasks.moons import moons
from agsam_tune.tasks.task import Mlp, Split, Task
from agsam_tune.trials import Outcome, Pack, Trial

RECIPE = Training(epochs=2, batch_size=32, lr=0.1, momentum=0.9, weight_decay=1e-3)


def small_moons(seed: int = 3) -> Task:
    # 300 = 9 × 32 + 12: the last batch fills no vector register.
    return moons(seed=seed, n=600, train_size=300, val_size=130, width=32, depth=2)


def blobs(*, seed: int = 0, widths: tuple[int, ...] = (5, 13, 9, 3), n: int = 210) -> Task:
    """Gaussian blobs with an odd number of classes and inputs, for the softmax."""
    rng = np.random.default_rng(seed)
    inputs, classes = widths[0], widths[-1]
    centres = rng.normal(size=(classes, inputs))

    def split(size: int) -> Split:
        y = rng.integers(classes, size=size)
        return Split(x=(centres[y] + rng.normal(size=(size, inputs))).astype(np.float32), y=y)

    return Task(
        name="blobs",
        train=split(n),
        validation=split(70),
        test=split(90),
        model=Mlp(widths=widths),
    )


def a_trial(optimizer: str, index: int, seed: int, *, replicate: int = 0, **values: float) -> Trial:
    return Trial(
        optimizer=optimizer,
        phase="map",
        replicate=replicate,
        index=index,
        point=1000 * replicate + index,
        seed=seed,
        hyperparameters=tuple(values.items()),
    )


def a_pack(optimizer: str, rows: int, *, replicates: int = 1) -> Pack:
    """Rows with settings of their own, over four seeds and, one after another, replicates."""
    rng = np.random.default_rng(7)
    trials = []
    for k in range(rows):
        drawn = {name: float(rng.uniform()) for name in ("alpha", "lam")}
        drawn["rho"] = float(np.exp(rng.uniform(np.log(0.005), np.log(4))))
        drawn["gamma"] = float(np.exp(rng.uniform(np.log(0.001), 0)))
        values = {name: drawn.get(name, 0.3) for name in rule(optimizer).hyperparameters}
        replicate = k * replicates // rows
        trials.append(a_trial(optimizer, k // 4, k % 4, replicate=replicate, **values))
    return Pack(trials=tuple(trials))


def same_bits(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes agree in everything but the time; NaN equals NaN."""
    return repr(dataclasses.replace(a, seconds=0.0)) == repr(dataclasses.replace(b, seconds=0.0))
