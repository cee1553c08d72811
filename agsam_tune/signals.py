"""SIGTERM is taken as Ctrl-C: everything so far is kept, and a report is written.

In: nothing. Out: a signal handler. Imports the standard library only.
"""

from __future__ import annotations

import signal
from types import FrameType


def interrupt_on_sigterm() -> None:
    """Let SIGTERM do what SIGINT does; only the main thread may call it."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So shells start what runs in the background; SIGTERM is meant for it all the same.
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
