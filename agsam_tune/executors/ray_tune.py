"""Ray Tune places packs on cores and GPUs: one Tune trial a pack.

In: an agenda. Out: outcomes, handed to `deliver` in the driver. Ray listens on 127.0.0.1
only, keeps its session in a private folder, and prints nothing. Must not import Optuna or
torch.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

# Before Ray is imported: it reads them then. The first keeps its listeners on 127.0.0.1.
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "1e9",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
}
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import filelock  # noqa: E402
import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from agsam_tune.agenda import Agenda  # noqa: E402
from agsam_tune.errors import UsageError  # noqa: E402
from agsam_tune.executors.work import Job, train  # noqa: E402
from agsam_tune.signals import interrupt_on_sigterm  # noqa: E402
from agsam_tune.study import Resources  # noqa: E402
from agsam_tune.trials import Outcome, Pack  # noqa: E402

Deliver = Callable[[list[Outcome]], None]
_SCRATCH, _OWNER = "agsam-", "owner.lock"


def run_ray(
    agenda: Agenda,
    job: Job,
    deliver: Deliver,
    *,
    cpus: int | None,
    gpus: int | None,
    address: str | None,
) -> None:
    """Train every pack of the agenda on Ray; returns early when interrupted.

    Args:
        agenda: what to run.
        job: what all packs have in common.
        deliver: is called in this process with a pack's outcomes; it records them in the
            agenda.
        cpus: cores to use of this machine; None for all.
        gpus: GPUs to use of this machine; None for all.
        address: of a Ray cluster that exists; None starts one for this run.
    """
    resources = job.study.resources
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # what matters, the agenda says
    with _ray_session(cpus, gpus, address) as scratch:
        if address is None:
            _check_resources(resources)
        trainable = tune.with_resources(
            tune.with_parameters(_PackTrainable, job=job),
            {"cpu": resources.cpus, "gpu": resources.gpus},
        )
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=_PackSearcher(agenda, deliver),
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                storage_path=str(scratch / "tune"),
                verbose=0,
                # The agenda hands a pack out again: Tune counts one death of a worker twice.
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        tuner.fit()


def _check_resources(resources: Resources) -> None:
    """Raise UsageError where a pack needs more than there is: Ray would wait for ever."""
    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    for kind, wanted in (("cpu", resources.cpus), ("gpu", resources.gpus)):
        have = there.get(kind.upper(), 0.0)
        if wanted > have:
            msg = f"resources.{kind}s: a pack takes {wanted:g}, but {have:g} may be used here"
            raise UsageError(msg)


class _PackTrainable(tune.Trainable):
    """Trains one pack in one step."""

    def setup(self, config: dict[str, Any], **common: Job) -> None:  # noqa: ARG002
        self._job = common["job"]

    def step(self) -> dict[str, Any]:
        try:
            outcomes = train(self._job, Pack.from_list(self.config["pack"]))
        except Exception as error:  # noqa: BLE001  (the driver says why; Tune would not)
            return {"failure": f"{type(error).__name__}: {error}", "done": True}
        return {"outcomes": [outcome.to_dict() for outcome in outcomes], "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.config = new_config
        return True


class _PackSearcher(Searcher):
    """Hands Tune the agenda's packs and the agenda their outcomes."""

    def __init__(self, agenda: Agenda | None = None, deliver: Deliver | None = None) -> None:
        super().__init__(metric=None, mode=None)
        self._agenda = agenda
        self._deliver = deliver
        self._packs: dict[str, Pack] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if self._agenda is None or self._agenda.finished:
            finished: Any = Searcher.FINISHED  # a text, whatever the signature says
            return cast("dict[str, Any]", finished)
        pack = self._agenda.next_pack()
        if pack is None:
            return None
        self._packs[trial_id] = pack
        return {"pack": pack.to_list()}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        pack = self._packs.pop(trial_id, None)
        if pack is None or self._agenda is None or self._deliver is None:
            return
        if not error and result and "outcomes" in result:
            self._deliver([Outcome.from_dict(values) for values in result["outcomes"]])
        else:
            self._agenda.retry(pack, (result or {}).get("failure", "its worker died"))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what is left to run follows from the store, never from Tune's state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""

    def __reduce__(self) -> tuple[type[_PackSearcher], tuple[()]]:
        # Tune pickles its searcher; the agenda and the store stay in the driver.
        return (_PackSearcher, ())


@contextmanager
def _ray_session(cpus: int | None, gpus: int | None, address: str | None) -> Iterator[Path]:
    """Ray started or attached to; yields a private scratch folder that is removed after."""
    with _scratch_folder() as scratch:
        try:
            # Workers put the folder that Ray is started in first on their path, and would
            # import a user's files in place of packages of the same name.
            with chdir(scratch):
                _start_ray(cpus, gpus, address, scratch)
            interrupt_on_sigterm()  # Ray has put a handler of its own in place
            yield scratch
        finally:
            ray.shutdown()


def _start_ray(cpus: int | None, gpus: int | None, address: str | None, scratch: Path) -> None:
    if address:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
        return
    ray.init(
        num_cpus=cpus,
        num_gpus=gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        _temp_dir=str(scratch / "ray"),
    )


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """A folder for Ray's session, removed after, or by the next run if this one is killed.

    Ray opens its session folder to everybody, so it lies in one that only we can enter;
    short, since the paths of sockets are limited to about 100 characters.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*/{_OWNER}"):
        with suppress(filelock.Timeout, OSError), filelock.FileLock(left, timeout=0):
            _remove(left.parent)
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH))
    with filelock.FileLock(scratch / _OWNER):
        try:
            yield scratch
        finally:
            _remove(scratch)


def _remove(scratch: Path) -> None:
    """Remove the folder, its lock last: what a dying process still writes, the next run finds."""
    for path in scratch.iterdir():
        if path.name != _OWNER:
            shutil.rmtree(path, ignore_errors=True)
    if {path.name for path in scratch.iterdir()} <= {_OWNER}:
        shutil.rmtree(scratch, ignore_errors=True)
