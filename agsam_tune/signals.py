"""Interrupts: a first Ctrl-C asks, a second one and SIGTERM end, and none comes amid a write.

In: nothing. Out: signal handlers. Imports the standard library only.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def interrupt_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt, as SIGINT does; only the main thread may call it."""
    signal.signal(signal.SIGTERM, _interrupt)


@contextmanager
def handler_kept(number: signal.Signals) -> Iterator[None]:
    """Put a signal's handler back in place after the block, in the main thread."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and before is not None:  # None: it was not Python that set it
            signal.signal(number, before)


@contextmanager
def first_interrupt(ask: Callable[[], bool]) -> Iterator[None]:
    """While the block runs, let a first SIGINT ask it to end soon instead of interrupting it.

    A second one interrupts it, and so does SIGTERM, whose senders seldom wait. Changes nothing
    outside the main thread, where Python delivers no signals, and leaves an ignored SIGINT be.

    Args:
        ask: is called between any two instructions of the block, so it does little more than
            set a flag. Returns whether there is something to wait for; if not, the first SIGINT
            interrupts as well.
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal asked
        if not asked:
            asked = True
            if ask():
                return
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interrupts_held() -> Iterator[Callable[[], bool]]:
    """Let a first SIGINT or SIGTERM wait until the block is left; a second one interrupts it.

    For code of others that does not survive a KeyboardInterrupt at any line, or would lose one
    that comes while objects are destroyed. Gives a function that says whether one waits. Does
    nothing outside the main thread, where Python delivers no signals, and leaves ignored
    signals be.
    """
    waiting: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def hold(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if waiting:
            raise KeyboardInterrupt
        waiting.append(number)

    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if callable(handler := signal.getsignal(number))
    }
    for number in before:
        signal.signal(number, hold)
    try:
        yield lambda: bool(waiting)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:  # not where the block raised: the error says more
        signal.raise_signal(waiting[0])


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt
