"""The contract of a task: what a study takes for granted of its data and its model.

In: the function that builds a task, a reference or a built-in's name. Out: nothing, or a
`ContractError`. Must not import Ray, Optuna or pytest; torch is imported where the model is
looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from agsam_tune.contract.broken import broken, run_checks
from agsam_tune.errors import AgsamTuneError
from agsam_tune.plugins import in_one_line
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Split, Task

# Examples that the model is looked at with.
_A_FEW = 3
# Twins that chance alone leaves between random halves of data with twins: so many standard
# deviations, and so large a share besides, are not held against a task.
_DEVIATIONS, _SHARE = 5.0, 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUnderTest:
    """A task, built twice, and how it was built.

    Attributes:
        name: what it was called by.
        seed: the study's seed that it was built with.
        build: builds it for a seed.
        task, again: the task, from two calls with the seed.
    """

    name: str
    seed: int
    build: Callable[[int], Task] = field(repr=False)
    task: Task
    again: Task

    def splits(self) -> Iterator[tuple[str, Split]]:
        """The splits there are, by name."""
        yield "train", self.task.train
        if self.task.validation is not None:
            yield "validation", self.task.validation
        yield "test", self.task.test


def task_under_test(
    task: Callable[..., Task] | str, options: Mapping[str, Any] | None = None, *, seed: int = 0
) -> TaskUnderTest:
    """A task as it is checked; the arguments are those of `check_task`."""
    name = task if isinstance(task, str) else getattr(task, "__name__", repr(task))

    def build(a_seed: int) -> Task:
        try:
            if isinstance(task, str):
                return load_task(task, options or {}, seed=a_seed)
            built: object = task(seed=a_seed, **(options or {}))
        except AgsamTuneError as error:
            broken(str(error))
        except Exception as error:  # noqa: BLE001  (whatever the user's code raises)
            broken(f"task {name!r} could not be built: {in_one_line(error)}")
        if not isinstance(built, Task):
            broken(f"task {name!r} returned a {type(built).__name__}, not a Task")
        return built

    return TaskUnderTest(name=name, seed=seed, build=build, task=build(seed), again=build(seed))


def check_task(
    task: Callable[..., Task] | str, options: Mapping[str, Any] | None = None, *, seed: int = 0
) -> None:
    """Check that a task keeps the contract that the built-in tasks keep.

    Args:
        task: the function that builds it, "package.module:function", or a name that a study
            can give.
        options: a study's [task_options].
        seed: the study's seed to build it with.

    Raises:
        ContractError: with every promise that is broken.
    """
    subject = task_under_test(task, options, seed=seed)
    run_checks(f"task {subject.name!r}", subject, TASK_CHECKS)


def _same_seed_same_data(subject: TaskUnderTest) -> None:
    if subject.task.digest() != subject.again.digest():
        broken(
            f"two calls with seed={subject.seed} gave different data; draw from "
            "np.random.default_rng(seed) alone, never from a global generator"
        )


def _every_seed_same_shapes(subject: TaskUnderTest) -> None:
    """Another seed may change the data, but not what they are."""
    other = subject.build(subject.seed + 1)
    for name in ("name", "loss"):
        first, second = getattr(subject.task, name), getattr(other, name)
        if first != second:
            broken(f"its {name} is {first!r}, but {second!r} with another seed")
    if subject.task.sizes != other.sizes:
        broken(
            f"its splits have {subject.task.sizes}, but {other.sizes} with another seed; "
            "replicates, which have seeds of their own, are of one size"
        )
    shapes = [t.train.x.shape[1:] for t in (subject.task, other)]
    if shapes[0] != shapes[1]:
        broken(f"its examples are {shapes[0]}, but {shapes[1]} with another seed")
    numbers = [t.model.parameters for t in (subject.task, other)]
    if numbers[0] != numbers[1]:
        broken(f"its model has {numbers[0]} parameters, but {numbers[1]} with another seed")


def _has_a_name(subject: TaskUnderTest) -> None:
    name = subject.task.name
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        broken(f"Task.name is {name!r}; it must be a printable text, as streams are named by it")


def _labels(subject: TaskUnderTest) -> None:
    known = set(np.unique(subject.task.train.y).tolist())
    for name, split in subject.splits():
        labels = set(np.unique(split.y).tolist())
        if len(labels) < 2:
            broken(f"the {name} split has one class alone, so accuracy says nothing there")
        if not labels <= known:
            unseen = ", ".join(map(str, sorted(labels - known)))
            broken(f"the {name} split has labels that the train split has not: {unseen}")
        largest = max(np.mean(split.y == label) for label in labels)
        if not math.isclose(split.chance, largest):
            broken(f"chance of the {name} split is {split.chance}, not {largest}")


def _splits_share_no_examples(subject: TaskUnderTest) -> None:
    """No more of them lie in two splits than twins among the data explain."""
    splits = list(subject.splits())
    keys = {name: [hash(x.tobytes()) for x in split.inputs()] for name, split in splits}
    for number, (first, _) in enumerate(splits):
        for second, _ in splits[number + 1 :]:
            there, n = set(keys[first]), len(keys[second])
            shared = sum(key in there for key in keys[second])
            twins = 1 - len(there) / len(keys[first])
            # A share of examples with twins is at most twice that of the surplus ones.
            expected = min(1.0, 2 * twins)
            allowed = expected + _SHARE + _DEVIATIONS * math.sqrt(expected * (1 - expected) / n)
            if shared > allowed * n:
                broken(
                    f"{shared} of the {n} examples of the {second} split are in the {first} "
                    "split too; an example belongs to one split"
                )


def _model_fits(subject: TaskUnderTest) -> None:
    import torch

    from agsam_tune.engine.blueprint import ModelError, blueprint

    task = subject.task
    example = torch.from_numpy(task.train.inputs(_A_FEW))
    try:
        plan = blueprint(task.model, example)
    except ModelError as error:
        broken(str(error))
    if len(plan.module.state_dict()) and not all(
        bool(torch.isfinite(weight).all()) for weight in plan.module.state_dict().values()
    ):
        broken("its model starts with weights that are NaN or infinite")
    first, second = (plan.initial(np.random.default_rng(0)) for _ in range(2))
    if not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
        broken(
            "two models of one seed start from different weights; draw them from PyTorch's "
            "generator, which is seeded before Network.build is called"
        )
    inputs = example.flatten(1) if plan.widths is not None else example
    with torch.no_grad():
        finite = bool(torch.isfinite(plan.module.eval()(inputs)).all())
    if not finite:
        broken("its model's logits are NaN or infinite before training")


#: promise → what checks it.
TASK_CHECKS: Mapping[str, Callable[[TaskUnderTest], None]] = MappingProxyType(
    {
        "the same seed gives the same data": _same_seed_same_data,
        "every seed gives the same kind of task": _every_seed_same_shapes,
        "it has a name": _has_a_name,
        "labels are of two classes or more, all of them trained on": _labels,
        "an example belongs to one split": _splits_share_no_examples,
        "the model takes the examples": _model_fits,
    }
)
