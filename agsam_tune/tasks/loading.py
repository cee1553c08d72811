"""Building a task by its name: a built-in one, or one of the user's own.

In: what the study file says. Out: a `Task`. Must not import torch, Ray or Optuna itself.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.tasks.catalog import BUILTIN_TASKS
from agsam_tune.tasks.task import Task


def load_task(
    name: str, options: Mapping[str, Any], *, seed: int, import_path: Sequence[str] = ()
) -> Task:
    """The task called `name`: a built-in, or `package.module:function`.

    Args:
        name: as in the study file.
        options: the study file's [task_options], passed on by name.
        seed: the study's seed.
        import_path: folders in which a user's module is looked for as well.

    Raises:
        UsageError: it cannot be found, refuses its options, or is no task.
    """
    entry = BUILTIN_TASKS.get(name)
    module_name, _, function_name = (entry.function if entry else name).partition(":")
    sys.path.extend(folder for folder in import_path if folder not in sys.path)
    try:
        function = getattr(importlib.import_module(module_name), function_name)
        task = function(seed=seed, **options)
    except Exception as error:
        if entry is not None and not isinstance(error, ValueError):
            raise
        msg = f"task {name!r} could not be built: {type(error).__name__}: {error}"
        raise UsageError(msg) from error
    if not isinstance(task, Task):
        msg = (
            f"task {name!r} returned a {type(task).__name__}; "
            "it must return an agsam_tune.tasks.task.Task"
        )
        raise UsageError(msg)
    return task
