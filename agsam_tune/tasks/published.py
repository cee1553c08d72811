"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100: a sound protocol, and the paper's on MNIST.

In: options and a seed. Out: a `Task`. Must not import torch, Ray, Optuna.

The published training part is divided into a training and a validation split by the seed; the
published test part is the test split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from agsam_tune.data import load_images
from agsam_tune.errors import UsageError
from agsam_tune.tasks.images import Bytes, Part, Pool, Sizes, image_task, network, pools
from agsam_tune.tasks.task import Mlp, Network, Split, Task


def mnist(
    *,
    seed: int,
    train_size: int = 0,
    val_size: int = 5_000,
    test_size: int = 0,
    label_noise: float = 0.0,
    model: str = "paper_cnn",
    width: int = 128,
    depth: int = 2,
) -> Task:
    """MNIST, handwritten digits of 28×28 pixels; by default 55,000, 5,000 and 10,000 images.

    Args:
        seed: it fixes the splits and the noise.
        train_size: images to train on; 0 for all that val_size leaves.
        val_size: images to choose on; 0 chooses on the test split.
        test_size: images to report on; 0 for all.
        label_noise: probability that a training label is replaced by another class, 0 … 1.
        model: `paper_cnn`, 225,034 parameters, `cnn`, 5,258, or `mlp`.
        width: units of each hidden layer of the mlp.
        depth: hidden layers of the mlp.

    Raises:
        UsageError: there are fewer images than asked for, or their files are missing or
            damaged.
    """
    sizes = Sizes(train=train_size, val=val_size, test=test_size, label_noise=label_noise)
    return _task("mnist", _grey_model("mnist", model, width, depth), sizes, seed)


def fashion_mnist(
    *,
    seed: int,
    train_size: int = 0,
    val_size: int = 5_000,
    test_size: int = 0,
    label_noise: float = 0.0,
    model: str = "paper_cnn",
    width: int = 128,
    depth: int = 2,
) -> Task:
    """Fashion-MNIST, pieces of clothing, made like MNIST (arXiv 1708.07747); see `mnist`."""
    sizes = Sizes(train=train_size, val=val_size, test=test_size, label_noise=label_noise)
    return _task("fashion_mnist", _grey_model("fashion_mnist", model, width, depth), sizes, seed)


def cifar10(
    *,
    seed: int,
    train_size: int = 0,
    val_size: int = 5_000,
    test_size: int = 0,
    label_noise: float = 0.0,
    model: str = "resnet",
    width: int = 16,
    blocks: int = 1,
) -> Task:
    """CIFAR-10, colour photographs of 32×32 pixels; by default 45,000, 5,000 and 10,000.

    Args:
        seed: it fixes the splits and the noise.
        train_size: images to train on; 0 for all that val_size leaves.
        val_size: images to choose on; 0 chooses on the test split.
        test_size: images to report on; 0 for all.
        label_noise: probability that a training label is replaced by another class, 0 … 1.
        model: `resnet`, with group normalisation, or `cnn`, three convolutions.
        width: channels of the resnet's first stage, a multiple of 4.
        blocks: residual blocks in each of the resnet's three stages.

    Raises:
        UsageError: there are fewer images than asked for, or their files are missing or
            damaged.
    """
    sizes = Sizes(train=train_size, val=val_size, test=test_size, label_noise=label_noise)
    return _task("cifar10", _colour_model("cifar10", model, width, blocks), sizes, seed)


def cifar100(
    *,
    seed: int,
    train_size: int = 0,
    val_size: int = 5_000,
    test_size: int = 0,
    label_noise: float = 0.0,
    model: str = "resnet",
    width: int = 16,
    blocks: int = 1,
) -> Task:
    """CIFAR-100 with its 100 fine labels; see `cifar10`."""
    sizes = Sizes(train=train_size, val=val_size, test=test_size, label_noise=label_noise)
    return _task("cifar100", _colour_model("cifar100", model, width, blocks), sizes, seed)


def paper_mnist(*, seed: int, train_size: int = 0, test_size: int = 0) -> Task:  # noqa: ARG001
    """The paper's protocol on MNIST: raw pixels 0 … 255, no validation split, its CNN.

    The data do not depend on the seed. Trained and reported is the binary
    cross-entropy of each logit with the one-hot label, averaged over the outputs: what
    Keras makes of "binary_crossentropy" with a softmax.

    Args:
        seed: not used.
        train_size: train on the first so many images; 0 for all.
        test_size: report on the first so many images; 0 for all.

    Raises:
        UsageError: there are fewer images than asked for, or their files are missing or
            damaged.
    """
    images = load_images("mnist")
    return Task(
        name="paper_mnist",
        train=_first(images.train_x_NCHW, images.train_y_N, train_size, "train_size"),
        validation=None,
        test=_first(images.test_x_NCHW, images.test_y_N, test_size, "test_size"),
        model=network("paper_cnn", 10),
        loss="one_hot_binary",
        source=images.source,
    )


def _first(x_NCHW: Bytes, y_N: Bytes, count: int, option: str) -> Split:
    if count > len(y_N):
        msg = f"task paper_mnist: {option} = {count:,}, but there are {len(y_N):,} images"
        raise UsageError(msg)
    chosen = slice(count or None)
    return Split(x=x_NCHW[chosen].astype(np.float32), y=y_N[chosen].astype(np.int64))


_CLASSES = {"mnist": 10, "fashion_mnist": 10, "cifar10": 10, "cifar100": 100}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Images:
    """A published data set's two parts, as they are drawn from, and where they came from."""

    training: Pool
    testing: Pool
    source: Mapping[str, Any]


_READ: ContextVar[dict[str, _Images] | None] = ContextVar("_READ", default=None)


@contextmanager
def read_once() -> Iterator[None]:
    """Within it each data set is read once, and all that is drawn from it shares its inputs."""
    token = _READ.set({})
    try:
        yield
    finally:
        _READ.reset(token)


def _images(name: str) -> _Images:
    read = _READ.get()
    if read is not None and name in read:
        return read[name]
    images = load_images(name)
    training, testing = pools(
        Part(x_NCHW=images.train_x_NCHW, y_N=images.train_y_N),
        Part(x_NCHW=images.test_x_NCHW, y_N=images.test_y_N),
    )
    found = _Images(training=training, testing=testing, source=images.source)
    if read is not None:
        read[name] = found
    return found


def _task(name: str, model: Mlp | Network, sizes: Sizes, seed: int) -> Task:
    images = _images(name)
    return image_task(
        name,
        images.training,
        images.testing,
        model,
        sizes,
        seed=seed,
        classes=_CLASSES[name],
        source=images.source,
    )


def _grey_model(task: str, name: str, width: int, depth: int) -> Mlp | Network:
    """A model for images of 28×28 pixels."""
    if name == "paper_cnn":
        return network("paper_cnn", 10)
    if name == "cnn":
        return network("mnist_cnn", 10)
    if name == "mlp":
        return Mlp(widths=(784, *(width,) * depth, 10))
    raise UsageError(f"task {task}: there is no model {name!r}; allowed: paper_cnn, cnn, mlp")


def _colour_model(task: str, name: str, width: int, blocks: int) -> Network:
    """A model for images of 3×32×32 pixels."""
    classes = _CLASSES[task]
    if name == "resnet":
        return network("resnet", classes, classes=classes, width=width, blocks=blocks)
    if name == "cnn":
        return network("cifar_cnn", classes, classes=classes)
    raise UsageError(f"task {task}: there is no model {name!r}; allowed: resnet, cnn")
