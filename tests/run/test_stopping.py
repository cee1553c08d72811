"""Ctrl-C once finishes the packs being trained and keeps them; twice, or SIGTERM, ends at once.

The signals are real and reach all processes of the run, as a terminal sends them.
"""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import agsam_tune, command, stored_keys
from tests.run.guilty import write_study

# Of one optimizer: 8 trials of map, 2 of tune, 2 of iid and 25 of misset. All wait in their
# models until they are let go.
ROWS, TOTAL = 2, 37
SMALL = [
    *("--set", "training.epochs=1", "--set", "training.batch_size=20"),
    *("--set", "phases.map.points=4", "--set", "phases.map.replicates=2"),
    *("--set", "phases.tune.points=1", "--set", "phases.iid.points=2"),
    *("--set", "phases.misset.seeds=1", "--set", f"packs.rows={ROWS}"),
    "--no-report",
]
# Two workers, whatever the machine has.
EXECUTORS = [("inline", 1), ("ray", 2)]
RAY_SLOWLY = [EXECUTORS[0], pytest.param(*EXECUTORS[1], marks=pytest.mark.slow)]


class Waiting:
    """A run whose trials wait, in a session of its own as a terminal gives it one."""

    def __init__(self, folder: Path, executor: str, output: int) -> None:
        self.folder, self.out, self.log = folder, folder / "run", folder / "log"
        options = f"seeds = {list(range(8))}\ndoes = 'wait'\nlog = '{self.log}'"
        self.study = write_study(folder, options, alone=True)
        self.arguments = ["run", self.study, *SMALL, "--out", self.out]
        start = [*self.arguments, "--executor", executor, "--cpus", "2"]
        environment = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR")}
        self.process = subprocess.Popen(
            command(*start),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
            start_new_session=True,
            # The tests themselves may run in the background, where a shell has SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait_for_packs(self, count: int) -> None:
        """Until so many workers are in their first trial's model."""
        end = time.monotonic() + 120
        while not self.log.exists() or len(self.log.read_text().splitlines()) < count:
            assert self.process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def let_go(self) -> None:
        Path(f"{self.log}.go").touch()


@contextmanager
def waiting(folder: Path, executor: str) -> Iterator[tuple[Waiting, Path]]:
    """A run that writes to a file, which comes with it."""
    text = folder / "output"
    with text.open("wb") as file:
        run = Waiting(folder, executor, file.fileno())
        try:
            yield run, text
        finally:
            run.process.kill()
            run.process.wait()


def _said(text: Path, words: str) -> str:
    """The line with these words, which comes soon."""
    end = time.monotonic() + 30
    while words not in (found := text.read_text()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return next(line for line in found.splitlines() if words in line)


@pytest.mark.parametrize(("executor", "workers"), RAY_SLOWLY)
def test_once_finishes_what_was_begun(executor: str, workers: int, tmp_path: Path) -> None:
    with waiting(tmp_path, executor) as (run, text):
        run.wait_for_packs(workers)
        run.interrupt()
        packs = "the pack" if workers == 1 else f"the {workers} packs"
        line = _said(text, "Stopping when")
        assert f"Stopping when {packs} being trained ({workers * ROWS} trials)" in line
        time.sleep(1.0)
        assert run.process.poll() is None  # it waits for them
        run.let_go()
        assert run.process.wait(timeout=60) == 3
    stored = stored_keys(run.out)
    assert len(stored) == workers * ROWS  # those packs, and no other
    output = text.read_text()
    assert f"Stopped. {len(stored)} of {TOTAL} trials are stored; the same" in output
    assert "Traceback" not in output
    _carry_on(run, stored)


@pytest.mark.parametrize(("executor", "workers"), RAY_SLOWLY)
def test_twice_ends_at_once(executor: str, workers: int, tmp_path: Path) -> None:
    with waiting(tmp_path, executor) as (run, text):
        run.wait_for_packs(workers)
        run.interrupt()
        _said(text, "Ctrl-C again stops at once")
        run.interrupt()
        assert run.process.wait(timeout=30) == 3
    assert f"Stopped. 0 of {TOTAL} trials are stored; the same" in text.read_text()
    assert "Traceback" not in text.read_text()


@pytest.mark.parametrize(("executor", "workers"), RAY_SLOWLY)
def test_sigterm_waits_for_no_pack(executor: str, workers: int, tmp_path: Path) -> None:
    with waiting(tmp_path, executor) as (run, text):
        run.wait_for_packs(workers)
        run.process.terminate()
        assert run.process.wait(timeout=30) == 3
    assert f"Stopped. 0 of {TOTAL} trials are stored; the same" in text.read_text()


def test_once_is_enough_while_nothing_is_trained(tmp_path: Path) -> None:
    with waiting(tmp_path, "ray") as (run, text):
        _said(text, "trials to train")  # Ray is being started
        run.interrupt()
        assert run.process.wait(timeout=60) == 3
    assert "Stopping when" not in text.read_text()
    assert f"Stopped. 0 of {TOTAL} trials are stored; the same" in text.read_text()


def _carry_on(run: Waiting, stored: list[tuple[object, ...]]) -> None:
    """The same command does the rest, says so, and runs nothing twice."""
    # Inline, which is the faster one; results are equal.
    done = agsam_tune(*run.arguments, "--executor", "inline")
    assert done.returncode == 0, done.stdout + done.stderr
    left = TOTAL - len(stored)
    assert f" mine: {len(stored)} of {TOTAL} trials are stored, {left} are left: " in done.stdout
    keys = stored_keys(run.out)
    assert keys[: len(stored)] == stored
    assert len(keys) == len(set(keys)) == TOTAL
    assert len(pd.read_parquet(run.out / "trials.parquet")) == TOTAL


def test_a_terminal_shows_the_panel_and_the_stop(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    run = Waiting(tmp_path, "inline", slave)
    os.close(slave)
    shown = bytearray()
    try:
        _read_until(master, shown, "1 of 1 workers busy")
        run.wait_for_packs(1)
        run.interrupt()
        _read_until(master, shown, "Stopping when the pack being trained (2 trials)")
        run.let_go()
        _read_until(master, shown, "the same command carries on")
        assert run.process.wait(timeout=30) == 3
    finally:
        run.process.kill()
        run.process.wait()
        os.close(master)
    text = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", shown.decode())
    lines = re.split(r"[\r\n]+", text)
    last = max(i for i, line in enumerate(lines) if line.startswith("╭─ mine · stopped "))
    assert lines[last + 1].startswith(f"│ 2 of {TOTAL} trials  ━──")
    assert all(len(line) == 80 for line in lines if line.startswith(("╭", "│", "╰")))


def _read_until(master: int, shown: bytearray, words: str) -> None:
    end = time.monotonic() + 60
    while words not in re.sub(rb"\x1b\[[?\d;]*[a-zA-Z]", b"", shown).decode(errors="replace"):
        assert time.monotonic() < end, shown.decode(errors="replace")
        try:
            shown += os.read(master, 65536)
        except OSError:  # the other end is closed
            end = 0.0
