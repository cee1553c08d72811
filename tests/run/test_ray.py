"""Ray listens to this machine only, prints nothing, changes nothing, and leaves nothing behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import QUICK, TINY, TRIALS, command, results
from tests.run.processes import LOCAL, descendants, is_training, listeners
from tests.waiting import until


def test_doors_are_shut_and_the_console_is_clean(tmp_path: Path, expected: pd.DataFrame) -> None:
    """One run, watched: who listens where, who can read the token, what is printed and left."""
    arguments = ("run", QUICK, *TINY, "--report", "--cpus", "2", "--out", tmp_path / "run")
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen: set[str] = set()
    pids: set[int] = set()
    tokens: dict[Path, tuple[int, int]] = {}
    while process.poll() is None:
        pids |= (now := descendants(process.pid))
        seen |= listeners(now)
        tokens |= _tokens(now)
        time.sleep(0.5)
    stdout, stderr = process.communicate()
    assert process.returncode == 0
    assert len(seen) >= 3  # the head's own
    assert {address.partition(":")[0] for address in seen} <= LOCAL
    assert set(tokens.values()) == {(0o600, 0o700)}  # of the file and of the folder
    assert not any(path.exists() for path in tokens)
    _check_console(stdout, stderr, tmp_path / "run" / "report.html")
    pd.testing.assert_frame_equal(results(tmp_path / "run"), expected, check_exact=True)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))  # none is left behind


def _tokens(pids: set[int]) -> dict[Path, tuple[int, int]]:
    """Modes of the processes' token files and of the folders that they lie in."""
    found = {}
    for pid in pids:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            for entry in environment:
                name, _, value = entry.decode(errors="replace").partition("=")
                if name == "RAY_AUTH_TOKEN_PATH":
                    path = Path(value)
                    modes = (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777)
                    found[path] = modes
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _check_console(stdout: str, stderr: str, report: Path) -> None:
    assert stderr == ""
    forecast, opening, *progress, verdict, where = stdout.splitlines()
    assert forecast.startswith(f"quick: {TRIALS} trials in ")
    assert opening[20:].startswith(f"quick: {TRIALS} trials to train: map ")
    assert all(" trials, " in line and " diverged" in line for line in progress)
    assert progress[-1][20:].startswith(f"done: {TRIALS}/{TRIALS} trials, ")
    assert verdict.startswith("Undecided: ")
    assert where == f"Report: {report}"


@pytest.mark.slow
@pytest.mark.parametrize("kills", [0, 2])
def test_one_worker_or_one_that_is_killed_gives_the_same_results(
    kills: int, tmp_path: Path, expected: pd.DataFrame
) -> None:
    cpus = ("--cpus", "2" if kills else "1")
    process = subprocess.Popen(
        command("run", QUICK, *TINY, *cpus, "--set", "packs.rows=8", "--out", tmp_path / "run"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    killed: set[int] = set()
    while process.poll() is None and len(killed) < kills:
        busy = {p for p in descendants(process.pid) - killed if is_training(p)}
        for pid in sorted(busy)[:1]:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.05)
    output, _ = process.communicate()
    assert bool(killed) == bool(kills)
    assert process.returncode == 0, output
    pd.testing.assert_frame_equal(results(tmp_path / "run"), expected, check_exact=True)
