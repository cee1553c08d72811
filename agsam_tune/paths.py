"""A path is a path: no character of a file's name means anything else, wherever it goes.

In: what a user names. Out: a path, or that it is a URL; SQLite files opened without a URL between.
What takes a path as a text of another language would read `%20` as a space, `?` and `#` as the
path's end, `{` as a template: so nothing here, or that uses it, builds a URL to have it parsed.
Imports the standard library only.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|://")
_SQLITE = re.compile(r"sqlite(\+pysqlite)?://")
# What follows the last ? is options if it looks so; any other ? is the name's.
_OPTIONS = re.compile(r"(?P<path>.*)\?(?P<options>\w+=[^?/]*)", re.DOTALL)
_TIMEOUT = 5.0  # seconds: sqlite3's own
# Where a file's header says that it has a write-ahead log.
_JOURNAL_MODE, _WAL = 18, 2


def is_url(text: str) -> bool:
    """Whether a text begins as a URL does; what has :// further on is a path."""
    return _URL.match(text) is not None


def named_path(text: str) -> Path:
    """The path that a user named, `~` being the home of whoever has one."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  (its own raises where nobody has one)


def command_word(path: Path | str) -> str:
    """A path as it is typed in a shell, where a `-` at its beginning is no option's."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLiteFile:
    """An SQLite database's file.

    Attributes:
        path: the file, absolute.
        timeout: seconds to wait for another writer.
    """

    path: Path
    timeout: float = _TIMEOUT

    @classmethod
    def named(cls, url: str) -> SQLiteFile | None:
        """The file that sqlite:///FILE names, FILE being taken as it is; None for other URLs.

        Raises:
            ValueError: it names none, or has other options than `?timeout=SECONDS`.
        """
        if not (begins := _SQLITE.match(url)):
            return None
        text, options = url[begins.end() :].removeprefix("/"), ""
        if found := _OPTIONS.fullmatch(text):
            text, options = found["path"], found["options"]
        has_host = not url[begins.end() :].startswith("/")
        if has_host or text in ("", ":memory:") or "uri=" in options:
            msg = "an SQLite storage is named by its file's path, such as sqlite:///FILE"
            raise ValueError(msg)
        return cls(path=named_path(text).resolve(), timeout=_timeout(options))

    @property
    def url(self) -> str:
        """The URL by which `named` finds the same file."""
        location = f"sqlite:///{self.path}"
        if self.timeout != _TIMEOUT or _OPTIONS.fullmatch(location):
            return f"{location}?timeout={self.timeout:.15g}"
        return location

    def connection(self, *, read_only: bool) -> Callable[[], sqlite3.Connection]:
        """What opens the file, for SQLAlchemy's `creator`; created where it is opened to write.

        It can be pickled, and any thread may use the connection.
        """
        return partial(_read_only if read_only else _connection, self)


def _timeout(options: str) -> float:
    name, _, value = options.partition("=")
    if not options:
        return _TIMEOUT
    if name == "timeout" and re.fullmatch(r"\d+(\.\d*)?", value):
        return float(value)
    msg = (
        f"found {options!r} after the ?, where an SQLite storage has only timeout=SECONDS; "
        f"for a file whose name ends so, add ?timeout={_TIMEOUT:g}"
    )
    raise ValueError(msg)


def _connection(file: SQLiteFile) -> sqlite3.Connection:
    return sqlite3.connect(file.path, timeout=file.timeout, check_same_thread=False)


def _read_only(file: SQLiteFile) -> sqlite3.Connection:
    """The file to read: nothing in it is changed, and no other file is made beside it."""
    mode = "mode=ro"
    if _has_log(file.path):
        if not _beside(file.path, "-wal").exists():
            mode = "immutable=1"  # else SQLite would make the log
        elif not _beside(file.path, "-shm").exists():
            return _recovered(file)  # else SQLite would make the log's index
    uri = f"file:{quote(os.fsencode(file.path))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=file.timeout, check_same_thread=False)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        connection.close()
        # A writer was killed amid a transaction, and its journal wants to be played back first.
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        return _recovered(file)
    return connection


def _recovered(file: SQLiteFile) -> sqlite3.Connection:
    """The file in memory, as it is once its log is played back, which happens in a copy."""
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for ending in ("", "-journal", "-wal"):
            if (part := _beside(file.path, ending)).exists():
                shutil.copyfile(part, _beside(copy, ending))
        with closing(sqlite3.connect(copy)) as connection:
            connection.backup(memory)
    return memory


def _has_log(path: Path) -> bool:
    """Whether the file's changes go to a write-ahead log first."""
    with path.open("rb") as file:
        header = file.read(_JOURNAL_MODE + 1)
    return header[_JOURNAL_MODE:] == bytes([_WAL])


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
