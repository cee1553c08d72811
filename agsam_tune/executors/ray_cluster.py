"""A study on a Ray cluster that exists: what of the user's goes there, and what is measured there.

In: a job and an address. Out: the plan of a worker's machine. Must not import Optuna or torch.
Import it after `ray_environment.before_ray`.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray import cloudpickle

import agsam_tune
from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import plan
from agsam_tune.executors.ray_session import ray_session
from agsam_tune.executors.work import Job

# Soon enough to be told why nothing happens; a cluster that grows on demand takes minutes.
_PATIENCE = 60.0


def plan_on_cluster(job: Job, address: str, say: Callable[[str], None]) -> dict[str, Any]:
    """How the study's packs are computed on a machine of the cluster, measured there.

    Args:
        job: the study and its tasks.
        address: of the cluster.
        say: is told when there is no room for a pack yet.

    Raises:
        UsageError: there is no such cluster, or the task's model cannot be trained.
    """
    wanted = job.study.resources
    with ray_session(address=address), carried_along(job.import_path.folders):
        remote: Any = ray.remote(num_cpus=wanted.cpus, num_gpus=wanted.gpus)(_plan)
        waiting = [remote.remote(ray.put(job))]
        if not ray.wait(waiting, timeout=_PATIENCE)[0]:
            gpus = f" and {wanted.gpus:g} GPUs" if wanted.gpus else ""
            say(f"Waiting for the cluster to have {wanted.cpus:g} CPUs{gpus} free for a pack")
        try:
            found: dict[str, Any] = ray.get(waiting[0])
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UsageError):
                raise UsageError(str(error.cause)) from error
            raise
    return found


def _plan(job: Job) -> dict[str, Any]:
    return plan(job.study, job.tasks)


@contextmanager
def carried_along(folders: Sequence[str]) -> Iterator[None]:
    """Let functions of the user's own modules travel whole, since other machines lack the files.

    Args:
        folders: where those modules lie; what is installed there is on every machine.
    """
    own = [module for module in list(sys.modules.values()) if _is_own(module, folders)]
    for module in own:
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _is_own(module: ModuleType, folders: Sequence[str]) -> bool:
    file = getattr(module, "__file__", None)
    if file is None or module.__name__ == "__main__":
        return False
    paths = sysconfig.get_paths()
    installed = (Path(agsam_tune.__file__).parent, *(Path(paths[k]) for k in _INSTALLED))
    place = Path(file)
    return any(place.is_relative_to(folder) for folder in folders) and not any(
        place.is_relative_to(folder) for folder in installed
    )


_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
