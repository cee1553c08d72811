"""Follows a run: new trials every few seconds, and now and then new notes and figures.

In: a `Source`, an `Overlay`. Out: an overlay that is up to date, by two threads. Must not import
torch or Ray.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from agsam_tune.dashboard.description import from_json
from agsam_tune.dashboard.overlay import Overlay
from agsam_tune.dashboard.source import Source
from agsam_tune.folder import RunFolder
from agsam_tune.store import StorageError

TRIALS_SECONDS = 2.0
"""Between two looks for new trials."""
LEAST_PAUSE_SECONDS = 30.0
REST = 20
"""After notes and figures were made of a run that goes on, so many times as long nothing is."""
_log = logging.getLogger(__name__)


class Follower:
    """Keeps an overlay up to date.

    Args:
        path: the run's folder.
        source: its trials.
        overlay: what the dashboard shows.
    """

    def __init__(self, path: Path, source: Source, overlay: Overlay) -> None:
        self._path = path
        self._source = source
        self._overlay = overlay
        self._stopped = Event()
        self._child: subprocess.Popen[str] | None = None
        self._away = False
        self._reason = ""

        self._report = RunFolder(path=path).report

    def start(self) -> None:
        """Begin; what is stored was added to the overlay before."""
        targets = [self._describe_often]
        if self._source.follows:
            targets.append(self._look_often)
        for target in targets:
            name = target.__name__
            Thread(target=self._watched, args=(target,), daemon=True, name=name).start()

    def stop(self) -> None:
        """End, without waiting for notes that are being made."""
        self._stopped.set()
        child = self._child
        if child is not None:
            child.kill()

    def look(self) -> int:
        """Show the trials that are new; returns how many. A storage that is away is said once."""
        try:
            n = self._overlay.add(self._source.new())
        except StorageError as error:
            if not self._away:
                _log.warning("The storage cannot be read now: %s", error)
            self._away = True
            return 0
        if self._away:
            _log.warning("The storage can be read again")
        self._away = False
        return n

    def describe(self) -> bool:
        """Show new notes and figures; returns whether they could be made."""
        command = [sys.executable, "-P", "-m", "agsam_tune.dashboard.describe", str(self._path)]
        self._child = subprocess.Popen(  # noqa: S603  (this package's own module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the dashboard, which ends it
        )
        if self._stopped.is_set():  # between the last look and now
            self._child.kill()
        out, err = self._child.communicate()
        if self._stopped.is_set():
            return False
        try:
            if self._child.returncode != 0:
                raise ValueError(err.strip().splitlines()[-1] if err.strip() else "no reason given")
            self._overlay.describe(from_json(out))
        except ValueError as error:
            if str(error) != self._reason:
                _log.warning("Notes and figures could not be made: %s", error)
            self._reason = str(error)
            self._overlay.announce(f"The notes and figures could not be made: {error}")
            return False
        self._reason = ""
        return True

    def _watched(self, follow: Callable[[], None]) -> None:
        """Say why what is shown will not change any more, where following it ends."""
        try:
            follow()
        except Exception as error:  # noqa: BLE001  (of a thread, which nobody waits for)
            reason = f"{type(error).__name__}: {error}"
            _log.exception("The run is not followed any more; start the dashboard again")
            self._overlay.announce(f"The run is not followed any more: {reason}")

    def _look_often(self) -> None:
        while not self._stopped.wait(TRIALS_SECONDS):
            self.look()

    def _describe_often(self) -> None:
        described: tuple[int, bool] | None = None
        while not self._stopped.is_set():
            # A report that was not there yet is linked to as soon as it is.
            found = self._overlay.n_trials, self._report.is_file()
            pause = TRIALS_SECONDS
            if found != described:
                began = time.monotonic()
                if self.describe():
                    described = found
                pause = max(LEAST_PAUSE_SECONDS, REST * (time.monotonic() - began))
            self._stopped.wait(pause)
