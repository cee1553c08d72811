"""Where a run's results lie, and that nobody else writes to them.

In: a run's folder and what `--storage` asked for. Out: a location, a lock, an open store. Must
not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from agsam_tune.errors import RunError, UsageError
from agsam_tune.folder import RunFolder, exclusive
from agsam_tune.passwords import without_password
from agsam_tune.store import (
    ResultStore,
    StorageError,
    StorageTakenError,
    local_file,
    storage_location,
)
from agsam_tune.study import Study


def named_storage(named: str | None) -> str | None:
    """The location that a user names, None for none; raises UsageError where it cannot be one."""
    try:
        return None if named is None else storage_location(named)
    except StorageError as error:
        raise UsageError(f"--storage {without_password(named or '')}: {error}") from error


def asked_storage(folder: RunFolder, asked: str | None) -> str | None:
    """The storage that was asked for; None for the folder's own journal, asked for or not."""
    return asked if asked != str(folder.journal) else None


def location_of(folder: RunFolder, old: dict[str, Any] | None, named: str | None) -> str:
    """Where the results lie; raises UsageError where the run began with another storage."""
    asked = asked_storage(folder, named)
    if old is not None and named is not None and asked != old["storage"]:
        there = old["storage"] or folder.journal
        msg = f"{folder.path}: its results lie in {there}, not in {named}"
        raise UsageError(msg)
    recorded = asked if old is None else old["storage"]
    return recorded or str(folder.journal)


@contextmanager
def storage_lock(folder: RunFolder, location: str) -> Iterator[None]:
    """Keep drivers of other folders off a storage that lies outside the folder, in a file.

    On PostgreSQL the store does that. What the storage refuses meanwhile ends the run.
    """
    file = local_file(location)
    lock: AbstractContextManager[None] = nullcontext()
    lock_file: Path | None = None
    if file is not None and file != folder.journal:
        if not file.parent.is_dir():
            raise UsageError(f"{location}: there is no folder {file.parent}")
        try:
            ResultStore.check(location)
        except StorageError as error:
            raise UsageError(f"{location}: {error}") from error

        def refusal(holder: str) -> str:
            return (
                f"{location}: another driver uses this storage ({holder}); wait for it, or name "
                "another"
            )

        beside = file.with_name(f"{file.name}.driver.lock")
        lock_file = None if beside.exists() else beside
        lock = exclusive(beside, refusal)
    try:
        with lock:
            yield
    except UsageError:  # nothing was run, so nothing is left beside somebody's file
        if lock_file is not None:
            lock_file.unlink(missing_ok=True)
        raise
    except StorageError as error:
        raise RunError(f"{location}: {error}") from error


def open_store(study: Study, location: str) -> ResultStore:
    try:
        return ResultStore.open(study, location)
    except StorageTakenError as error:
        raise RunError(f"{location}: {error}") from error
    except StorageError as error:
        raise UsageError(f"{location}: {error}") from error
