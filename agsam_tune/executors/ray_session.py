"""Ray for the length of a run: started on this machine, or attached to.

In: what to use of this machine, or a cluster's address. Out: Ray, initialised, and a private
folder for scratch. A Ray that is started here listens on 127.0.0.1 only, lets in nobody who
cannot read this run's token, keeps its session in a private folder, and prints nothing. Must
not import Optuna or torch.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path

import filelock
import ray
from ray._private import worker as ray_worker

from agsam_tune.errors import ExitCode, UsageError
from agsam_tune.executors.ray_environment import (
    SCRATCH,
    scratch_parent,
    scratch_parents,
    use_token,
)
from agsam_tune.signals import handler_kept, interrupt_on_sigterm

# Seconds between looks at a cluster's head, and after which it is gone: Ray's own limit is 60.
_PROBE, _GONE = 5.0, 45.0
_OWNER = "owner.lock"


@contextmanager
def ray_session(
    *, cpus: int | None = None, gpus: int | None = None, address: str | None = None
) -> Iterator[Path]:
    """Ray started or attached to; yields a private scratch folder that is removed after.

    Args:
        cpus: cores to use of this machine; None for all.
        gpus: GPUs to use of this machine; None for all.
        address: of a Ray cluster that exists; None starts one for this run.

    Raises:
        UsageError: there is no cluster at the address, or it lets nobody in without a token; or
            this process has a Ray of its own already, or there is no place for the files of one.
    """
    if ray.is_initialized():
        msg = "Ray runs in this process already; ray.shutdown() ends it, or choose executor inline"
        raise UsageError(msg)
    _quieten()
    # The sockets of a cluster that exists lie elsewhere.
    parent = scratch_parent() if address is None else scratch_parents()[0]
    with _scratch_folder(parent) as scratch, handler_kept(signal.SIGTERM):
        try:
            # Workers put the folder that Ray is started in first on their path, and would
            # import a user's files in place of packages of the same name.
            with chdir(scratch):
                if address is None:
                    _start(cpus, gpus, scratch)
                else:
                    _attach(address)
                    _watch_head(address)
            if threading.current_thread() is threading.main_thread():
                interrupt_on_sigterm()  # Ray has put a handler of its own in place
            yield scratch
        finally:
            ray.shutdown()


def _quieten() -> None:
    """What matters of lost workers and machines, the agenda says."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # Pages of a lost machine's logs, which `log_to_driver=False` does not keep off the console.
    if hasattr(ray_worker, "print_to_stdstream"):
        ray_worker.print_to_stdstream = lambda *_, **__: None


def _attach(address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        line = " ".join(str(error).split())[:300]
        msg = f"--address {address}: no Ray cluster can be reached there: {line}"
        raise UsageError(msg) from error


def _watch_head(address: str) -> None:
    """End this process with one line when the cluster's head is lost.

    Ray would do so after a minute, in its own words; everything that is done is stored by then.
    """
    where: str = ray.get_runtime_context().gcs_address
    host, _, port = where.rpartition(":")

    def watch() -> None:
        seen = time.monotonic()
        while ray.is_initialized():
            time.sleep(_PROBE)
            with suppress(OSError):
                socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE).close()
                seen = time.monotonic()
            if time.monotonic() - seen > _GONE and ray.is_initialized():
                print(  # noqa: T201
                    f"agsam-tune: --address {address}: the Ray cluster is gone. What is done is "
                    "stored; the same command carries on",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(ExitCode.FAILURE)

    threading.Thread(target=watch, daemon=True).start()


def _start(cpus: int | None, gpus: int | None, scratch: Path) -> None:
    use_token(scratch / "token")
    ray.init(
        address="local",  # whatever RAY_ADDRESS says
        num_cpus=cpus,
        num_gpus=gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        _temp_dir=str(scratch / "ray"),
    )


@contextmanager
def _scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder for Ray's session, removed after, or by the next run if this one is killed.

    Ray opens its session folder to everybody, so it lies in one that only we can enter.
    """
    for left in (
        left for place in scratch_parents() for left in place.glob(f"{SCRATCH}*/{_OWNER}")
    ):
        with suppress(filelock.Timeout, OSError):
            if left.parent.lstat().st_uid == os.getuid():
                with filelock.FileLock(left, timeout=0):
                    _remove(left.parent)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=parent))
    with filelock.FileLock(scratch / _OWNER):
        try:
            yield scratch
        finally:
            _remove(scratch)


def _remove(scratch: Path) -> None:
    """Remove the folder, its lock last: what a dying process still writes, the next run finds."""
    for path in scratch.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != _OWNER:
            path.unlink(missing_ok=True)
    if {path.name for path in scratch.iterdir()} <= {_OWNER}:
        shutil.rmtree(scratch, ignore_errors=True)
