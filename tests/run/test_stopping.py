"""Ctrl-C once finishes the packs being trained and keeps them; twice, or SIGTERM, ends at once.

The signals are real and reach all processes of the run, as a terminal sends them.
"""

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import SMALL, invoke, of_one, stored_keys
from tests.run.drivers import Driver
from tests.run.guilty import write_study
from tests.waiting import until

# Of one optimizer in two replicates: 6 trials of map, 2 of tune, 4 of misset, 2 of default and 4 of
# iid. All wait in their models until they are let go.
ROWS, TOTAL = 2, 18
SIZE = [*of_one(SMALL), "--set", f"packs.rows={ROWS}", "--report"]
# The executor and its workers, whatever the machine has.
INLINE, RAY = ("inline", 1), ("ray", 2)
SLOW_RAY = pytest.param(RAY, marks=pytest.mark.slow)
Executor = tuple[str, int]


class Waiting(Driver):
    """A run whose trials wait."""

    def __init__(
        self,
        folder: Path,
        executor: Executor,
        output: Path,
        sigint: signal.Handlers = signal.SIG_DFL,
    ) -> None:
        self.out, self.log, self.workers = folder / "run", folder / "log", executor[1]
        options = f"trials = 'all'\ndoes = 'wait'\nlog = '{self.log}'"
        study = write_study(folder, options, alone=True)
        self.arguments = ["run", study, *SIZE, "--out", self.out]
        plain = {"CI": "false", "NO_COLOR": "", "TERM": "xterm-256color"}
        super().__init__(
            *(*self.arguments, "--executor", executor[0], "--cpus", str(executor[1])),
            output=output,
            sigint=sigint,
            environment={**plain, "COLUMNS": "80", "LINES": "24"},
        )

    def wait_for_packs(self) -> None:
        """Until all workers are in their first trial's model."""
        until(lambda: self._begun() >= self.workers, while_true=self.works)

    def _begun(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def let_go(self) -> None:
        Path(f"{self.log}.go").touch()


@contextmanager
def waiting(
    folder: Path, executor: Executor, sigint: signal.Handlers = signal.SIG_DFL
) -> Iterator[tuple[Waiting, Path]]:
    """A run that writes to a file, which comes with it."""
    text = folder / "output"
    run = Waiting(folder, executor, text, sigint)
    try:
        yield run, text
    finally:
        run.kill()


def _said(run: Waiting, text: Path, words: str) -> str:
    """The line with these words, when it is there."""
    until(lambda: text.exists() and words in text.read_text(), while_true=run.works)
    return next(line for line in text.read_text().splitlines() if words in line)


@pytest.mark.parametrize(
    "executor", [pytest.param(INLINE, marks=pytest.mark.slow), ("ray", 1), SLOW_RAY], ids=str
)
def test_once_finishes_what_was_begun(executor: Executor, tmp_path: Path) -> None:
    with waiting(tmp_path, executor) as (run, text):
        run.wait_for_packs()
        run.send(signal.SIGINT)
        packs = "the pack" if run.workers == 1 else f"the {run.workers} packs"
        line = _said(run, text, "Stopping when")
        assert f"Stopping when {packs} being trained ({run.workers * ROWS} trials)" in line
        assert run.works()  # it waits for them
        run.let_go()
        assert run.wait() == 3
    stored = stored_keys(run.out)
    assert len(stored) == run.workers * ROWS  # those packs, and no other
    output = text.read_text()
    assert f"Stopped. {len(stored)} of {TOTAL} trials are stored; the same" in output
    assert "Traceback" not in output
    _carry_on(run, stored)


@pytest.mark.parametrize("executor", [INLINE, SLOW_RAY], ids=str)
def test_twice_ends_at_once(executor: Executor, tmp_path: Path) -> None:
    with waiting(tmp_path, executor) as (run, text):
        run.wait_for_packs()
        run.send(signal.SIGINT)
        _said(run, text, "Ctrl-C again stops at once")
        run.send(signal.SIGINT)
        assert run.wait() == 3
    assert f"Stopped. 0 of {TOTAL} trials are stored; the same" in text.read_text()
    assert "Traceback" not in text.read_text()


@pytest.mark.parametrize(
    ("executor", "sigint"),
    [
        (INLINE, signal.SIG_IGN),  # as a shell starts it in the background
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((INLINE, signal.SIG_DFL), (RAY, signal.SIG_IGN), (RAY, signal.SIG_DFL))
        ),
    ],
    ids=str,
)
def test_sigterm_waits_for_no_pack(
    executor: Executor, sigint: signal.Handlers, tmp_path: Path
) -> None:
    with waiting(tmp_path, executor, sigint) as (run, text):
        run.wait_for_packs()
        run.send(signal.SIGTERM)
        assert run.wait() == 3
    assert f"Stopped. 0 of {TOTAL} trials are stored; the same" in text.read_text()


@pytest.mark.slow
def test_once_is_enough_while_nothing_is_trained(tmp_path: Path) -> None:
    with waiting(tmp_path, RAY) as (run, text):
        _said(run, text, "trials to train")  # Ray is being started
        run.send(signal.SIGINT)
        assert run.wait() == 3
    assert "Stopping when" not in text.read_text()
    assert f"Stopped. 0 of {TOTAL} trials are stored; the same" in text.read_text()


def _carry_on(run: Waiting, stored: list[tuple[object, ...]]) -> None:
    """What was stored is there to read; the same command does the rest, and nothing twice."""
    assert len(pd.read_parquet(run.out / "trials.parquet")) == len(stored)
    assert not (run.out / "report.html").exists()  # whoever stops a run is not made to wait for it
    # Inline, which is the faster one; results are equal.
    done = invoke(*run.arguments, "--no-report", "--executor", "inline")
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
    run = Waiting(tmp_path, INLINE, Path(os.ttyname(slave)))
    shown = bytearray()
    try:
        _read_until(master, shown, "1 of 1 workers busy")
        run.wait_for_packs()
        os.write(master, b"\x03")  # Ctrl-C, as a terminal takes it
        _read_until(master, shown, "Stopping when the pack being trained (2 trials)")
        run.let_go()
        _read_until(master, shown, "the same command carries on")
        assert run.wait() == 3
    finally:
        run.kill()
        os.close(slave)
        os.close(master)
    text = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", shown.decode()).replace("^C", "")
    lines = re.split(r"[\r\n]+", text)
    last = max(i for i, line in enumerate(lines) if line.startswith("╭─ mine · stopped "))
    assert lines[last + 1].startswith(f"│ 2 of {TOTAL} trials  ━━━──")
    assert all(len(line) == 80 for line in lines if line.startswith(("╭", "│", "╰")))
    _carry_on(run, stored_keys(run.out))


def _read_until(master: int, shown: bytearray, words: str) -> None:
    """Read what the terminal shows; the slave's end is kept open, so that this only waits."""
    while words not in re.sub(rb"\x1b\[[?\d;]*[a-zA-Z]", b"", shown).decode(errors="replace"):
        shown += os.read(master, 65536)
