"""What a worker does with a pack, wherever the worker is.

In: a job, which is the same for all packs of a study, and a pack. Out: an outcome for each
of its trials. Must not import Ray or Optuna.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agsam_tune.data.finding import VARIABLE
from agsam_tune.errors import UsageError
from agsam_tune.study import BASE_HYPERPARAMETERS, SearchSpace, Study
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Outcome, Pack, State

if TYPE_CHECKING:
    from agsam_tune.optimizers import Rule

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What all packs of a study have in common; a worker has one, and it is its own equal.

    Attributes:
        study: the study.
        device: where to train, as PyTorch names it.
        way: how a pack's models are computed.
        import_path: folders in which a user's module is looked for.
        data: the data folder that the driver was given; nothing else tells a cluster's workers
            of it.
    """

    study: Study
    device: str
    way: str
    import_path: tuple[str, ...]
    data: str | None = field(default_factory=lambda: os.environ.get(VARIABLE))


def check_rules(study: Study, import_path: Sequence[str] = ()) -> None:
    """Load the study's update rules; `optimizers.rule(name)` finds each of them from then on.

    A search space may also hold lr, momentum and weight_decay, which the base optimizer takes.

    Args:
        study: the study.
        import_path: folders in which a user's module is looked for as well.

    Raises:
        UsageError: an optimizer has no update rule, or one that does not take its search space.
    """
    problems = []
    for name in study.optimizers:
        try:
            _check_rule(study.search_spaces[name], import_path)
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError("; ".join(problems))


def _check_rule(space: SearchSpace, import_path: Sequence[str]) -> None:
    from agsam_tune.optimizers import RULES, load_rule  # imports torch: only to train

    name = space.optimizer
    if space.rule is None and name not in RULES:
        how = "for one of your own write optimizer = 'package.module:function' in it"
        raise UsageError(f"{name} has a search space, but no update rule of this name; {how}")
    chosen = load_rule(name, space.rule, import_path) if space.rule else RULES[name]
    given = set(space.names) - set(BASE_HYPERPARAMETERS)
    if given == set(chosen.hyperparameters):
        if space.rule:
            _try_rule(chosen, space)
        return
    wanted = ", ".join(chosen.hyperparameters) or "no hyperparameters"
    found = ", ".join(sorted(given)) or "none"
    where = (
        f"; its ranges go into [search_spaces.{name}.NAME] of the study or {name}.toml beside it"
    )
    raise UsageError(f"{name} takes {wanted}, but its search space has {found}{where}")


def _try_rule(own: Rule, space: SearchSpace) -> None:
    """Raise UsageError where a rule of the user's own would spoil a study's numbers."""
    from agsam_tune.contract import ContractError, check_before_a_run  # imports torch

    try:
        check_before_a_run(own, space)
    except ContractError as error:
        raise UsageError(f"optimizer {space.optimizer} ({space.rule}): {error}") from error


def device_of(study: Study) -> str:
    """Where the study's trials are trained, as PyTorch names it."""
    return "cuda" if study.resources.gpus else "cpu"


def check_device(study: Study, *, gpus: int | None, address: str | None) -> None:
    """Raise UsageError where packs ask for a GPU that this machine does not have, or should.

    On a cluster the workers' machines decide.
    """
    from agsam_tune.engine import gpu_is_available  # imports torch

    wanted = study.resources.gpus
    if not wanted and study.training.precision == "tf32":
        msg = (
            "training.precision: tf32 is for GPUs, and a pack takes none (resources.gpus = 0); "
            "allowed here: float32, bfloat16"
        )
        raise UsageError(msg)
    if gpus and not gpu_is_available():
        raise UsageError(f"--gpus {gpus}: there is no GPU to use here")
    if wanted and address is None and (gpus == 0 or not gpu_is_available()):
        msg = (
            f"resources.gpus: a pack takes {wanted:g}, but there is no GPU to use here; "
            "set resources.gpus=0 to train on the CPU"
        )
        raise UsageError(msg)


def plan(study: Study, task: Task) -> dict[str, Any]:
    """How the study's packs are computed on this machine's device, found by measuring.

    Raises:
        UsageError: the task's model cannot be trained, or not as the study says.
    """
    from agsam_tune.engine import ModelError, make_plan  # imports torch

    try:
        return make_plan(
            task,
            study.training,
            device=device_of(study),
            way=study.packs.way,
            rows=study.packs.rows,
            share=study.resources.gpus,
            sharpness=study.sharpness,
        ).to_dict()
    except ModelError as error:
        raise UsageError(f"task {task.name}: {error}") from error


def train(job: Job, pack: Pack) -> list[Outcome]:
    """Train a pack; trials that raise are FAIL, with the message.

    A pack that raises is halved until the guilty trials are alone, so that the others
    finish.
    """
    from agsam_tune.engine import train_pack  # imports torch: only where training happens

    task = _prepared(job)
    study = job.study

    def attempt(part: Pack) -> list[Outcome]:
        try:
            return list(
                train_pack(
                    part,
                    task,
                    study.training,
                    study_seed=study.seed,
                    device=job.device,
                    way=job.way,
                    sharpness=study.sharpness,
                )
            )
        except Exception as error:  # noqa: BLE001  (whatever a trial raises is its outcome)
            if len(part.trials) == 1:
                _LOG.debug("trial %s raised", part.name, exc_info=True)
                return [_failed(part, error)]
        # Out of the handler: its traceback holds the memory that the pack took.
        middle = len(part.trials) // 2
        halves = (part.trials[:middle], part.trials[middle:])
        return [o for half in halves for o in attempt(Pack(trials=half))]

    return attempt(pack)


@lru_cache(maxsize=1)
def _prepared(job: Job) -> Task:
    """The study's task, its update rules loaded."""
    study = job.study
    if job.data and Path(job.data).is_dir():  # a cluster's machine may have a cache instead
        os.environ.setdefault(VARIABLE, job.data)
    check_rules(study, job.import_path)
    return load_task(study.task, study.task_options, seed=study.seed, import_path=job.import_path)


def _failed(pack: Pack, error: Exception) -> Outcome:
    message = f"{type(error).__name__}: {error}"
    return Outcome(trial=pack.trials[0], state=State.FAIL, seconds=math.nan, error=message)
