"""Processes that write to a store, to be killed, starved and locked out."""

import multiprocessing
import os
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agsam_tune.store import ResultStore, StorageError
from tests.store.outcomes import STUDY, points

# Forked from a process that has all modules, so that a test can afford many.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.store.writers"])


class Writer:
    """A process that adds trials from a point on, until it is killed or refused.

    Args:
        location: the storage.
        start: the first point.
        spare: bytes that a file may grow by, from when the store is open; None for any.
        nobody: whether to write as a user whom permissions apply to.
    """

    def __init__(
        self, location: str, start: int = 0, *, spare: int | None = None, nobody: bool = False
    ) -> None:
        self._stored = _CONTEXT.Value("i", start, lock=False)
        self._ours, theirs = _CONTEXT.Pipe(duplex=False)
        self.process = _CONTEXT.Process(
            target=_write, args=(location, self._stored, theirs, spare, nobody), daemon=True
        )
        self.process.start()
        theirs.close()

    @property
    def stored(self) -> int:
        """The number of trials that are known to be stored."""
        return self._stored.value

    def refusal(self, timeout: float = 60) -> str:
        """What the store said when it refused a trial."""
        assert self._ours.poll(timeout)
        text: str = self._ours.recv()
        self.process.join()
        return text

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    @classmethod
    @contextmanager
    def running(cls, location: str, start: int = 0) -> Iterator["Writer"]:
        writer = cls(location, start)
        try:
            yield writer
        finally:
            writer.kill()


def _write(location: str, stored: Any, pipe: Any, spare: int | None, nobody: bool) -> None:
    if nobody and os.geteuid() == 0:
        with closing(ResultStore.open(STUDY, f"{location}.first")) as first:
            first.add(points("gsam", range(1)))  # nobody may not be able to import what it takes
        os.seteuid(65534)
    store = ResultStore.open(STUDY, location)
    if spare is not None:
        file = Path(location.removeprefix("sqlite:///"))
        limit = file.stat().st_size + spare
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        while True:
            store.add(points("gsam", range(stored.value, stored.value + 1)))
            stored.value += 1
    except StorageError as error:
        pipe.send(str(error))
