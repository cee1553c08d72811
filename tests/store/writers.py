"""Processes that write to a store, to be killed, starved and locked out."""

import os
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agsam_tune.store import ResultStore, StorageError
from tests.run.drivers import CONTEXT
from tests.store.outcomes import STUDY, points
from tests.waiting import until


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
        self._stored = CONTEXT.Value("i", start, lock=False)
        self._ours, theirs = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(
            target=_write, args=(location, self._stored, theirs, spare, nobody), daemon=True
        )
        self.process.start()
        theirs.close()

    @property
    def stored(self) -> int:
        """The number of trials that are known to be stored."""
        return self._stored.value

    def wait_for(self, stored: int) -> None:
        """Until so many trials are known to be stored."""
        until(lambda: self.stored >= stored, while_true=self.process.is_alive)

    def refusal(self) -> str:
        """What the store said when it refused a trial."""
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
