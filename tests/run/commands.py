"""The command line as a user calls it, in this process or in one of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from agsam_tune import plugins
from agsam_tune.cli import app
from agsam_tune.signals import handler_kept

ROOT = Path(__file__).parents[2]
QUICK = str(ROOT / "studies" / "quick.toml")
PROGRAM = [str(Path(sys.executable).parent / "agsam-tune")]

# All phases, in a few seconds: 148 trainings of 26 steps in two replicates. The report takes longer
# than that: where a test wants it, it says --report.
TINY = [
    *("--set", "training.epochs=2", "--set", "replicates=2", "--set", "phases.map.points=4"),
    *("--set", "phases.tune.points=10", "--set", "phases.off.points=4"),
    *("--set", "phases.misset.points=2", "--set", "phases.iid.points=2"),
    "--no-report",
]
TRIALS = 148
# All phases but for the second batch of tune, in a second; the range of radius need not be found.
SMALL = [
    *("--set", "training.epochs=1", "--set", "training.batch_size=20", "--set", "replicates=2"),
    *("--set", "phases.map.points=2", "--set", "phases.tune.points=1"),
    *("--set", "phases.key.points=2", "--set", "phases.off.points=2"),
    *("--set", "phases.radius.points=2"),
    *("--set", "phases.radius.low=0.1", "--set", "phases.radius.high=1.0"),
    *("--set", "phases.misset.points=2", "--set", "phases.iid.points=2"),
    "--no-report",
]
# The quick study so, in many packs, for something to happen amid them.
FEW = [QUICK, *SMALL, "--set", "packs.rows=8"]


def of_one(settings: Sequence[str]) -> list[str]:
    """The settings without those of phases that compare two optimizers."""
    pair = ("phases.key.", "phases.off.", "phases.radius.")
    kept = []
    for option, value in zip(settings, [*settings[1:], ""], strict=True):
        if option.startswith("--") and not value.startswith(pair):
            kept += [option, value] if option == "--set" else [option]
    return kept


def command(*arguments: str | Path) -> list[str]:
    return [*PROGRAM, *map(str, arguments)]


def agsam_tune(
    *arguments: str | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """A call in a process of its own, with the start that a user has: seconds of imports."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def invoke(
    *arguments: str | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """A call in this process, for all that does not need one of its own.

    Args:
        arguments: the words after the program's name.
        cwd: the working folder; None for that of the test.
        environment: variables to add.
    """
    words = list(map(str, arguments))
    with process_as_it_was(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*PROGRAM, *words])
        if cwd is not None:
            patch.chdir(cwd)
        done = CliRunner().invoke(app, words, prog_name="agsam-tune", env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


@contextmanager
def process_as_it_was() -> Iterator[None]:
    """Undo what a call may leave behind: signals, variables, modules of a study's own."""
    path, added, modules = sys.path[:], set(plugins._ADDED), set(sys.modules)
    variables = dict(os.environ)
    with handler_kept(signal.SIGINT), handler_kept(signal.SIGTERM):
        try:
            yield
        finally:
            folders = [Path(folder) for folder in plugins._ADDED - added]
            for name in set(sys.modules) - modules:
                file = Path(getattr(sys.modules[name], "__file__", None) or ROOT)
                if not file.is_relative_to(ROOT) and any(map(file.is_relative_to, folders)):
                    del sys.modules[name]
            plugins._ADDED.intersection_update(added)
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(variables)


def run_tiny(out: Path, *arguments: str) -> pd.DataFrame:
    """Run the tiny study to its end; returns what two runs must agree on."""
    done = invoke("run", QUICK, *TINY, "--out", out, "--executor", "inline", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return results(out)


def results(out: Path) -> pd.DataFrame:
    """The trials without what differs from run to run."""
    table = pd.read_parquet(out / "trials.parquet")
    return table.drop(columns=["seconds", "trial_number"])


def tree(folder: Path) -> Sequence[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def stored(out: Path) -> int:
    """How many trials are in the journal, or a little more while the last is being written."""
    journal = out / "study.journal"
    return journal.read_bytes().count(b'"phase"') if journal.exists() else 0


def stored_keys(out: Path) -> list[tuple[object, ...]]:
    """The keys in the journal, read without the program."""
    journal = out / "study.journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    keys = []
    for line in lines:
        try:
            attributes = json.loads(line).get("user_attrs", {})
        except json.JSONDecodeError:
            continue
        if "phase" in attributes:
            study = json.loads(line)["study_id"]
            keys.append((study, attributes["phase"], attributes["point"], attributes["seed"]))
    return keys
