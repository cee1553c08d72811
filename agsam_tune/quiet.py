"""Quiet: what other packages would print between our lines.

In: nothing. Out: their logging, turned down. Imports Optuna, so a command calls it only once
the study file is known to be right. Must not import torch, Ray or matplotlib.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_MATPLOTLIB = "matplotlib"


def quieten() -> None:
    """Optuna logs every trial otherwise; matplotlib, where it cannot keep its list of fonts."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger(_MATPLOTLIB).setLevel(logging.ERROR)


@contextmanager
def quietened() -> Iterator[None]:
    """The same for as long as the block runs: the process is somebody else's."""
    import optuna

    matplotlib = logging.getLogger(_MATPLOTLIB)
    before = optuna.logging.get_verbosity(), matplotlib.level
    quieten()
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before[0])
        matplotlib.setLevel(before[1])
