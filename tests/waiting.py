"""Waiting for what another process or thread does. No limit of time: pytest's own ends a hang."""

import time
from collections.abc import Callable


def until(
    condition: Callable[[], object], *, while_true: Callable[[], object] = lambda: True
) -> None:
    """Return when the condition holds; fail when what it waits for can no longer come about."""
    while not condition():
        if not while_true():
            assert condition(), "what was waited for did not happen"
            return
        time.sleep(0.02)
