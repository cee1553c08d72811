"""The journal file: what is torn is cut, what is broken is refused, and nothing is lost quietly.

In: a journal's path. Out: an Optuna storage. Must not import torch or Ray.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from agsam_tune.paths import SQLiteFile
from agsam_tune.regular import check_regular
from agsam_tune.store.faults import StorageError
from agsam_tune.store.location import SQLITE_BEGINNING

# A writer that was killed leaves its lock behind; a write takes milliseconds.
_LOCK_GRACE_SECONDS, _LONGEST_WRITE_SECONDS = 5, 2
_BLOCK, _LONGEST_LINE = 1 << 16, 1 << 20
_BEGINNING = b'{"op_code":'


def open_journal(location: str, *, without: str | None = None) -> JournalStorage:
    """The storage in a journal file, which is created where there is none.

    Args:
        location: the file.
        without: an attribute of trials that is not read, which saves its memory.

    Raises:
        StorageError: it is no journal, or a line of it is broken.
        OSError: it cannot be read.
    """
    check_journal(Path(location))
    backend = _JournalFile(location, without)
    try:
        return JournalStorage(backend)
    except (ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:
        msg = (
            f"line {backend.line} of the journal is broken, so what it said is lost; put back a "
            "copy of the file from before, or cut that line out to run its trial again"
        )
        raise StorageError(msg) from error


class _JournalFile(JournalFileBackend):
    """Optuna's journal file, which knows its line, and does not begin anew where it vanished.

    Attributes:
        line: the number of the line that is read, from 1.
    """

    def __init__(self, location: str, without: str | None) -> None:
        lock = JournalFileSymlinkLock(location, grace_period=_LOCK_GRACE_SECONDS)
        super().__init__(location, lock_obj=lock)
        self._location = location
        self._identity = _identity(location)
        self._without = without
        self.line = 0

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        self.line = log_number_from + 1
        for log in super().read_logs(log_number_from):
            yield self._lean(log)
            self.line += 1

    def _lean(self, log: dict[str, Any]) -> dict[str, Any]:
        """A line's content, of which Optuna keeps all, with each name in memory once."""
        log.get("user_attrs", {}).pop(self._without, None)
        for part in ("user_attrs", "params", "distributions"):
            if part in log:
                log[part] = {sys.intern(name): value for name, value in log[part].items()}
        return log

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if _identity(self._location) != self._identity:
            raise StorageError("the journal was replaced by another file while the run wrote to it")
        try:
            super().append_logs(logs)
        except OSError:
            with suppress(OSError):
                mend_journal(self._location)  # a full disk may have taken a part of the line
            raise
        except RuntimeError as error:
            msg = f"its lock {self._location}.lock cannot be removed; is the folder read-only?"
            raise StorageError(msg) from error


def _identity(location: str) -> tuple[int, int]:
    facts = os.stat(location)  # noqa: PTH116  (raises FileNotFoundError where it vanished)
    return facts.st_dev, facts.st_ino


def mend_journal(location: str) -> int:
    """Cut a journal after its last whole line; returns the number of bytes cut.

    A driver that is killed while it writes leaves half a line, with which the next line
    would merge and make the file unreadable; a power cut leaves a line with zeros in it. Call
    it only while holding the study's lock.

    Raises:
        StorageError: the file is no journal; then it is as it was.
        OSError: it cannot be written to.
    """
    path = Path(location)
    check_journal(path)
    if not path.exists():
        return 0
    _remove_stale_lock(path)
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = _after_newline_before(file, size)
        start = _after_newline_before(file, end - 1) if end else 0
        file.seek(start)
        if b"\0" in file.read(end - start):  # JSON has none: blocks that never reached the disk
            end = start
        if end < size:
            file.truncate(end)
    return size - end


def _remove_stale_lock(path: Path) -> None:
    """Remove the lock of a writer that was killed, before which every other would wait."""
    lock = path.with_name(f"{path.name}.lock")
    with suppress(FileNotFoundError):
        if time.time() - lock.lstat().st_mtime > _LONGEST_WRITE_SECONDS:
            lock.unlink()


def _after_newline_before(file: BinaryIO, end: int) -> int:
    """The place after the last newline in the first `end` bytes, 0 where there is none."""
    while end > 0:
        start = max(end - _BLOCK, 0)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def check_journal(path: Path) -> None:
    """Raise StorageError where the file holds something else than a journal, torn or not."""
    if not path.exists():
        return
    check_regular(path)
    with path.open("rb") as file:
        line = file.readline(_LONGEST_LINE)
    if line.startswith(SQLITE_BEGINNING):
        raise StorageError(f"the file is an SQLite database; name it {SQLiteFile(path=path).url}")
    beginning = line.rstrip(b"\0")[: len(_BEGINNING)]
    if not _BEGINNING.startswith(beginning) or (line.endswith(b"\n") and not _is_log(line)):
        raise StorageError("the file holds something else than a journal; name another")


def _is_log(line: bytes) -> bool:
    """Whether a whole line is one of Optuna's."""
    try:
        log = json.loads(line)
        return isinstance(log["op_code"], int) and isinstance(log["worker_id"], str)
    except (ValueError, KeyError, RecursionError):
        return False
