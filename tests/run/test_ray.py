"""Ray listens to this machine only, prints nothing, and leaves nothing behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd

from tests.run.commands import QUICK, TINY, agsam_tune, command, results
from tests.run.processes import LOCAL, descendants, is_training, listeners


def test_every_listener_is_on_this_machine(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("run", QUICK, *TINY, "--out", tmp_path / "run"), stdout=subprocess.DEVNULL
    )
    seen: set[str] = set()
    pids: set[int] = set()
    while process.poll() is None:
        pids |= descendants(process.pid)
        seen |= listeners(descendants(process.pid))
        time.sleep(0.2)
    assert process.returncode == 0
    assert len(seen) >= 3  # the head's own
    assert {address.partition(":")[0] for address in seen} <= LOCAL
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "processes are left behind"
        time.sleep(0.2)


def test_a_worker_that_is_killed_costs_nothing(tmp_path: Path, expected: pd.DataFrame) -> None:
    process = subprocess.Popen(
        command("run", QUICK, *TINY, "--set", "packs.rows=8", "--out", tmp_path / "run"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    killed: set[int] = set()
    while process.poll() is None and len(killed) < 2:
        busy = {p for p in descendants(process.pid) - killed if is_training(p)}
        for pid in sorted(busy)[:1]:
            time.sleep(0.3)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=120)
    assert killed
    assert process.returncode == 0, output
    pd.testing.assert_frame_equal(results(tmp_path / "run"), expected, check_exact=True)


def test_the_console_is_clean(tmp_path: Path) -> None:
    done = agsam_tune("run", QUICK, *TINY, "--report", "--out", tmp_path / "run")
    assert done.stderr == ""
    *progress, verdict, report = done.stdout.splitlines()
    assert all(" trials, " in line and " diverged" in line for line in progress)
    assert progress[-1].startswith("354/354 trials, ")
    assert "adaptive_gsam" in verdict
    assert report == f"Report: {tmp_path / 'run' / 'report.html'}"
