"""A run's folder: the one owner of its file names, and of the rule who may write to it.

In: a path. Out: paths of files, the manifest, and the study's lock. Must not import torch,
Ray or Optuna.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from agsam_tune.errors import RunError, UsageError
from agsam_tune.processes import is_alive

_LOCK, _JOURNAL = ".driver.lock", "study.journal"
# What a driver that was killed at its start may leave in the folder.
_BEGINNINGS = (_LOCK, ".manifest.json-", _JOURNAL)
# What file systems say that cannot lock files.
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """Who runs a study, as its lock file says.

    Attributes:
        host: the machine's name.
        pid: the process there.
        started: when it began, ISO 8601 in UTC.
    """

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.started}"

    @property
    def is_here(self) -> bool:
        """Whether it is this machine's, so that `works` can be known."""
        return self.host == socket.gethostname()

    @property
    def works(self) -> bool:
        """Whether the process is there; of another machine's it is believed.

        Its lock is not tried, since that could keep a driver off that starts this moment.
        """
        return not self.is_here or is_alive(self.pid, datetime.fromisoformat(self.started))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """Where the files of a run are.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def journal(self) -> Path:
        """Where the results lie unless another storage is named."""
        return self.path.resolve() / _JOURNAL

    @property
    def checkpoints(self) -> Path:
        """Where long packs leave their state while they run."""
        return self.path.resolve() / "checkpoints"

    @property
    def failures(self) -> Path:
        """What failed trials raised."""
        return self.path / "failures.txt"

    @property
    def trials(self) -> Path:
        return self.path / "trials.parquet"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def read_manifest(self) -> dict[str, Any] | None:
        """The manifest, or None where no study was run in this folder.

        Raises:
            UsageError: it is a file, holds other things, or its manifest is unreadable.
        """
        try:
            if self.manifest.is_file():
                return self._manifest()
            names = [path.name for path in self.path.iterdir()]
            others = [name for name in names if not name.startswith(_BEGINNINGS)]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be used as a run's folder: {error}") from error
        if others:
            msg = (
                f"{self.path}: holds {', '.join(sorted(others)[:3])} but no manifest.json, so it "
                "is not the folder of a run; choose an empty or a new one with --out"
            )
            raise UsageError(msg)
        return None

    def run_manifest(self) -> dict[str, Any]:
        """The manifest of the run in this folder.

        Raises:
            UsageError: there is none, or it is unreadable.
        """
        manifest = self.read_manifest() if self.path.is_dir() else None
        if manifest is None:
            hint = self._hint()
            raise UsageError(f"{self.path}: no run is here (there is no manifest.json){hint}")
        return manifest

    def _hint(self) -> str:
        """The run's folder that may be meant: of that name under `runs`, or of nearly that name."""
        there = Path("runs") / self.path
        if not self.path.is_absolute() and RunFolder(path=there).manifest.is_file():
            return f"; did you mean {there}?"
        runs = {p.parent.name: p.parent for p in self.path.parent.glob("*/manifest.json")}
        close = difflib.get_close_matches(self.path.name, sorted(runs), n=1)
        return f"; did you mean {runs[close[0]]}?" if close else ""

    def _manifest(self) -> dict[str, Any]:
        try:
            manifest: dict[str, Any] = json.loads(self.manifest.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"{self.manifest}: not a readable manifest: {error}") from error
        if not isinstance(manifest, dict):
            raise UsageError(f"{self.manifest}: not the manifest of a run")
        return manifest

    def driver_named(self) -> Driver | None:
        """Who holds the study's lock, or was killed while holding it; None where nobody."""
        return _read_driver(self.path / _LOCK)

    def remove_checkpoints(self) -> None:
        """Remove what long packs left, when all are finished."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def create(self) -> list[Path]:
        """Make the folder and make sure that it can be written to; returns what was made.

        Raises:
            UsageError: it cannot be; then nothing is left behind.
        """
        missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            _remove_empty(missing)
            raise UsageError(f"{self.path}: cannot be written to: {error}") from error
        return missing

    @contextmanager
    def driver(self) -> Iterator[None]:
        """Make the folder and hold the study's lock, which dies with its owner.

        Where no manifest is written meanwhile, what was made is removed again.

        Raises:
            UsageError: the folder cannot be written to.
            RunError: another driver holds the lock; the message names it.
        """
        made = self.create()
        try:
            with exclusive(self.path / _LOCK, self._refusal):
                yield
        finally:
            if made and not self.manifest.exists():
                (self.path / _LOCK).unlink(missing_ok=True)
                _remove_empty(made)

    def _refusal(self, holder: str) -> str:
        return (
            f"{self.path}: another driver runs this study ({holder}); "
            "wait for it, or stop it and start again to carry on"
        )


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def exclusive(path: Path, refusal: Callable[[str], str]) -> Iterator[None]:
    """Hold a lock file, which names its owner; the lock dies with its owner, the file stays.

    Args:
        path: the file.
        refusal: what to tell the user where somebody else holds it, given who.

    Raises:
        UsageError: files cannot be locked there.
        RunError: somebody else holds it.
    """
    lock = filelock.FileLock(path, timeout=0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a lock that does not die with its owner: refused
            lock.acquire()
        _check_kind(lock)
    except filelock.Timeout:
        raise RunError(refusal(_holder(path))) from None
    except (OSError, NotImplementedError) as error:
        raise UsageError(_no_lock(path, error)) from error
    try:
        _write_holder(path)
        yield
        with suppress(OSError):
            os.truncate(path, 0)
    finally:
        lock.release()


def _check_kind(lock: filelock.BaseFileLock) -> None:
    """Raise OSError where the library made do with a lock that outlives its owner."""
    if isinstance(lock, filelock.SoftFileLock):
        lock.release()
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _no_lock(path: Path, error: OSError | NotImplementedError) -> str:
    if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
        return f"{path}: cannot be written to: {error.strerror or error}"
    return (
        f"{path}: files cannot be locked on this file system ({error}), so a second driver would "
        "go unnoticed; choose a folder on a local disk, or on a file system that has locks"
    )


def _write_holder(path: Path) -> None:
    """Say in the lock file itself who holds it: in place, since the lock is the file's."""
    driver = {"host": socket.gethostname(), "pid": os.getpid(), "started": now()}
    try:
        path.write_text(json.dumps(driver) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written to: {error.strerror or error}") from error


def _holder(path: Path) -> str:
    driver = _read_driver(path)
    return "which did not say who it is" if driver is None else str(driver)


def _read_driver(path: Path) -> Driver | None:
    try:
        said = json.loads(path.read_text("utf-8"))
        driver = Driver(host=str(said["host"]), pid=int(said["pid"]), started=str(said["started"]))
        datetime.fromisoformat(driver.started)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return driver


def _remove_empty(folders: list[Path]) -> None:
    """Remove these folders, innermost first, while they are empty."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
