"""What can go wrong for a user, and the exit code that says so.

In: nothing. Out: exceptions whose text is one readable message. Imports nothing.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    FAILURE = 1
    WRONG_USE = 2
    STOPPED = 3


class AgsamTuneError(Exception):
    """The base of errors that are shown as one message, without a traceback."""

    exit_code = ExitCode.FAILURE


class UsageError(AgsamTuneError):
    """The command was used wrongly: a wrong file, folder or value. Nothing was written."""

    exit_code = ExitCode.WRONG_USE


class RunError(AgsamTuneError):
    """Something failed while a study ran."""
