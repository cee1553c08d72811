"""Quiet: what other packages would print between our lines.

In: nothing. Out: their logging, turned down. Imports Optuna, so a command calls it only once
the study file is known to be right. Must not import torch or Ray.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def quieten() -> None:
    """Optuna logs every trial otherwise."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextmanager
def quietened() -> Iterator[None]:
    """The same for as long as the block runs: the process is somebody else's."""
    import optuna

    before = optuna.logging.get_verbosity()
    quieten()
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
