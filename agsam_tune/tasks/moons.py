"""Two interleaving half circles: a sound protocol, and the paper's own.

In: options and a seed. Out: a `Task`. Must not import torch, Ray, Optuna.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agsam_tune.streams import stream, stream_seed
from agsam_tune.tasks.task import Mlp, Split, Task


def moons(
    *,
    seed: int,
    n: int = 10_000,
    noise: float = 0.3,
    width: int = 32,
    depth: int = 3,
    train_size: int = 4_000,
    val_size: int = 2_000,
    label_noise: float = 0.0,
) -> Task:
    """Moons with a validation split to choose on and a test split to report on.

    Args:
        seed: it fixes the points, their order and the flipped labels.
        n: points in all; what train_size and val_size leave is the test split.
        noise: standard deviation of the Gaussian noise on the coordinates.
        width: units of each hidden layer.
        depth: hidden layers.
        train_size: points to train on.
        val_size: points to choose on; 0 chooses on the test split.
        label_noise: share of training labels that are flipped, 0 … 1. Validation and test
            labels stay clean.
    """
    from sklearn.datasets import make_moons  # half a second to import: only when asked for

    points_seed = stream_seed(study_seed=seed, task="moons", stream="points") % 2**32
    x, y = make_moons(n, noise=noise, random_state=points_seed)
    order = stream(study_seed=seed, task="moons", stream="split").permutation(n)
    train, val, test = np.split(order, [train_size, train_size + val_size])
    flips = stream(study_seed=seed, task="moons", stream="label_noise")
    y_train = y[train] ^ (flips.random(len(train)) < label_noise)
    x = _standardised(x, x[train])
    return Task(
        name="moons",
        train=_split(x[train], y_train),
        validation=_split(x[val], y[val]) if val_size else None,
        test=_split(x[test], y[test]),
        model=Mlp(widths=(2, *(width,) * depth, 1)),
    )


def paper_moons(*, seed: int) -> Task:  # noqa: ARG001  (the protocol fixes its own seeds)
    """The paper's protocol: seeds 10 and 42, a 30 % test split that is also chosen on.

    The data do not depend on the seed.
    """
    from sklearn.datasets import make_moons
    from sklearn.model_selection import train_test_split

    x, y = make_moons(10_000, noise=0.3, random_state=10)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=42)
    return Task(
        name="paper_moons",
        train=_split(_standardised(x_train, x_train), y_train),
        validation=None,
        test=_split(_standardised(x_test, x_train), y_test),
        model=Mlp(widths=(2, 32, 32, 32, 1)),
    )


def _standardised(
    x: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """x with the reference's column means at 0 and standard deviations at 1."""
    standardised: npt.NDArray[np.float64] = (x - reference.mean(axis=0)) / reference.std(axis=0)
    return standardised


def _split(x: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> Split:
    return Split(x=x.astype(np.float32), y=y.astype(np.int64))
