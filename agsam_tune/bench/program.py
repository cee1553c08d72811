"""The command line as a user calls it, in a process of its own.

In: arguments. Out: a list for `subprocess`, and what came of it. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agsam_tune.errors import AgsamTuneError

_CODE = "import sys; from agsam_tune.cli import main; sys.argv[0] = 'agsam-tune'; main()"


def agsam_tune(*arguments: str) -> list[str]:
    """The command `agsam-tune`, of the same Python and of the same code."""
    return [sys.executable, "-c", _CODE, *arguments]


def module(name: str, *arguments: str) -> list[str]:
    """A module of this package as a program."""
    return [sys.executable, "-m", name, *arguments]


def timed(command: Sequence[str], folder: Path, *, expected: int = 0) -> tuple[float, str]:
    """Wall seconds from a command's start to its end, and its standard output.

    Raises:
        AgsamTuneError: it ended with another exit code than the expected one.
    """
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    if done.returncode != expected:
        msg = f"bench: {' '.join(command[2:])} ended with exit code {done.returncode}"
        raise AgsamTuneError("\n".join([msg, done.stderr[-2000:]]))
    return seconds, done.stdout
