"""Where results lie: a journal file, or a database that SQLAlchemy knows.

In: what `--storage` says. Out: an opened Optuna storage. Must not import torch or Ray.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

# A writer that was killed leaves its lock behind; a write takes milliseconds.
_LOCK_GRACE_SECONDS = 5
_BLOCK = 1 << 16


class StorageError(Exception):
    """The storage cannot be opened, or does not hold the study."""


def storage_location(text: str) -> str:
    """What `--storage` names, with paths made absolute, so that any folder finds it again.

    Raises:
        StorageError: it looks like a URL and is none.
    """
    if "://" not in text:
        return str(Path(text).expanduser().resolve())
    with storage_errors():
        url = make_url(text)
    if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
        url = url.set(database=str(Path(str(url.database)).resolve()))
    return url.render_as_string(hide_password=False)


def local_file(location: str) -> Path | None:
    """The file that holds the results, or None where a server does."""
    if "://" not in location:
        return Path(location)
    url = make_url(location)
    is_file = url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}
    return Path(str(url.database)) if is_file else None


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what a storage raises into a StorageError of one line."""
    try:
        yield
    except (OSError, SQLAlchemyError, ImportError, ValueError) as error:
        line = str(error).splitlines()[0]
        msg = f"cannot be used as a storage: {type(error).__name__}: {line}"
        raise StorageError(msg) from error


def open_storage(location: str) -> BaseStorage:
    """The Optuna storage at `location`; a journal that does not exist is created."""
    if "://" in location:
        return RDBStorage(location)
    lock = JournalFileSymlinkLock(location, grace_period=_LOCK_GRACE_SECONDS)
    return JournalStorage(JournalFileBackend(location, lock_obj=lock))


def mend_journal(location: str) -> int:
    """Cut a journal after its last whole line; returns the number of bytes cut.

    A driver that is killed while it writes leaves half a line, with which the next line
    would merge and make the file unreadable. Call it only while holding the study's lock.
    """
    path = Path(location)
    if "://" in location or not path.exists():
        return 0
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(end - _BLOCK, 0)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)
    return size - end
