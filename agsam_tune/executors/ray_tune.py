"""Ray Tune places packs on cores and GPUs: one Tune trial a pack.

In: an agenda. Out: outcomes, handed to `deliver` in the driver. Must not import Optuna or
torch. Import it after `ray_environment.before_ray`.
"""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import ray
from ray import tune
from ray.exceptions import RayError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from agsam_tune.agenda import Agenda, Fault
from agsam_tune.executors.checks import check_fits, packs_at_once
from agsam_tune.executors.ray_cluster import carried_along
from agsam_tune.executors.ray_faults import REASONS, fault_of, greediest
from agsam_tune.executors.ray_session import ray_session
from agsam_tune.executors.work import Job, Trained, Watcher, train
from agsam_tune.failures import Failure
from agsam_tune.study import Study
from agsam_tune.trials import Outcome, Pack

Deliver = Callable[[Trained], None]


def run_ray(
    agenda: Agenda,
    job: Job,
    deliver: Deliver,
    watcher: Watcher,
    *,
    cpus: int | None,
    gpus: int | None,
    address: str | None,
) -> None:
    """Train every pack of the agenda on Ray.

    Args:
        agenda: what to run.
        job: what all packs have in common.
        deliver: is called in this process with a trained pack; it records it in the agenda.
        watcher: is told of each pack that a worker begins, and of its end.
        cpus: cores to use of this machine; None for all.
        gpus: GPUs to use of this machine; None for all.
        address: of a Ray cluster that exists; None starts one for this run.
    """
    with ray_session(cpus=cpus, gpus=gpus, address=address) as scratch:
        if address is None:
            check_fits(job.study.resources, _there())
            _tune_packs(_Packs(agenda, deliver, watcher, job.study), job, scratch)
        else:
            with carried_along(job.import_path.folders):
                _tune_packs(_Packs(agenda, deliver, watcher, job.study), job, scratch)


def _tune_packs(packs: _Packs, job: Job, scratch: Path) -> None:
    while not _tuned(packs, job, scratch):  # Tune does not outlive every loss of a worker
        pass
    if packs.fault is not None:
        raise packs.fault


