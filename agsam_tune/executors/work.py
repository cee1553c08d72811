"""What a worker does with a pack, wherever the worker is.

In: a job, which is the same for all packs of a study, and a pack. Out: an outcome for each
of its trials. Must not import Ray or Optuna.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import lru_cache

from agsam_tune.errors import UsageError
from agsam_tune.study import BASE_HYPERPARAMETERS, Study
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Outcome, Pack, State

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What all packs of a study have in common; a worker has one, and it is its own equal.

    Attributes:
        study: the study.
        device: where to train, as PyTorch names it.
        import_path: folders in which a user's module is looked for.
    """

    study: Study
    device: str
    import_path: tuple[str, ...]


def check_rules(study: Study) -> None:
    """Raise UsageError unless every optimizer's update rule takes its search space.

    A search space may also hold lr, momentum and weight_decay, which the base optimizer takes.
    """
    from agsam_tune.optimizers import RULES  # imports torch: only where training happens

    problems = []
    for name in study.optimizers:
        space = set(study.search_spaces[name].names) - set(BASE_HYPERPARAMETERS)
        if name not in RULES:
            problems.append(f"{name} has a search space, but no update rule of this name")
        elif space != set(RULES[name].hyperparameters):
            wanted = ", ".join(RULES[name].hyperparameters) or "none"
            found = ", ".join(sorted(space)) or "none"
            problems.append(f"{name} takes {wanted}, but its search space has {found}")
    if problems:
        raise UsageError("; ".join(problems))


def device_of(study: Study) -> str:
    """Where the study's trials are trained, as PyTorch names it."""
    return "cuda" if study.resources.gpus else "cpu"


def check_device(study: Study, *, gpus: int | None, address: str | None) -> None:
    """Raise UsageError where packs ask for a GPU that this machine does not have.

    On a cluster the workers' machines decide.
    """
    from agsam_tune.engine import gpu_is_available  # imports torch

    wanted = study.resources.gpus
    if wanted and address is None and (gpus == 0 or not gpu_is_available()):
        msg = (
            f"resources.gpus: a pack takes {wanted:g}, but there is no GPU to use here; "
            "set resources.gpus=0 to train on the CPU"
        )
        raise UsageError(msg)


def train(job: Job, pack: Pack) -> list[Outcome]:
    """Train a pack; trials that raise are FAIL, with the message.

    A pack that raises is halved until the guilty trials are alone, so that the others
    finish.
    """
    from agsam_tune.engine import train_pack  # imports torch: only where training happens

    task = _task(job)
    study = job.study

    def attempt(part: Pack) -> list[Outcome]:
        try:
            return list(
                train_pack(part, task, study.training, study_seed=study.seed, device=job.device)
            )
        except Exception as error:  # noqa: BLE001  (whatever a trial raises is its outcome)
            if len(part.trials) == 1:
                _LOG.debug("trial %s raised", part.name, exc_info=True)
                return [_failed(part, error)]
            middle = len(part.trials) // 2
            halves = (part.trials[:middle], part.trials[middle:])
            return [o for half in halves for o in attempt(Pack(trials=half))]

    return attempt(pack)


@lru_cache(maxsize=1)
def _task(job: Job) -> Task:
    study = job.study
    return load_task(study.task, study.task_options, seed=study.seed, import_path=job.import_path)


def _failed(pack: Pack, error: Exception) -> Outcome:
    message = f"{type(error).__name__}: {error}"
    return Outcome(trial=pack.trials[0], state=State.FAIL, seconds=math.nan, error=message)
