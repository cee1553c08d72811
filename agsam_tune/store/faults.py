"""What can go wrong with a storage, and how long one that is away is waited for.

In: what a storage raises. Out: a StorageError of one line, without SQL and passwords. Must
not import torch or Ray.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optuna.exceptions import OptunaError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

PATIENCE_SECONDS = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE, _BLINK = 0.25, 5.0, 0.1
_log = logging.getLogger(__name__)


class StorageError(Exception):
    """The storage cannot be opened, read or written, or does not hold the study."""


class StorageAwayError(StorageError):
    """The storage cannot be reached now, and may be there again soon."""


class StorageTakenError(StorageError):
    """Another driver has the storage; the message names it."""


# What storages raise, besides their own faults turned into StorageError.
STORAGE_FAULTS = (OSError, SQLAlchemyError, OptunaError, ImportError, ValueError, RuntimeError)


def reason(error: BaseException) -> str:
    """What a storage says is wrong, in one line."""
    if isinstance(error, OptunaError) and error.__cause__ is not None:
        return reason(error.__cause__)  # Optuna's own says only that there is one
    if isinstance(error, DBAPIError) and error.orig is not None:
        return _first_line(error.orig)  # SQLAlchemy's own has the SQL and its values
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f": {error.filename}"
        return f"{error.strerror}{place}"
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what a storage raises when it is opened or read into a StorageError of one line."""
    try:
        yield
    except (*STORAGE_FAULTS, KeyError) as error:  # the last from tables of somebody else's
        raise StorageError(f"cannot be used as a storage: {reason(error)}") from error


def patiently(
    write: Callable[[bool], None], seconds: float, *, interrupted: Callable[[], bool]
) -> None:
    """Write, and while the storage is away, try again for so long.

    Args:
        write: writes; is told whether it is tried again, when the time before may have been
            a success of which only the answer was lost.
        seconds: how long to wait.
        interrupted: says whether the user has had enough of it.

    Raises:
        KeyboardInterrupt: the user had.
        StorageAwayError: it was away for longer.
        StorageError: waiting does not help.
    """
    began: float | None = None
    pause = _FIRST_PAUSE
    while True:
        try:
            write(began is not None)
        except StorageAwayError as error:
            now = time.monotonic()
            if began is None:
                began = now
                message = "The storage is away (%s): waiting up to %g s"
                _log.warning(message, str(error), seconds)
            elif now - began >= seconds:
                msg = f"it was away for {seconds:g} s, the last reason: {error}"
                raise StorageAwayError(msg) from error
        else:
            if began is not None:
                elapsed = time.monotonic() - began
                _log.warning("The storage is back after %.0f s: the run goes on", elapsed)
            return
        _sleep(pause, interrupted)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _sleep(seconds: float, interrupted: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not interrupted():
        time.sleep(min(left, _BLINK))
    if interrupted():
        raise KeyboardInterrupt