def _tuned(packs: _Packs, job: Job, scratch: Path) -> bool:
    """Let Tune train packs; returns whether it came to the end, not to a loss it does not know."""
    resources = job.study.resources
    trainable = tune.with_resources(
        tune.with_parameters(_PackTrainable, job=job),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=_PackSearcher(packs),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            storage_path=str(scratch / "tune"),
            verbose=0,
            stop=_StopAtFault(packs),
            callbacks=[_PackCallback(packs)],
            # The agenda hands a pack out again: Tune counts one death of a worker twice.
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    except RuntimeError as error:
        if not isinstance(error.__cause__, RayError):
            raise
        packs.all_died(str(error.__cause__))
        return False
    return True


def _there() -> dict[str, float]:
    """The cores and GPUs that Ray knows of now; a cluster may grow and shrink."""
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return {kind: found.get(kind.upper(), 0.0) for kind in ("cpu", "gpu")}


class _Handed:
    """A pack in Tune's hands, which copies and keeps what it is given, to the end of the run.

    There is one object, however often it is copied, and it is emptied when the pack is done, or
    taken back before a worker has begun it.
    """

    def __init__(self, pack: Pack | None) -> None:
        self.pack = pack

    def __deepcopy__(self, memo: object) -> _Handed:
        return self

    def __repr__(self) -> str:
        return self.pack.name if self.pack else "done"


class _PackTrainable(tune.Trainable):
    """Trains one pack in one step."""

    def setup(self, config: dict[str, Any], **common: Job) -> None:
        self._job = common["job"]

    def step(self) -> dict[str, Any]:
        pack, limit = self.config["pack"].pack, self._job.study.packs.time_limit
        if pack is None:
            return {"done": True}
        try:
            with _ended_after(limit):
                trained = train(self._job, pack)
        except Exception as error:  # noqa: BLE001  (the driver says why; Tune would not)
            return {"failure": f"{type(error).__name__}: {error}", "done": True}
        outcomes = [outcome.to_dict() for outcome in trained.outcomes]
        failures = [failure.to_dict() for failure in trained.failures]
        return {"outcomes": outcomes, "fits": trained.fits, "failures": failures, "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.config = new_config
        return True


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """End this process, with a traceback in Ray's logs, if the block takes longer; 0 is never.

    Only the end of the process stops code that hangs outside Python.
    """
    if seconds:
        faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


class _Packs:
    """The packs that Tune has, by its trials' ids: between the agenda and Tune's hooks.

    Attributes:
        fault: what `deliver` raised, as when the storage is gone; nothing is trained after it.
    """

    def __init__(self, agenda: Agenda, deliver: Deliver, watcher: Watcher, study: Study) -> None:
        self._agenda = agenda
        self._deliver = deliver
        self._watcher = watcher
        self._resources = study.resources
        self._time_limit = study.packs.time_limit
        self._running: dict[str, _Handed] = {}
        self._started: dict[str, float] = {}
        self._actors: dict[str, str] = {}
        self.fault: Exception | None = None

    def next(self, trial_id: str) -> dict[str, Any] | None:
        """The next pack as a Tune configuration; None where there is none now."""
        if self._agenda.finished or self.fault is not None:
            finished: Any = Searcher.FINISHED  # a text, whatever the signature says
            return cast("dict[str, Any]", finished)
        # One waits, so that no worker is idle; more would be begun after a time budget's end.
        places = packs_at_once(self._resources, _there())
        self._watcher.places(places)
        pack = self._agenda.next_pack(places) if len(self._running) <= places else None
        if pack is None:
            return None
        handed = self._running[trial_id] = _Handed(pack)
        return {"pack": handed}

    def withdraw(self) -> None:
        """After a stop, take back what waits for a worker: only what was begun is finished."""
        if not self._agenda.stopped:
            return
        for trial_id in self._running.keys() - self._started.keys():
            handed = self._running.pop(trial_id)
            if handed.pack is not None:
                self._agenda.take_back(handed.pack)
                handed.pack = None

    def started(self, trial_id: str, actor: str) -> None:
        """A pack was begun by a worker, Ray's actor of this id."""
        self._actors[actor] = trial_id
        handed = self._running.get(trial_id)
        if handed is not None and handed.pack is not None:
            self._started[trial_id] = time.monotonic()
            self._watcher.begun(handed.pack)

    def done(self, trial_id: str, result: dict[str, Any] | None) -> None:
        """A pack came back, or was stopped with the run: then it has no result."""
        pack, _ = self._taken_back(trial_id)
        if pack is None:
            return
        if result and "outcomes" in result:
            pairs = zip(pack.trials, result["outcomes"], strict=True)
            outcomes = tuple(Outcome.from_dict(trial, values) for trial, values in pairs)
            failures = tuple(Failure.from_dict(values) for values in result["failures"])
            self._hand_on(Trained(outcomes=outcomes, fits=result["fits"], failures=failures))
            self._watcher.ended(pack, outcomes)
        else:
            self._hand_back(pack, Fault.WORKER, (result or {}).get("failure", "it was stopped"))

    def died(self, trial_id: str, words: str) -> None:
        """A pack's worker died; `words` is what Ray says of it."""
        pack, seconds = self._taken_back(trial_id)
        if pack is None:
            return
        fault = fault_of(words)
        if fault is Fault.WORKER and 0 < self._time_limit <= seconds:
            reason = f"no result after {self._time_limit:g} s (packs.time_limit)"
            self._hand_back(pack, Fault.TIME, reason)
        else:
            self._hand_back(pack, fault, REASONS[fault])

    def all_died(self, words: str) -> None:
        """Every worker was lost, one of them as Ray says in `words`.

        Of workers that Ray ended for want of memory, only the one that had most is to blame.
        """
        to_blame = self._actors.get(greediest(words) or "")
        for trial_id in list(self._running):
            pack, _ = self._taken_back(trial_id)
            if pack is not None:
                fault = Fault.MEMORY if trial_id == to_blame else Fault.MACHINE
                self._hand_back(pack, fault, REASONS[fault])

    def _taken_back(self, trial_id: str) -> tuple[Pack | None, float]:
        """The pack, None if it was taken back before, and the seconds since it was begun."""
        now = time.monotonic()
        seconds = now - self._started.pop(trial_id, now)
        handed = self._running.pop(trial_id, None)
        if handed is None:
            return None, seconds
        pack, handed.pack = handed.pack, None
        return pack, seconds

    def _hand_back(self, pack: Pack, fault: Fault, reason: str) -> None:
        given_up = self._agenda.hand_back(pack, fault, reason)
        if given_up:
            self._hand_on(Trained(outcomes=tuple(given_up)))
        self._watcher.ended(pack, ())

    def _hand_on(self, trained: Trained) -> None:
        if self.fault is not None:
            return
        try:
            self._deliver(trained)
        except Exception as error:  # noqa: BLE001  (Tune would swallow it and wait for ever)
            self.fault = error


class _StopAtFault(tune.Stopper):
    """Ends Tune when nothing more can be delivered."""

    def __init__(self, packs: _Packs | None = None) -> None:
        self._packs = packs

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return self.stop_all()

    def stop_all(self) -> bool:
        return self._packs is not None and self._packs.fault is not None

    def __reduce__(self) -> tuple[type[_StopAtFault], tuple[()]]:
        return (_StopAtFault, ())  # as the searcher


class _PackSearcher(Searcher):
    """Hands Tune the agenda's packs and the agenda their outcomes."""

    def __init__(self, packs: _Packs | None = None) -> None:
        super().__init__(metric=None, mode=None)
        self._packs = packs

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        return self._packs.next(trial_id) if self._packs else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if self._packs and not error:  # of an error, the callback knows why
            self._packs.done(trial_id, result)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what is left to run follows from the store, never from Tune's state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""

    def __reduce__(self) -> tuple[type[_PackSearcher], tuple[()]]:
        # Tune pickles its searcher; the agenda and the store stay in the driver.
        return (_PackSearcher, ())


class _PackCallback(tune.Callback):
    """Hears from Tune when a pack is begun and why one was lost, and lets a stop take effect."""

    def __init__(self, packs: _Packs | None = None) -> None:
        self._packs = packs

    def on_step_begin(self, iteration: int, trials: list[TuneTrial], **info: object) -> None:
        if self._packs:
            self._packs.withdraw()

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        actor = trial.temporary_state.ray_actor
        if self._packs and actor:
            self._packs.started(trial.trial_id, actor._actor_id.hex())

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        # Tune keeps every trial to the end, with its result; the store has that.
        metadata = trial.run_metadata
        metadata.last_result, metadata.metric_analysis, metadata.metric_n_steps = {}, {}, {}
        trial.invalidate_json_state()  # type: ignore[no-untyped-call]

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        if self._packs:
            file = trial.error_file
            words = Path(file).read_text("utf-8") if file and Path(file).is_file() else ""
            self._packs.died(trial.trial_id, words)

    def __reduce__(self) -> tuple[type[_PackCallback], tuple[()]]:
        return (_PackCallback, ())  # as the searcher
