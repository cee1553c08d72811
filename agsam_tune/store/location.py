"""Where results lie: a journal file, an SQLite file, or a PostgreSQL database.

In: what `--storage` says. Out: a location that any folder finds again and that holds no
password. Must not import torch or Ray.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from agsam_tune.paths import SQLiteFile, is_url, named_path
from agsam_tune.store.faults import StorageError

_SUPPORTED = (
    "supported are a journal's path, sqlite:///FILE, "
    "and postgresql+psycopg://USER@HOST:PORT/DATABASE"
)
# What every SQLite file begins with.
SQLITE_BEGINNING = b"SQLite format 3\0"
# libpq takes a password from the query too, and a second one, which it takes from nowhere else.
_PASSWORD, _KEY_PASSWORD = "password", "sslpassword"


def storage_location(text: str) -> str:
    """What `--storage` names, with paths made absolute, so that any folder finds it again.

    A password goes to the environment variable PGPASSWORD, where PostgreSQL's own library
    looks for it, here and in what this process starts; the location can then be shown and
    kept. Without one, PGPASSWORD or ~/.pgpass have it, or none is needed.

    Raises:
        StorageError: it is no URL of a storage that is supported. The message holds no password.
    """
    if not is_url(text):
        return str(named_path(text).resolve())
    if (file := sqlite_file(text)) is not None:
        return file.url
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        msg = f"not a URL that can be read; {_SUPPORTED}"
        raise StorageError(msg) from error
    if url.drivername in {"postgresql", "postgresql+psycopg"}:
        return _postgresql_location(url)
    msg = f"no storage of this kind ({url.drivername}) can be used; {_SUPPORTED}"
    raise StorageError(msg)


def sqlite_file(location: str) -> SQLiteFile | None:
    """The file that an SQLite URL names, None for any other location; raises StorageError."""
    try:
        return SQLiteFile.named(location)
    except ValueError as error:
        raise StorageError(f"{error}; {_SUPPORTED}") from error


def _postgresql_location(url: URL) -> str:
    try:
        importlib.import_module("psycopg")
    except ImportError as error:
        msg = "PostgreSQL needs the package psycopg: pip install 'agsam-tune[postgresql]'"
        raise StorageError(msg) from error
    if "@" in (url.host or ""):
        raise StorageError("an @ in a user's name or password is written %40 in a URL")
    if _KEY_PASSWORD in url.query:
        msg = f"{_KEY_PASSWORD} cannot be given, since it would be kept; use a key without one"
        raise StorageError(msg)
    secret = url.password or _first(url.query.get(_PASSWORD))
    if secret:
        os.environ["PGPASSWORD"] = secret
    bare = URL.create(
        *("postgresql+psycopg", url.username, None, url.host, url.port, url.database),
        query=url.difference_update_query([_PASSWORD]).query,
    )
    return bare.render_as_string(hide_password=False)


def _first(value: str | tuple[str, ...] | None) -> str | None:
    return value[0] if isinstance(value, tuple) else value


def local_file(location: str) -> Path | None:
    """The file that holds the results, or None where a server does."""
    if not is_url(location):
        return Path(location)
    file = sqlite_file(location)
    return None if file is None else file.path
