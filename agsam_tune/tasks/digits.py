"""Scikit-learn's handwritten digits: 1,797 images of 8×8 pixels, which ship with it.

In: options and a seed. Out: a `Task`. Must not import torch, Ray, Optuna.

The images are the test part of Alpaydin & Kaynak's "Optical Recognition of Handwritten
Digits" (UCI Machine Learning Repository, doi 10.24432/C50P49).
"""

from __future__ import annotations

import numpy as np

from agsam_tune.errors import UsageError
from agsam_tune.streams import stream
from agsam_tune.tasks.images import Part, Sizes, image_task, network, pools, stratified_order
from agsam_tune.tasks.task import Mlp, Network, Task

_CLASSES = 10
_BRIGHTEST = 16


def digits(
    *,
    seed: int,
    train_size: int = 1_000,
    val_size: int = 297,
    test_size: int = 0,
    label_noise: float = 0.0,
    model: str = "cnn",
    width: int = 64,
    depth: int = 2,
) -> Task:
    """Digits with a validation split to choose on and a test split to report on.

    The test split is drawn first and the validation split second, so that with a test_size
    both are the same for every train_size.

    Args:
        seed: it fixes the splits and the noise.
        train_size: images to train on; 0 for all that the others leave.
        val_size: images to choose on; 0 chooses on the test split.
        test_size: images to report on; 0 for all that the others leave.
        label_noise: probability that a training label is replaced by another class, 0 … 1.
        model: `cnn`, 6,090 parameters, or `mlp`.
        width: units of each hidden layer of the mlp.
        depth: hidden layers of the mlp.

    Raises:
        UsageError: there are fewer images than asked for.
    """
    from sklearn.datasets import load_digits  # a third of a second to import

    found = load_digits()
    y_N = found.target
    everything = Part(x_NCHW=found.images.astype(np.uint8)[:, None], y_N=y_N)
    count = len(y_N)
    tested = test_size or count - train_size - val_size
    if not (train_size or test_size) or tested < 1 or tested + val_size + train_size > count:
        msg = (
            f"task digits: train_size + val_size + test_size = {train_size:,} + {val_size:,} + "
            f"{test_size:,}, but there are {count:,} images; one of train_size and test_size "
            "may be 0 for all that the others leave, at least 1"
        )
        raise UsageError(msg)
    order = stratified_order(y_N, stream(study_seed=seed, task="digits", stream="parts"))
    test, rest = np.sort(order[:tested]), np.sort(order[tested:])
    return image_task(
        "digits",
        *pools(everything.take(rest), everything.take(test), brightest=_BRIGHTEST),
        _model(model, width, depth),
        Sizes(train=train_size, val=val_size, test=0, label_noise=label_noise),
        seed=seed,
        classes=_CLASSES,
        source={"data_set": "scikit-learn's digits", "images": count},
    )


def _model(name: str, width: int, depth: int) -> Mlp | Network:
    if name == "cnn":
        return network("digits_cnn", _CLASSES)
    if name == "mlp":
        return Mlp(widths=(64, *(width,) * depth, _CLASSES))
    raise UsageError(f"task digits: there is no model {name!r}; allowed: cnn, mlp")
