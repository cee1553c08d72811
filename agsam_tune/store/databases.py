"""Databases: SQLite and PostgreSQL as Optuna's storage, with their faults told apart.

In: a URL. Out: an Optuna storage whose errors are StorageErrors. Must not import torch or Ray.

On PostgreSQL, a driver's only connection holds an advisory lock for the study. So the lock dies
with its owner, nothing is written without it, and whoever connects again after an outage
takes it again or learns who has it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.storages import RDBStorage
from sqlalchemy import create_engine, event, inspect, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool, QueuePool

from agsam_tune.paths import SQLiteFile
from agsam_tune.regular import check_regular
from agsam_tune.store.faults import StorageAwayError, StorageError, StorageTakenError, reason
from agsam_tune.store.location import SQLITE_BEGINNING, sqlite_file

_Hold = Callable[[Any, object], None]
_PROGRAM = "agsam-tune"
_NAME_BYTES = 63  # what PostgreSQL keeps of an application's name
# So that a server that vanished without a word is noticed within a minute or so.
_CONNECT: Mapping[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# And that the server notices the same of a driver, and lets its lock go.
_SESSION = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_PAUSES = (0.1, 0.3, 0.6)
_LOCK = "SELECT pg_try_advisory_lock(%s)"
_HOLDER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = %s AND objid::bigint = %s
"""
# Codes of SQLite's that waiting mends, and that nothing does but the user.
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BROKEN = {
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH),
}
# SQLSTATEs of PostgreSQL's that are no outage although psycopg calls them operational.
_FULL = {"53100"}


def check_sqlite(path: Path) -> None:
    """Raise StorageError where the file holds something else than an SQLite database."""
    if not path.exists():
        return
    check_regular(path)
    with path.open("rb") as file:
        found = file.read(len(SQLITE_BEGINNING))
    if found not in (b"", SQLITE_BEGINNING):
        raise StorageError("the file holds something else than an SQLite database; name another")


def open_database(location: str, *, driven: str | None) -> RDBStorage:
    """The storage in a database, whose tables are created where a driver finds none.

    Who only reads opens an SQLite file read-only, and makes none.

    Args:
        location: the URL.
        driven: the study that the caller drives; None to read only.

    Raises:
        StorageTakenError: another driver drives the study in this PostgreSQL database.
        StorageError: there is nothing to read.
        SQLAlchemyError: it cannot be opened.
    """
    name = _PROGRAM if driven is None else _own_name()
    file = sqlite_file(location)
    is_postgresql = file is None
    if file is None:
        options = _postgresql_options(location, name)
    else:
        location, options = "sqlite://", _sqlite_options(file, read_only=driven is None)
    if driven is None and not _is_set_up(location, options):
        raise StorageError("the database holds no results")
    storage = RDBStorage(location, engine_kwargs=options, skip_table_creation=driven is None)
    if driven is not None and is_postgresql:
        # Only now, since it took two connections to look at the tables.
        storage = _locked_storage(location, options, _hold(driven, name))
    event.listen(storage.engine, "handle_error", _raise_ours)
    return storage


def _is_set_up(location: str, options: dict[str, Any]) -> bool:
    """Whether all tables are there, of which Optuna would write the last itself to read others."""
    engine = create_engine(location, **{**options, "poolclass": NullPool})
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.execute(text("SELECT 1 FROM alembic_version")).first() is not None


def _sqlite_options(file: SQLiteFile, *, read_only: bool) -> dict[str, Any]:
    """For an engine whose URL is `sqlite://`: neither Optuna nor SQLAlchemy sees the path."""
    return {"creator": file.connection(read_only=read_only), "poolclass": QueuePool}


def _postgresql_options(location: str, name: str) -> dict[str, Any]:
    asked = make_url(location).query
    arguments = {k: v for k, v in _CONNECT.items() if k not in asked}
    # Without a pool, whose connections would stay open where Optuna refuses the database.
    return {"connect_args": {**arguments, "application_name": name}, "poolclass": NullPool}


def _locked_storage(location: str, options: dict[str, Any], hold: _Hold) -> RDBStorage:
    """One with one connection, so that what writes is what holds the lock."""
    pool = {
        "poolclass": QueuePool,
        "pool_size": 1,
        "max_overflow": 0,
        "pool_pre_ping": True,
        "pool_events": [(hold, "connect")],
    }
    return RDBStorage(
        location,
        engine_kwargs={**options, **pool},
        skip_table_creation=True,
        skip_compatibility_check=True,
    )


def _own_name() -> str:
    """Who drives, as PostgreSQL tells others: process, start and host, whose end may be cut."""
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"{_PROGRAM} {os.getpid()} {started} {socket.gethostname()}"
    return name.encode("ascii", "replace")[:_NAME_BYTES].decode()


def lock_key(study: str) -> int:
    """The advisory lock of a study, by its name, in the database it is kept in."""
    digest = hashlib.blake2b(f"{_PROGRAM}:{study}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _hold(study: str, name: str) -> _Hold:
    """What a new connection does first: take the study's lock, or raise StorageTakenError."""
    key = lock_key(study)

    def hold(connection: Any, record: object) -> None:  # noqa: ARG001
        try:
            with connection.cursor() as cursor:
                if not _locked(cursor, key):
                    cursor.execute(_HOLDER, (key >> 32 & 0xFFFFFFFF, key & 0xFFFFFFFF))
                    row = cursor.fetchone()
                    raise _taken(row[0] if row else "", name)
                for setting, value in _SESSION.items():
                    cursor.execute("SELECT set_config(%s, %s, false)", (setting, value))
            connection.commit()
        except BaseException:
            connection.close()
            raise

    return hold


def _locked(cursor: Any, key: int) -> bool:
    """Take the lock, which a driver that was killed a moment ago may still have."""
    for pause in (0, *_PAUSES):
        time.sleep(pause)
        if cursor.execute(_LOCK, (key,)).fetchone()[0]:
            return True
    return False


def _taken(holder: str | None, name: str) -> StorageError:
    if holder == name:
        return StorageAwayError("the server has not noticed yet that this run's connection was cut")
    words = (holder or "").split(" ", 3)
    who = (
        f"process {words[1]} on {words[3]}, since {words[2]}"
        if words[0] == _PROGRAM and len(words) == 4
        else "which did not say who it is"
    )
    return StorageTakenError(
        f"another driver runs this study ({who}); wait for it, or stop it and start again to "
        "carry on"
    )


def _raise_ours(context: ExceptionContext) -> None:
    """Raise a StorageError in place of what the database's driver raised.

    Optuna would try five times, and write a trial twice whose first commit had succeeded but
    for the answer; and it hides what was wrong. What it handles itself is left to it.
    """
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    if wrapped is None or isinstance(wrapped, IntegrityError) or context.is_pre_ping:
        return  # not the database's fault, Optuna's to handle, or SQLAlchemy's
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _BUSY:
            raise StorageAwayError(reason(wrapped)) from error
        if code in _BROKEN:
            raise StorageError(reason(wrapped)) from error
        return
    operational = context.is_disconnect or any(
        kind.__name__ == "OperationalError" for kind in type(error).__mro__
    )
    away = operational and getattr(error, "sqlstate", None) not in _FULL
    kind = StorageAwayError if away else StorageError
    raise kind(reason(wrapped)) from error
