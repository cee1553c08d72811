"""The dashboard as a user starts it, in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.run.commands import command
from tests.waiting import until


@dataclass
class Dashboard:
    """One that serves."""

    process: subprocess.Popen[str]
    url: str
    said: str

    def read(self, path: str) -> bytes:
        """What it answers."""
        with urllib.request.urlopen(f"{self.url}{path}") as answer:  # noqa: S310
            content: bytes = answer.read()
        return content

    def get(self, path: str) -> Any:
        """What its interface answers, read as JSON."""
        return json.loads(self.read(f"api{path}"))

    def n_trials(self) -> int:
        """How many trials the optimizers of quick.toml have together."""
        return sum(len(self.get(f"/studies/{number}")["trials"]) for number in range(3))

    def wait_for_figures(self) -> None:
        """Until notes and figures are there."""
        self.wait_until(lambda: bool(self.get("/studies/0")["plotly_graph_objects"]))

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Until something is so."""
        until(is_so, while_true=lambda: self.process.poll() is None)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """Ctrl-C; returns exit code and what was said after it began."""
        self.process.send_signal(number)
        out, err = self.process.communicate()
        return self.process.returncode, out, err


@contextmanager
def dashboard(folder: Path, *arguments: str) -> Iterator[Dashboard]:
    """A dashboard on a free port."""
    process = subprocess.Popen(
        command("dashboard", folder, "--port", "0", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://\S+", said)
        assert found, said + (process.stderr.read() if process.stderr else "")
        yield Dashboard(process=process, url=found[0], said=said)
    finally:
        process.kill()
        process.communicate()
