"""The tasks of a study: one for each replicate, or the same for all of them.

In: tasks, loaded with seeds of their own. Out: `Tasks`, which the engine trains on, and what
the manifest says of the data. Must not import torch, Ray, Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.streams import stream_seed
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.published import read_once
from agsam_tune.tasks.task import Mlp, Task

# What every generator takes as a seed, sklearn's and PyTorch's among them.
_SEEDS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tasks:
    """The task of each replicate. They differ in their data alone, not in sizes or model.

    Attributes:
        found: the task of each replicate from 0 on; one where all have the same.
        digests: of each one's data.
        fixed: whether all replicates have the first one's.
    """

    found: tuple[Task, ...]
    digests: tuple[str, ...]
    fixed: bool

    @classmethod
    def alike(cls, task: Task) -> Tasks:
        """The same task for all replicates."""
        return cls(found=(task,), digests=(task.digest(),), fixed=True)

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Tasks:
        """Tasks of replicates 0, 1, …, with all that is equal in memory once.

        Raises:
            UsageError: they differ in more than their data.
        """
        first, known = tasks[0], dict[int, bytes]()
        kept: dict[str, Task] = {}
        digests = []
        for number, task in enumerate(tasks):
            _check_alike(first, task, number)
            digests.append(task.digest(known))
            kept.setdefault(digests[-1], task)
        return cls(
            found=tuple(kept[digest] for digest in digests), digests=tuple(digests), fixed=False
        )

    @property
    def first(self) -> Task:
        """The first replicate's: for sizes and the model, which all have."""
        return self.found[0]

    def __getitem__(self, replicate: int) -> Task:
        """A replicate's task.

        Raises:
            IndexError: it was not loaded.
        """
        if self.fixed:
            return self.first
        if not 0 <= replicate < len(self.found):
            msg = f"replicate {replicate} has no task here; there are {len(self.found)}"
            raise IndexError(msg)
        return self.found[replicate]

    def digest(self, replicate: int) -> str:
        """Of a replicate's data."""
        return self.digests[0 if self.fixed else replicate]

    def data_set(self, replicate: int) -> int:
        """A number that replicates with the same data share."""
        return self.digests.index(self.digest(replicate))

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the data.

        Sizes, the number of parameters and where the data came from; `digest`, the first
        replicate's; `chance` and `validation_chance`, means over the replicates; `replicates`,
        the digest and the chance levels of each, one where data are fixed; `same_data`, true
        where replicates were to have data of their own and have the same.
        """
        each = [
            {
                "digest": digest,
                "chance": task.test.chance,
                "validation_chance": task.choosing.chance,
            }
            for digest, task in zip(self.digests, self.found, strict=True)
        ]
        first = self.first
        facts: dict[str, Any] = {
            **first.sizes,
            "chance": sum(task.test.chance for task in self.found) / len(each),
            "validation_chance": sum(task.choosing.chance for task in self.found) / len(each),
            "parameters": first.model.parameters,
            "digest": self.digests[0],
            "source": dict(first.source),
            "replicates": each,
        }
        if len(set(self.digests)) < len(self.digests):
            facts["same_data"] = True
        return facts


def load_replicates(
    name: str,
    options: Mapping[str, Any],
    *,
    study_seed: int,
    replicates: int | None,
    import_path: Sequence[str] = (),
) -> Tasks:
    """The tasks of a study's replicates.

    Args:
        name: as in the study file; see `load_task`.
        options: the study file's [task_options].
        study_seed: the study's seed.
        replicates: how many have data of their own, from seeds that follow from the study's
            seed, the task's name and the replicate; None for one data set, from the study's seed.
        import_path: folders in which a user's module is looked for as well.

    Raises:
        UsageError: see `load_task`; or replicates differ in more than their data.
    """

    def load(seed: int) -> Task:
        return load_task(name, options, seed=seed, import_path=import_path)

    if replicates is None:
        return Tasks.alike(load(study_seed))
    seeds = [data_seed(study_seed, name, replicate) for replicate in range(replicates)]
    with read_once():
        return Tasks.of([load(seed) for seed in seeds])


def data_seed(study_seed: int, task: str, replicate: int) -> int:
    """The seed that a replicate's task is built with, 0 … 2³² − 1."""
    return (
        stream_seed(study_seed=study_seed, task=task, replicate=replicate, stream="data") % _SEEDS
    )


def same_data(facts: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether two `Tasks.facts()` are of the same data, as far as both have replicates."""

    def digests(data: Mapping[str, Any]) -> list[str]:
        return [each["digest"] for each in data.get("replicates", [data])]

    return all(a == b for a, b in zip(digests(facts), digests(others), strict=False))


#: What all replicates have in common, in words.
_COMMON: Mapping[str, Callable[[Task], object]] = {
    "name": lambda task: task.name,
    "loss": lambda task: task.loss,
    "train examples": lambda task: task.sizes["train"],
    "validation examples": lambda task: task.sizes["validation"],
    "test examples": lambda task: task.sizes["test"],
    "shape of an example": lambda task: task.train.x.shape[1:],
    "model": lambda task: task.model if isinstance(task.model, Mlp) else task.model.outputs,
}


def _check_alike(first: Task, task: Task, replicate: int) -> None:
    for what, of in _COMMON.items():
        if of(first) != of(task):
            msg = (
                f"task {first.name!r}: its {what} is {of(first)!r} in replicate 0, but "
                f"{of(task)!r} in replicate {replicate}; a task's seed may change its data, not "
                'their sizes or the model (data = "fixed" gives all replicates the same data)'
            )
            raise UsageError(msg)
