"""What must hold between the parts of a study: names that exist, points that can be drawn.

In: a `Draft`. Out: problems. Each check leaves alone what was found wrong before it.
Must not import torch, Ray, Optuna or pandas.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from pydantic import ValidationError

from agsam_tune.plugins import TASKS, announced, is_reference
from agsam_tune.study.draft import Draft
from agsam_tune.study.errors import Problems, nearest, show, unknown_name
from agsam_tune.study.explain import add_validation_error
from agsam_tune.study.hyperparameters import limit_problem
from agsam_tune.study.model import FixedPoint, Reference, is_finite
from agsam_tune.study.phase_checks import check_phases
from agsam_tune.study.references import OWN, announced_optimizers
from agsam_tune.tasks.catalog import BUILTIN_TASKS

__all__ = ["ROLES", "check_all", "check_roles", "task_problem"]

ROLES = ("candidate", "baseline", "control")


def check_all(draft: Draft, problems: Problems) -> None:
    """Adds to `problems` everything that does not fit together in `draft`.

    The options of a built-in task are replaced by all of them, defaults included.
    """
    _check_task(draft, problems)
    _check_optimizers(draft, problems)
    check_roles(draft.header, problems)
    _check_nesterov(draft, problems)
    _check_base_optimizer(draft, problems)
    check_phases(draft, problems)
    _check_fixed_points(draft, problems)
    _check_reference(draft, problems)


def _check_task(draft: Draft, problems: Problems) -> None:
    task = draft.header.get("task")
    if task is None:
        return
    if task in BUILTIN_TASKS:
        options = BUILTIN_TASKS[task].options
        try:
            draft.task_options = options.model_validate(draft.task_options).model_dump()
        except ValidationError as error:
            add_validation_error(
                problems, error, options, prefix="task_options", from_keys=["task"]
            )
    elif draft.trained_elsewhere or is_reference(task):
        pass  # a name, or a function that is looked for when it is called
    elif message := task_problem(task):
        problems.add("task", message)
    for name, value in draft.task_options.items():
        if task not in BUILTIN_TASKS and not is_finite(value):
            allowed = "finite numbers, strings, true, false, and lists and tables of these"
            message = f"found {show(value)}, allowed: {allowed}"
            problems.add(f"task_options.{name}", message, related=["task"])


def task_problem(task: str) -> str | None:
    """Why there is no task of this name, neither built in nor announced, or None."""
    plugins, clashes = announced(TASKS, BUILTIN_TASKS)
    names = (*BUILTIN_TASKS, *plugins)
    if task in names:
        return None
    hint = _why_unusable(task, clashes) or nearest(task, names)
    return f"found {show(task)}, allowed: {', '.join(names)}, or {OWN}{hint}"


def _why_unusable(name: str, clashes: Sequence[str]) -> str:
    """What is wrong with a package's announcement of `name`, as the end of a message."""
    return "".join(f"; {clash}" for clash in clashes if repr(name) in clash)


def _check_optimizers(draft: Draft, problems: Problems) -> None:
    for name, count in Counter(draft.optimizers or ()).items():
        if name not in draft.known_optimizers:
            what = f"{OWN}, or a name that there is a search space for"
            message = unknown_name(name, draft.known_optimizers, what=what)
            problems.add("optimizers", message + _why_unusable(name, announced_optimizers()[1]))
        if count > 1:
            problems.add("optimizers", f"found {name!r} {count} times, allowed: once")


def check_roles(header: Mapping[str, Any], problems: Problems) -> None:
    """Adds to `problems` what is wrong with the candidate, the baseline or the control.

    Args:
        header: the three and `optimizers`; without what was found wrong before.
        problems: where to add it.
    """
    given = {role: header[role] for role in ROLES if header.get(role) is not None}
    optimizers = header.get("optimizers")
    for role, name in given.items():
        if optimizers is not None and name not in optimizers:
            what = "one of the study's optimizers"
            problems.add(role, unknown_name(name, optimizers, what=what), related=["optimizers"])
    for role, other in combinations(given, 2):
        if given[role] == given[other]:
            message = f"found {given[other]!r}, which is the {role} too; allowed: another optimizer"
            problems.add(other, message, related=[role])
    # A role that is there but wrong was reported; it is not missing.
    for role in ("candidate", "baseline"):
        if given and role in header and header[role] is None:
            present = " and ".join(given)
            needed = f"one of the study's optimizers, as there is a {present}"
            problems.add(role, f"missing, needed: {needed}", related=list(given))


def _check_nesterov(draft: Draft, problems: Problems) -> None:
    training = draft.training
    searched = any("momentum" in space.ranges for space in draft.spaces.values())
    if training is None or training.base_optimizer != "sgd":
        return
    if training.nesterov and training.momentum == 0 and not searched:
        message = "found true with momentum = 0, allowed: momentum > 0"
        problems.add("training.nesterov", message, related=["training.momentum"])


def _check_base_optimizer(draft: Draft, problems: Problems) -> None:
    """Keys of another base optimizer than the study's would do nothing."""
    training = draft.training
    if training is None:
        return
    base, fields = training.base_optimizer, type(training).model_fields
    is_sgd = base == "sgd"
    allowed = "with 'adam' or 'adamw'" if is_sgd else "with 'sgd'"
    reason = f"with base_optimizer = {base!r}, which does not take it; allowed: {allowed}"
    related = ["training.base_optimizer"]
    for key in ("betas", "eps") if is_sgd else ("momentum", "nesterov"):
        value = getattr(training, key)
        if value != fields[key].default:
            shown = show(list(value) if isinstance(value, tuple) else value)
            problems.add(f"training.{key}", f"found {shown} {reason}", related=related)
    for name, space in draft.spaces.items():
        if not is_sgd and "momentum" in space.ranges:
            key = f"search_spaces.{name}.momentum"
            problems.add(key, f"found a range {reason}", related=related)


def _check_fixed_points(draft: Draft, problems: Problems) -> None:
    phase = draft.phase("fixed")
    for number, point in enumerate(phase.fixed if phase else ()):
        key = f"phases.fixed.points[{number}]"
        if draft.optimizers is not None and point.optimizer not in draft.optimizers:
            what = "one of the study's optimizers"
            message = unknown_name(point.optimizer, draft.optimizers, what=what)
            problems.add(f"{key}.optimizer", message, related=["optimizers"])
        elif point.optimizer in draft.spaces:
            _check_fixed_point(point, draft.spaces[point.optimizer].names, key, problems)


def _check_fixed_point(
    point: FixedPoint, names: tuple[str, ...], key: str, problems: Problems
) -> None:
    has = f"{point.optimizer} has {', '.join(names) or 'no hyperparameters'}"
    for name in names:
        if name not in point.hyperparameters:
            problems.add(f"{key}.{name}", f"missing, needed: a number; {has}")
    for name, value in point.hyperparameters.items():
        allowed = limit_problem(name, value)
        if name not in names:
            problems.add(f"{key}.{name}", f"unknown hyperparameter, {has}{nearest(name, names)}")
        elif allowed:
            problems.add(f"{key}.{name}", f"found {value!r}, allowed: {allowed}")


def _check_reference(draft: Draft, problems: Problems) -> None:
    reference = draft.sections.get("reference")
    if not isinstance(reference, Reference) or draft.optimizers is None:
        return
    for number, result in enumerate(reference.results):
        if result.optimizer not in draft.optimizers:
            what = "one of the study's optimizers"
            message = unknown_name(result.optimizer, draft.optimizers, what=what)
            key = f"reference.results[{number}].optimizer"
            problems.add(key, message, related=["optimizers"])
