"""What a command takes that trains nothing.

In: how often. Out: seconds. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from agsam_tune.bench.program import agsam_tune, timed
from agsam_tune.bench.spread import spread
from agsam_tune.errors import ExitCode

_COMMANDS = {
    "--help": (("--help",), ExitCode.DONE),
    "list": (("list",), ExitCode.DONE),
    "a wrong study file": (("run", "wrong.toml"), ExitCode.WRONG_USE),
}


def start_up(times: int = 5) -> dict[str, dict[str, float]]:
    """Wall seconds of each command, median, least and most, from its start to its end."""
    return {name: _measured(*command, times) for name, command in _COMMANDS.items()}


def _measured(arguments: tuple[str, ...], expected: int, times: int) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        (Path(folder) / "wrong.toml").write_text('tusk = "moons"\n')
        command = agsam_tune(*arguments)
        found = [timed(command, Path(folder), expected=expected)[0] for _ in range(times)]
    return spread(found)
