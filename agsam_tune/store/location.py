"""Where results lie: a journal file, or a database that SQLAlchemy knows.

In: what `--storage` says. Out: an opened Optuna storage. Must not import torch or Ray.
"""

from __future__ import annotations

import os
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

JOURNAL = "study.journal"
# A writer that was killed leaves its lock behind; a write takes milliseconds.
_LOCK_GRACE_SECONDS = 5
_BLOCK = 1 << 16


def default_location(folder: Path) -> str:
    """The storage of a run's folder: its journal file."""
    return str(folder / JOURNAL)


def storage_location(text: str) -> str:
    """What `--storage` names: a URL with a scheme as it is, else the path of a journal.

    A relative path is made absolute, so that it can be written to the manifest.
    """
    return text if "://" in text else str(Path(text).expanduser().resolve())


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
