"""A run's folder: the one owner of its file names, and of the rule who may write to it.

In: a path. Out: paths of files, the manifest, and the study's lock. Must not import torch,
Ray or Optuna.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from agsam_tune.atomic import write_json
from agsam_tune.errors import RunError, UsageError

_LOCK, _DRIVER, _JOURNAL = ".driver.lock", ".driver.json", "study.journal"
# What a driver that was killed at its start may leave in the folder.
_BEGINNINGS = (_LOCK, _DRIVER, f".{_DRIVER}-", ".manifest.json-", _JOURNAL)


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
        if self.manifest.is_file():
            try:
                manifest: dict[str, Any] = json.loads(self.manifest.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise UsageError(f"{self.manifest}: not a readable manifest: {error}") from error
            return manifest
        try:
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
                write_json(
                    self.path / _DRIVER,
                    {"host": socket.gethostname(), "pid": os.getpid(), "started": now()},
                )
                try:
                    yield
                finally:
                    (self.path / _DRIVER).unlink(missing_ok=True)
        finally:
            if made and not self.manifest.exists():
                (self.path / _LOCK).unlink(missing_ok=True)
                _remove_empty(made)

    def _refusal(self) -> str:
        return (
            f"{self.path}: another driver runs this study ({self._driver()}); "
            "wait for it, or stop it and start again to carry on"
        )

    def _driver(self) -> str:
        try:
            driver = json.loads((self.path / _DRIVER).read_text("utf-8"))
        except (OSError, ValueError):
            return "which did not say who it is"
        return f"process {driver['pid']} on {driver['host']}, since {driver['started']}"


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def exclusive(path: Path, refusal: Callable[[], str]) -> Iterator[None]:
    """Hold a lock file; the lock dies with its owner.

    Raises:
        RunError: somebody else holds it; `refusal` says what to tell the user.
    """
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RunError(refusal()) from None
    try:
        yield
    finally:
        lock.release()


def _remove_empty(folders: list[Path]) -> None:
    """Remove these folders, innermost first, while they are empty."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
