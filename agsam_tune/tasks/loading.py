"""Building a task by its name: a built-in one, a package's, or one of the user's own.

In: what the study file says. Out: a `Task`. Must not import torch, Ray or Optuna itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.errors import AgsamTuneError, UsageError
from agsam_tune.plugins import TASKS, announced, find_object, in_one_line, is_reference
from agsam_tune.tasks.catalog import BUILTIN_TASKS
from agsam_tune.tasks.task import Task


def load_task(
    name: str, options: Mapping[str, Any], *, seed: int, import_path: Sequence[str] = ()
) -> Task:
    """The task called `name`.

    Args:
        name: as in the study file: a built-in, a name that an installed package announces, or
            `package.module:function`.
        options: the study file's [task_options], passed on by name.
        seed: the study's, or one that follows from it and a replicate.
        import_path: folders in which a user's module is looked for as well.

    Raises:
        UsageError: it cannot be found, refuses its options, or is no task; in one line.
    """
    entry = BUILTIN_TASKS.get(name)
    try:
        reference = entry.function if entry else _reference(name)
        # What the user's folders hold is imported only where a study says so.
        task = find_object(reference, () if entry else import_path)(seed=seed, **options)
    except AgsamTuneError as error:
        if entry is not None:
            raise
        raise UsageError(f"task {name!r}: {error}") from error
    except (Exception, SystemExit) as error:
        if entry is not None and not isinstance(error, (ValueError, MemoryError)):
            raise
        raise UsageError(f"task {name!r} could not be built: {in_one_line(error)}") from error
    if not isinstance(task, Task):
        msg = (
            f"task {name!r} returned a {type(task).__name__}; "
            "it must return an agsam_tune.tasks.task.Task"
        )
        raise UsageError(msg)
    return task


def _reference(name: str) -> str:
    """Where the function of a task that is not built in lies."""
    if is_reference(name):
        return name
    plugins, problems = announced(TASKS, BUILTIN_TASKS)
    if name in plugins:
        return plugins[name].reference
    why = "; ".join(problem for problem in problems if repr(name) in problem)
    raise UsageError(why or "no installed package announces a task of this name")
