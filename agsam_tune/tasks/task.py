"""What a task is: three splits of data and a model.

In: arrays. Out: a `Task`, which the engine trains on. Must not import torch, Ray, Optuna.

A task of one's own is a function `def blobs(*, seed: int, **task_options) -> Task`, named
in the study file as `task = "package.module:blobs"`. It is called for each replicate with a
seed of its own, so that replicates have data of their own, of the same sizes.

Shapes: N examples; an example is a vector (D,), an image (channels, height, width), or
whatever else the model takes.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Examples with their labels.

    Attributes:
        x: float32 inputs, (N, D), (N, channels, height, width), …; or, with `index`, what they
            are taken from, so that several splits share one array.
        y: (N,) int64 labels, 0 … classes−1.
        index: (N,) int64, which of `x` the split has; None for all of them, in order.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64] | None = None

    @property
    def chance(self) -> float:
        """The largest class's share of the split, a fraction."""
        return float(np.bincount(self.y).max() / len(self.y))

    def inputs(self, count: int | None = None) -> npt.NDArray[np.float32]:
        """The inputs of its first `count` examples, or of all, in the order of the labels."""
        return self.x[:count] if self.index is None else self.x[self.index[:count]]

    def part(self, count: int) -> Split:
        """The first `count` examples alone."""
        return Split(x=self.inputs(count), y=self.y[:count])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlp:
    """A multilayer perceptron with ReLU between its dense layers.

    Weights are Glorot-uniform (Glorot & Bengio 2010) and biases zero, as Keras does it.

    Attributes:
        widths: inputs, hidden widths, outputs. One output is a logit for binary
            cross-entropy; more are logits for softmax cross-entropy.
    """

    widths: tuple[int, ...]

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each dense layer."""
        return tuple(itertools.pairwise(self.widths))

    @property
    def parameters(self) -> int:
        return sum((inputs + 1) * outputs for inputs, outputs in self.layers)

    @property
    def outputs(self) -> int:
        return self.widths[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Any PyTorch module whose forward changes nothing in it.

    Attributes:
        build: returns the module, newly initialised: a `torch.nn.Module` that maps a batch
            of examples to (batch, outputs) logits. It is called once a seed, with PyTorch's
            generator seeded from that seed, and more often to look at the module.
        outputs: one is a logit for binary cross-entropy; more are logits for softmax
            cross-entropy.
    """

    build: Callable[[], Any]
    outputs: int

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.build().parameters())


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Data to train on, to choose on and to report on, and the model to train.

    Attributes:
        name: the task's name.
        train: what is trained on.
        validation: what settings are chosen on; None where the protocol has none, and
            then the test split is used, as the protocol does.
        test: what is reported on.
        model: the model.
        loss: what is trained on and reported: cross-entropy on the logits, or, as the
            paper's MNIST program has it, the binary cross-entropy of each logit with the
            one-hot label, averaged over the outputs.
        source: where the data came from, for the manifest; it can be written as JSON.
    """

    name: str
    train: Split
    validation: Split | None
    test: Split
    model: Mlp | Network
    loss: Literal["cross_entropy", "one_hot_binary"] = "cross_entropy"
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def choosing(self) -> Split:
        """The split that settings are chosen on."""
        return self.validation or self.test

    @property
    def sizes(self) -> dict[str, int]:
        """Examples of each split; 0 for validation where there is none."""
        return {
            "train": len(self.train.y),
            "validation": len(self.validation.y) if self.validation else 0,
            "test": len(self.test.y),
        }

    def facts(self) -> dict[str, Any]:
        """Sizes, chance levels, the number of parameters, a digest and where the data came
        from."""
        return {
            **self.sizes,
            "chance": self.test.chance,
            "validation_chance": self.choosing.chance,
            "parameters": self.model.parameters,
            "digest": self.digest(),
            "source": dict(self.source),
        }

    def digest(self, known: dict[int, bytes] | None = None) -> str:
        """SHA-256 of the arrays of all splits.

        Args:
            known: digests of arrays that splits share, by the array's id; it is added to.
        """
        known = {} if known is None else known
        digest = hashlib.sha256()
        for split in (self.train, self.choosing, self.test):
            if split.index is None:
                digest.update(np.ascontiguousarray(split.x).data)
            else:
                shared = known.get(id(split.x))
                if shared is None:
                    shared = hashlib.sha256(np.ascontiguousarray(split.x).data).digest()
                    known[id(split.x)] = shared
                digest.update(shared)
                digest.update(np.ascontiguousarray(split.index).data)
            digest.update(np.ascontiguousarray(split.y).data)
        return digest.hexdigest()


def _check(task: Task) -> None:
    """Raise ValueError, with every problem, unless the arrays fit each other and the model."""
    problems = [*_model_problems(task)]
    classes = max(task.model.outputs, 2) if not problems else 2
    shape, checked = task.train.x.shape[1:], set[int]()
    for name, split in (("train", task.train), ("validation", task.choosing), ("test", task.test)):
        if split.x.dtype != np.float32 or split.x.ndim < 2 or not len(split.x):
            problems.append(f"{name}.x is {split.x.dtype} {split.x.shape}, not float32 (N, …)")
        elif split.x.shape[1:] != shape:
            problems.append(f"{name}.x has examples {split.x.shape[1:]}, train.x {shape}")
        elif isinstance(task.model, Mlp) and math.prod(shape) != task.model.widths[0]:
            problems.append(
                f"{name}.x has {math.prod(shape)} inputs, the model takes {task.model.widths[:1]}"
            )
        elif id(split.x) not in checked and not _is_finite(split.x):
            problems.append(f"{name}.x holds NaN or infinity")
        checked.add(id(split.x))
        index = split.index
        if index is not None and (
            index.dtype != np.int64
            or index.ndim != 1
            or not len(index)
            or not 0 <= index.min() <= index.max() < len(split.x)
        ):
            problems.append(f"{name}.index is not int64 (N,) within 0 … {len(split.x) - 1}")
            continue
        if (
            split.y.dtype != np.int64
            or split.y.shape != (split.x if index is None else index).shape[:1]
        ):
            problems.append(f"{name}.y is {split.y.dtype} {split.y.shape}, not int64 (N,)")
        elif len(split.y) and not 0 <= split.y.min() <= split.y.max() < classes:
            problems.append(f"{name}.y holds labels outside 0 … {classes - 1}")
    if problems:
        msg = f"task {task.name}: " + "; ".join(problems)
        raise ValueError(msg)


def _is_finite(x: npt.NDArray[np.float32]) -> bool:
    """Whether all numbers are; a sum tells it several times faster, but for one that overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(x.sum()) or np.isfinite(x).all())


def _model_problems(task: Task) -> Iterator[str]:
    model = task.model
    if isinstance(model, Mlp) and (len(model.widths) < 2 or min(model.widths) < 1):
        yield (
            f"the model's widths are {model.widths}; allowed: inputs, hidden widths and "
            "outputs, each > 0"
        )
    elif model.outputs < 1:
        yield f"the model has {model.outputs} outputs; allowed: 1 or more"
    elif task.loss == "one_hot_binary" and model.outputs < 2:
        yield "the loss one_hot_binary needs an output a class; the model has one output"
