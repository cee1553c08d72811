"""What a worker does with a pack, wherever the worker is.

In: a job, which is the same for all packs of a study, and a pack. Out: an outcome for each
of its trials. Must not import Ray or Optuna.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agsam_tune.failures import Failure, distinct, failure
from agsam_tune.packs import halves
from agsam_tune.study import Study
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Outcome, Pack, State

if TYPE_CHECKING:
    from agsam_tune.optimizers import Rule


@dataclass(frozen=True, slots=True)
class ImportPath:
    """Folders in which a user's modules are looked for, last of all.

    Whoever unpickles it has them on `sys.path`. It is therefore the first field of a `Job`:
    the functions in the fields after it are found when their turn comes.
    """

    folders: tuple[str, ...]

    def __reduce__(self) -> tuple[object, ...]:
        return (_on_path, (self.folders,))


def _on_path(folders: tuple[str, ...]) -> ImportPath:
    sys.path.extend(folder for folder in folders if folder not in sys.path)
    return ImportPath(folders)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What all packs of a study have in common; a worker has one, and it is its own equal.

    It holds the data of all replicates, so that a worker needs no files and no network: Ray keeps
    one copy of the arrays on each machine, and of those that replicates share, one for all.

    Attributes:
        import_path: folders in which a user's module is looked for.
        study: the study.
        tasks: the task of each of its replicates.
        rules: its optimizers.
        device: where to train, as PyTorch names it.
        way: how a pack's models are computed.
        checkpoints: where long packs leave their state, if this machine has the folder; None
            for nowhere.
    """

    import_path: ImportPath
    study: Study
    tasks: Tasks
    rules: tuple[Rule, ...]
    device: str
    way: str
    checkpoints: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A pack after training.

    Attributes:
        outcomes: one a trial, in the pack's order.
        fits: rows of the largest part that found memory enough, where the pack did not; else
            None.
        failures: what trials raised, each kind once.
    """

    outcomes: tuple[Outcome, ...]
    fits: int | None = None
    failures: tuple[Failure, ...] = ()


class Watcher(Protocol):
    """Who is told, in the driver, what the workers do."""

    def places(self, count: int) -> None:
        """So many packs can be trained at once now."""

    def begun(self, pack: Pack) -> None:
        """A worker has begun a pack."""

    def ended(self, pack: Pack, outcomes: Sequence[Outcome]) -> None:
        """A begun pack is back, its outcomes delivered; without any where it was lost."""


def train(job: Job, pack: Pack) -> Trained:
    """Train a pack; trials that raise are FAIL, with the message; the tracebacks come along.

    A pack that raises is halved until the guilty trials are alone, so that the others
    finish. One that does not fit into the memory is halved likewise.
    """
    from agsam_tune.engine import is_out_of_memory  # imports torch: only to train

    _know_rules(job)
    fitting: list[int] = []
    starved: list[int] = []
    failures: list[Failure] = []

    def attempt(part: Pack) -> tuple[Outcome, ...]:
        try:
            outcomes = _train(job, part)
        except Exception as error:  # noqa: BLE001  (whatever a trial raises is its outcome)
            if is_out_of_memory(error):
                starved.append(len(part.trials))
            if len(part.trials) == 1:
                failures.append(failure(part.trials[0], error))
                message = f"{type(error).__name__}: {error}"
                return (Outcome(trial=part.trials[0], state=State.FAIL, error=message),)
        else:
            fitting.append(len(part.trials))
            return outcomes
        # Out of the handler: its traceback holds the memory that the pack took.
        return tuple(outcome for half in halves(part) for outcome in attempt(half))

    outcomes = attempt(pack)
    # Where a trial alone finds no memory, it is not for the size of the pack.
    shrinks = starved and min(starved) > 1
    return Trained(
        outcomes=outcomes,
        fits=max(fitting, default=1) if shrinks else None,
        failures=distinct(failures),
    )


def _train(job: Job, pack: Pack) -> tuple[Outcome, ...]:
    from agsam_tune.engine import Checkpoints, train_pack  # imports torch: only to train

    study, folder = job.study, job.checkpoints
    checkpoints = None
    if folder is not None and folder.is_dir():  # not so on another machine's own disk
        checkpoints = Checkpoints(folder=folder, every=study.packs.checkpoint)
    return train_pack(
        pack,
        job.tasks,
        study.training,
        study_seed=study.seed,
        device=job.device,
        way=job.way,
        sharpness=study.sharpness,
        checkpoints=checkpoints,
    )


@lru_cache(maxsize=1)
def _know_rules(job: Job) -> None:
    """Let `optimizers.rule` find the study's own optimizers in this process."""
    from agsam_tune.optimizers import register  # imports torch

    for rule in job.rules:
        register(rule)
