"""What a new study is to be: a name, a task and optimizers, checked before anything is written.

In: words as a user typed them. Out: one record, or everything that is wrong at once. Must not
import torch, Ray, Optuna, NumPy or pandas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agsam_tune.new.task_module import module_problem
from agsam_tune.plugins import is_reference
from agsam_tune.study import Problem, StudyError, announced_optimizers, read_search_space
from agsam_tune.study.checks import task_problem
from agsam_tune.study.errors import unknown_name
from agsam_tune.study.files import STUDY_NAME_RULE, find_search_spaces, is_study_name

DEFAULT_OPTIMIZERS = ("sgd", "gsam", "adaptive_gsam", "gsam_matched")

_CANDIDATE, _BASELINE, _CONTROL = "adaptive_gsam", "gsam", "gsam_matched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a new study is to be.

    Attributes:
        name: of the study.
        task: a built-in's name, one that a package announces, or `package.module:function`.
        optimizers: names of optimizers that have search spaces, each once.
        folder: where its files go.
    """

    name: str
    task: str
    optimizers: tuple[str, ...]
    folder: Path

    @property
    def roles(self) -> dict[str, str]:
        """Who is the candidate, the baseline and the control: the paper's own where they are
        there, else the last one that has hyperparameters and the one before it."""
        if {_CANDIDATE, _BASELINE} <= set(self.optimizers):
            control = {"control": _CONTROL} if _CONTROL in self.optimizers else {}
            return {"candidate": _CANDIDATE, "baseline": _BASELINE, **control}
        tuned = [name for name in self.optimizers if _has_hyperparameters(name, self.folder)]
        if len(tuned) < 2:
            return {}
        return {"candidate": tuned[-1], "baseline": tuned[-2]}


def _has_hyperparameters(optimizer: str, folder: Path) -> bool:
    """Whether there is something to mis-set; an optimizer that a package announces has it."""
    path = find_search_spaces(folder).get(optimizer)
    return path is None or bool(read_search_space(path).ranges)


def checked(name: str, task: str, optimizers: Sequence[str], folder: Path) -> Choices:
    """The choices as a record.

    Raises:
        StudyError: with everything that is wrong, one line a problem.
    """
    found = [*_name_problems(name), *_task_problems(task, folder)]
    found += _optimizer_problems(optimizers, folder)
    if found:
        raise StudyError(found)
    return Choices(name=name, task=task, optimizers=tuple(optimizers), folder=folder)


def _name_problems(name: str) -> Iterator[Problem]:
    if "/" in name or "\\" in name:
        message = f"found {name!r}, allowed: {STUDY_NAME_RULE}; --dir names the folder"
    elif name.endswith(".toml"):
        message = f"found {name!r}, allowed: a name without an ending"
    elif not is_study_name(name):
        message = f"found {name!r}, allowed: {STUDY_NAME_RULE}"
    else:
        return
    yield Problem(file="the study's name", key="", message=message)


def _task_problems(task: str, folder: Path) -> Iterator[Problem]:
    message = module_problem(task, folder) if is_reference(task) else task_problem(task)
    if message:
        yield Problem(file="--task", key="", message=message)


def _optimizer_problems(optimizers: Sequence[str], folder: Path) -> Iterator[Problem]:
    known = tuple(dict.fromkeys([*find_search_spaces(folder), *announced_optimizers()[0]]))
    messages = [] if optimizers else [unknown_name("", known)]
    for name, count in Counter(optimizers).items():
        if name not in known:
            messages.append(unknown_name(name, known, what="one that there is a search space for"))
        if count > 1:
            messages.append(f"found {name!r} {count} times, allowed: once")
    for message in messages:
        yield Problem(file="--optimizers", key="", message=message)
