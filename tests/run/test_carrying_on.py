"""A driver that is killed loses nothing and runs nothing twice."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.folder import RunFolder
from tests.run.commands import QUICK, TINY, agsam_tune, command, results, stored_keys

# Long enough to be still running when a busy machine gets round to stopping it.
LONG = ("--set", "training.epochs=100")


def _start(
    out: Path, executor: str, *more: str, sigint: signal.Handlers = signal.SIG_DFL
) -> subprocess.Popen[bytes]:
    arguments = ("run", QUICK, *TINY, *more, "--set", "packs.rows=4", "--out", out)
    return subprocess.Popen(
        command(*arguments, "--executor", executor),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # The tests themselves may run in the background, where a shell has SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, sigint),
    )


def _kill_after(process: subprocess.Popen[bytes], out: Path, trials: int) -> None:
    """Kill −9 as soon as that many trials are stored."""
    end = time.monotonic() + 120
    while len(stored_keys(out)) < trials and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    ("executor", "kills"),
    [
        ("inline", 2),
        pytest.param("ray", 1, marks=pytest.mark.slow),
        pytest.param("inline", 20, marks=pytest.mark.slow),
        pytest.param("ray", 20, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(1800)
def test_kill_9_at_random_moments(
    executor: str, kills: int, tmp_path: Path, expected: pd.DataFrame
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    out = tmp_path / "killed"
    for moment in sorted(rng.sample(range(1, len(expected) - 10), kills)):
        before = stored_keys(out)
        _kill_after(_start(out, executor), out, moment)
        assert stored_keys(out)[: len(before)] == before
    done = agsam_tune("run", QUICK, *TINY, "--out", out, "--executor", executor)
    assert done.returncode == 0, done.stdout + done.stderr
    keys = stored_keys(out)
    assert len(keys) == len(set(keys)) == len(expected)
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


@pytest.mark.parametrize(
    ("executor", "number"),
    [
        ("inline", signal.SIGINT),
        ("inline", signal.SIGTERM),
        ("ray", signal.SIGINT),
        pytest.param("ray", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_signal_keeps_everything_and_exits_with_3(
    executor: str, number: signal.Signals, tmp_path: Path, expected: pd.DataFrame
) -> None:
    out = tmp_path / "stopped"
    process = _start(out, executor, *LONG)
    while len(stored_keys(out)) < 10:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(timeout=60) == 3
    assert 10 <= len(stored_keys(out)) < len(expected)
    assert len(results(out)) == len(stored_keys(out))
    assert not (out / "report.html").exists()  # whoever stops a run is not made to wait for it


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_sigterm_stops_a_run_in_the_background(executor: str, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    process = _start(out, executor, *LONG, sigint=signal.SIG_IGN)
    while len(stored_keys(out)) < 10:
        time.sleep(0.01)
    process.terminate()
    assert process.wait(timeout=60) == 3


def test_a_second_driver_is_refused_by_name(tmp_path: Path) -> None:
    out = tmp_path / "locked"
    process = _start(out, "inline", *LONG)
    try:
        while not stored_keys(out):
            time.sleep(0.01)
        second = agsam_tune("run", QUICK, *TINY, *LONG, "--out", out)
    finally:
        process.kill()
        process.wait()
    assert second.returncode == 1
    assert f"process {process.pid} on " in second.stderr
    assert len(second.stderr.splitlines()) == 1
    # The lock died with its owner.
    with RunFolder(path=out).driver():
        pass
