"""Ray listens to this machine only, prints nothing, and leaves nothing behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import QUICK, TINY, agsam_tune, command, results

# 127.0.0.1, ::1 and ::ffff:127.0.0.1, as the kernel writes them.
LOCAL = {
    "0100007F",
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}
LISTENING = "0A"


def _descendants(pid: int) -> set[int]:
    """The process and all it started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _sockets(pid: int) -> set[str]:
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return inodes


def _listeners(pids: set[int]) -> set[str]:
    """Local addresses that the processes listen on, in the kernel's hexadecimal."""
    inodes: set[str] = set()
    for pid in pids:
        try:
            inodes |= _sockets(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {line[1] for line in lines if line[3] == LISTENING and line[9] in inodes}


def test_every_listener_is_on_this_machine(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("run", QUICK, *TINY, "--out", tmp_path / "run"), stdout=subprocess.DEVNULL
    )
    seen: set[str] = set()
    pids: set[int] = set()
    while process.poll() is None:
        pids |= _descendants(process.pid)
        seen |= _listeners(_descendants(process.pid))
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
        busy = {p for p in _descendants(process.pid) - killed if _is_training(p)}
        for pid in sorted(busy)[:1]:
            time.sleep(0.3)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=120)
    assert killed
    assert process.returncode == 0, output
    pd.testing.assert_frame_equal(results(tmp_path / "run"), expected, check_exact=True)


def _is_training(pid: int) -> bool:
    """Whether it is one of Ray's workers in the middle of a pack."""
    try:
        title = Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return title.startswith("ray::") and ".train" in title


def test_the_console_is_clean(tmp_path: Path) -> None:
    done = agsam_tune("run", QUICK, *TINY, "--report", "--out", tmp_path / "run")
    assert done.stderr == ""
    *progress, verdict, report = done.stdout.splitlines()
    assert all(" trials, " in line and " diverged" in line for line in progress)
    assert progress[-1].startswith("354/354 trials, ")
    assert "adaptive_gsam" in verdict
    assert report == f"Report: {tmp_path / 'run' / 'report.html'}"


@pytest.mark.parametrize("executor", ["inline", "ray"])
def test_a_trial_that_raises_is_recorded_and_the_others_finish(
    executor: str, tmp_path: Path
) -> None:
    (tmp_path / "fragile.py").write_text(FRAGILE)
    text = Path(QUICK).read_text()
    options = text[text.index("[task_options]") : text.index("[training]")]
    text = text.replace(options, "").replace('task = "moons"', 'task = "fragile:fragile"')
    (tmp_path / "mine.toml").write_text(text)
    arguments = ("run", tmp_path / "mine.toml", *TINY, "--out", tmp_path / "run")
    done = agsam_tune(*arguments, "--executor", executor)
    assert done.returncode == 1
    assert "trials raised, the first, of " in done.stdout
    assert ": RuntimeError: seed 1 is cursed. They are stored as FAIL" in done.stdout
    again = agsam_tune("export", tmp_path / "run")
    rows = [line.split(",") for line in again.stdout.splitlines()]
    seed, state = rows[0].index("seed"), rows[0].index("state")
    assert {(row[seed] == "1", row[state]) for row in rows[1:]} == {
        (True, "FAIL"),
        (False, "COMPLETE"),
    }
    # A trial that raised is finished: it is not run again.
    repeated = agsam_tune(*arguments, "--executor", executor)
    assert repeated.returncode == 1


FRAGILE = """
from agsam_tune.engine import mlp
from agsam_tune.tasks.moons import moons

# Breaks the engine where seed 1's weights are drawn, as a faulty model would.
_initial = mlp.MlpRows.initial

def _cursed(self, generator):
    from agsam_tune.streams import stream
    drawn = stream(study_seed=0, task="moons", seed=1, stream="weights")
    if generator.bit_generator.state == drawn.bit_generator.state:
        raise RuntimeError("seed 1 is cursed")
    return _initial(self, generator)

mlp.MlpRows.initial = _cursed

def fragile(*, seed):
    return moons(seed=seed, n=300, train_size=100, val_size=100)
"""
