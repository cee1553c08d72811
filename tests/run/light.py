"""What calls of the program import: those that answer at once import nothing heavy."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HEAVY = ("torch", "ray", "optuna", "pandas", "numpy", "scipy", "sklearn", "matplotlib")

_PROGRAM = """
import json, os, sys
calls, environments, of = json.loads(sys.argv[1])
from agsam_tune.cli import app
for words, environment in zip(calls, environments, strict=True):
    sys.argv = ["agsam-tune", *words]
    os.environ.update(environment)
    try:
        app(words, prog_name="agsam-tune")
    except SystemExit:
        pass
    print("\\nimported", json.dumps([name for name in of if name in sys.modules]), flush=True)
"""


def imported(
    calls: Sequence[Sequence[str]],
    cwd: Path,
    *,
    environments: Sequence[Mapping[str, str]] | None = None,
    of: Sequence[str] = HEAVY,
) -> list[list[str]]:
    """Of these packages, those imported by the end of each call.

    The calls follow one another in one fresh interpreter: of several, the first that imports a
    package is the guilty one.
    """
    given = json.dumps([calls, environments or [{}] * len(calls), of])
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, given],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    return [json.loads(line[9:]) for line in lines if line.startswith("imported [")]
