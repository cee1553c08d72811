"""Plain lines come at the start, now and then, at each phase's end, and at the end."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from agsam_tune.progress.facts import Facts, PhaseFacts
from agsam_tune.progress.lines import Lines
from agsam_tune.progress.progress import has_panel
from tests.progress.facts import some_facts

STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2} ")


class _Log:
    """Lines of a run, as they come; without the time stamps, which each line has."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.lines = Lines(Console(file=self.file, width=40))

    def new(self) -> list[str]:
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        assert text.isprintable() or set(text) - set("\n") == set(text.replace("\n", ""))
        assert "\x1b" not in text
        assert all(STAMP.match(line) for line in text.splitlines())
        return [STAMP.sub("", line) for line in text.splitlines()]


def _at(elapsed: float, done: int, **changed: object) -> Facts:
    phases = (
        PhaseFacts(name="map", done=min(done, 60), total=60),
        PhaseFacts(name="tune", done=max(done - 60, 0), total=40),
    )
    facts = some_facts(done=done, total=100, phases=phases, elapsed=elapsed, optimizers=2)
    return replace(facts, **changed)  # type: ignore[arg-type]


def test_when_a_line_comes() -> None:
    log = _Log()
    log.lines.start(_at(0.0, 0))
    assert log.new() == ["moons: 100 trials to train: map 60, tune 40"]
    log.lines.show(_at(5.0, 10))
    assert log.new() == []
    log.lines.show(_at(15.0, 10))
    (line,) = log.new()
    assert line == (
        "10/100 trials, 24.4 trials/s, 15s elapsed, 1m53s left, 2/2 workers busy, 34 diverged, "
        "0 failed to run, memory 1.4 GB, map 10/60, tune 0/40; best (median) validation accuracy: "
        "sgd - (-), sgd_2x 91.7% (85.3%)"
    )
    log.lines.show(_at(31.0, 10))  # nothing new
    assert log.new() == []
    log.lines.show(_at(315.0, 10))  # still alive
    assert len(log.new()) == 1
    log.lines.show(_at(316.0, 70))
    (line,) = log.new()
    assert line.startswith("map done: 70/100 trials, ")
    log.lines.show(_at(317.0, 100))  # the end says so
    assert log.new() == []
    log.lines.stop(_at(318.0, 100, state="done"))
    (line,) = log.new()
    assert line.startswith("done: 100/100 trials, ")


def test_a_stop_is_said_once_and_at_once() -> None:
    log = _Log()
    log.lines.start(_at(0.0, 0))
    log.new()
    log.lines.show(_at(1.0, 0, notice="Stopping when this is done, about 9s."))
    log.lines.show(_at(2.0, 0, notice="Stopping when this is done, about 8s."))
    assert log.new() == ["Stopping when this is done, about 9s."]


def test_a_run_that_carries_on_says_what_it_found() -> None:
    log = _Log()
    log.lines.start(_at(0.0, 70, stored=70))
    assert log.new() == ["moons: 70 of 100 trials are stored, 30 are left: tune 30"]
    log.lines.show(_at(1.0, 71))  # that map is done is no news
    assert log.new() == []


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "panel"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_where_a_panel_is_drawn(environment: dict[str, str], panel: bool) -> None:
    console = Console(file=_Terminal(), _environ=environment)
    assert has_panel(console, environment) is panel


def test_no_panel_in_a_pipe_even_if_colours_are_forced() -> None:
    environment = {"TERM": "xterm", "FORCE_COLOR": "1"}
    assert not has_panel(Console(file=io.StringIO(), _environ=environment), environment)
