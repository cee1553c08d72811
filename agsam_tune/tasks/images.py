"""What the image tasks have in common: subsets, label noise, scaling of pixels.

In: bytes and labels. Out: splits. Must not import torch, Ray, Optuna.

Shapes: N images, C channels, H × W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from agsam_tune.errors import UsageError
from agsam_tune.streams import stream
from agsam_tune.tasks.task import Mlp, Network, Split, Task

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

# Images whose pixels are summed at once, so that 60,000 need no copy of their own.
_BLOCK = 2_000
# A split with a smaller share of its pool gets inputs of its own, in place of all the pool's.
_SHARED_FROM = 1 / 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many images of each split, as an image task's options have it.

    Attributes:
        train: to train on; 0 for all that the others leave.
        val: to choose on; with 0 the test split serves for both.
        test: to report on; 0 for all there are.
        label_noise: probability that a training label is replaced by another class.
    """

    train: int
    val: int
    test: int
    label_noise: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Images with their labels, before anything was chosen from them.

    Attributes:
        x_NCHW: pixels, 0 … the brightest.
        y_N: labels, 0 … classes−1.
    """

    x_NCHW: Bytes
    y_N: npt.NDArray[np.unsignedinteger[Any] | np.signedinteger[Any]]

    def take(self, indices: Indices) -> Part:
        return Part(x_NCHW=self.x_NCHW[indices], y_N=self.y_N[indices])


class Pool:
    """Images that splits are drawn from: one array of inputs for all of them.

    Args:
        part: the images.
        scale: how their pixels become inputs.
    """

    def __init__(self, part: Part, scale: Scale) -> None:
        self.part = part
        self.scale = scale

    @cached_property
    def inputs(self) -> npt.NDArray[np.float32]:
        """The inputs of all images."""
        return self.scale.inputs(self.part.x_NCHW)

    def split(self, index: Indices, y_N: npt.NDArray[Any] | None = None) -> Split:
        """Some of the images, with their labels or others."""
        y_N = (self.part.y_N if y_N is None else y_N)[index].astype(np.int64)
        if len(index) < _SHARED_FROM * len(self.part.y_N):
            return Split(x=self.scale.inputs(self.part.x_NCHW[index]), y=y_N)
        if len(index) == len(self.part.y_N) and bool((np.diff(index) == 1).all()):
            return Split(x=self.inputs, y=y_N)
        return Split(x=self.inputs, y=y_N, index=index)


def pools(training: Part, testing: Part, *, brightest: int = 255) -> tuple[Pool, Pool]:
    """What training and validation splits are drawn from, and what test splits are.

    Pixels are scaled to 0 … 1 and then standardised with the mean and the standard deviation of
    each channel over the training part, whatever is drawn from it.
    """
    scale = Scale.of(training.x_NCHW, brightest)
    return Pool(training, scale), Pool(testing, scale)


def image_task(
    name: str,
    training: Pool,
    testing: Pool,
    model: Mlp | Network,
    sizes: Sizes,
    *,
    seed: int,
    classes: int,
    source: Mapping[str, Any],
) -> Task:
    """The task of a data set that has a part to train on and a part to test on.

    Validation and training images are drawn from the training part, in this order, so that
    the validation split is the same for every train_size, and a smaller training split is a
    part of a larger one. All subsets are stratified: each class keeps its share, to within
    one image.

    Args:
        name: the task's; a coordinate of its random streams.
        training: what training and validation split are drawn from.
        testing: what the test split is drawn from.
        model: what is trained.
        sizes: of the splits.
        seed: the replicate's, or the study's; it fixes the splits and the noise.
        classes: number of classes.
        source: where the images came from.

    Raises:
        UsageError: there are fewer images than asked for.
    """
    labels_N, tested_N = training.part.y_N, testing.part.y_N
    available, there = len(labels_N), len(tested_N)
    train_size = sizes.train or available - sizes.val
    if train_size < 1 or train_size + sizes.val > available:
        asked = f"train_size + val_size = {sizes.train:,} + {sizes.val:,}"
        msg = f"task {name}: {asked} images, but there are {available:,} to train on"
        raise UsageError(f"{msg} (a train_size of 0 takes all that val_size leaves, at least 1)")
    if sizes.test > there:
        raise UsageError(f"task {name}: test_size = {sizes.test:,}, but there are {there:,} images")
    order = stratified_order(labels_N, stream(study_seed=seed, task=name, stream="split"))
    val, train = np.sort(order[: sizes.val]), np.sort(order[sizes.val :][:train_size])
    tested = stratified_order(tested_N, stream(study_seed=seed, task=name, stream="test"))
    # Noise is drawn for the whole part, so a label's does not depend on the split's size.
    noise = stream(study_seed=seed, task=name, stream="label_noise")
    noisy = with_label_noise(labels_N, noise, share=sizes.label_noise, classes=classes)
    return Task(
        name=name,
        train=training.split(train, noisy),
        validation=training.split(val) if sizes.val else None,
        test=testing.split(np.sort(tested[: sizes.test or there])),
        model=model,
        source=source,
    )


def stratified_order(y_N: npt.NDArray[Any], random: np.random.Generator) -> Indices:
    """An order of all examples, each beginning of which has every class in its share.

    The i-th example of a class of n, in random order, is put at (i + ½)/n; examples of
    different classes at the same place are in random order.
    """
    shuffled_N = random.permutation(len(y_N))
    labels_N = y_N[shuffled_N]
    place_N = np.empty(len(y_N))
    for label in np.unique(labels_N):
        (members,) = np.nonzero(labels_N == label)
        place_N[members] = (np.arange(len(members)) + 0.5) / len(members)
    order: Indices = shuffled_N[np.argsort(place_N, kind="stable")]
    return order


def with_label_noise(
    y_N: npt.NDArray[Any], random: np.random.Generator, *, share: float, classes: int
) -> npt.NDArray[np.int64]:
    """Labels of which each is replaced, with probability `share`, by another class.

    The other class is uniform among those that it is not (symmetric noise); with two
    classes that flips the label. A label that one share replaces, every larger one
    replaces too, by the same class.
    """
    replaced_N = random.random(len(y_N)) < share
    steps_N = random.integers(1, classes, len(y_N))
    labels_N = y_N.astype(np.int64)
    return np.where(replaced_N, (labels_N + steps_N) % classes, labels_N)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale:
    """How pixels become inputs.

    Attributes:
        table_CP: the input for each value of a pixel, of each channel; P = 256.
    """

    table_CP: npt.NDArray[np.float32]

    @classmethod
    def of(cls, x_NCHW: Bytes, brightest: int) -> Scale:
        """Such that these images' inputs have mean 0 and standard deviation 1 a channel."""
        count = x_NCHW[:, 0].size
        sum_C = np.zeros(x_NCHW.shape[1])
        squares_C = np.zeros(x_NCHW.shape[1])
        for start in range(0, len(x_NCHW), _BLOCK):
            block_NCHW = x_NCHW[start : start + _BLOCK].astype(np.float64)
            # Whole numbers below 2^53: exact, in whatever order they are summed.
            sum_C += block_NCHW.sum(axis=(0, 2, 3))
            squares_C += (block_NCHW**2).sum(axis=(0, 2, 3))
        mean_C = sum_C / count / brightest
        deviation_C = np.sqrt(np.maximum(squares_C / count / brightest**2 - mean_C**2, 0))
        deviation_C[deviation_C == 0] = 1  # images of one colour
        values_P = np.arange(256) / brightest
        table_CP = (values_P - mean_C[:, None]) / deviation_C[:, None]
        return cls(table_CP=table_CP.astype(np.float32))

    def inputs(self, bytes_NCHW: Bytes) -> npt.NDArray[np.float32]:
        """The inputs of images."""
        x_NCHW = np.empty(bytes_NCHW.shape, np.float32)
        for channel, table_P in enumerate(self.table_CP):
            x_NCHW[:, channel] = table_P[bytes_NCHW[:, channel]]
        return x_NCHW


def network(name: str, outputs: int, **arguments: int) -> Network:
    """A model of `agsam_tune.models`, which is not imported before it is built."""
    return Network(build=partial(_build, name, **arguments), outputs=outputs)


def _build(name: str, **arguments: int) -> Any:
    from agsam_tune import models  # imports torch: only where a model is needed

    return getattr(models, name)(**arguments)
