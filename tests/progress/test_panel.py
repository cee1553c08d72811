"""The panel fits every terminal, and leaves out the least first."""

import io
import math

import pytest
from rich.console import Console

from agsam_tune.progress.facts import Facts, duration, memory, points, rate
from agsam_tune.progress.panel import panel
from tests.progress.facts import some_facts

STOPPING = "Stopping when the 2 packs being trained (128 trials) are done and stored, about 12s."


def drawn(facts: Facts, width: int, height: int) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, no_color=True
    )
    with console.capture() as captured:
        console.print(panel(facts, width, height))
    text = captured.get()
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[0m", "\x1b[1;2m"):
        text = text.replace(code, "")
    assert "\x1b" not in text
    return text.splitlines()


def test_all_of_it_in_80_columns() -> None:
    lines = drawn(some_facts(failed=3), 80, 24)
    assert len(lines) == 13
    assert {len(line) for line in lines} == {80}
    text = "\n".join(lines)
    for fact in (
        "moons · training",
        "1,204 of 3,928 trials",
        "30%",
        "elapsed 52s · left 1m53s · 24.4 trials/s · 2 of 2 workers busy · 34 diverged",
        "3 failed to run · memory 1.4 GB",
        "map    ━━━───────   692/2,056",
        "misset ──────────     0/848",
        "adaptive_gsam  204/1,016   91.7%   85.3%",
        "sgd            200/1,016       –       –",
    ):
        assert fact in text, text


@pytest.mark.parametrize("width", [1, 4, 10, 20, 40, 60, 79, 80, 81, 120, 200])
@pytest.mark.parametrize("notice", ["", STOPPING])
@pytest.mark.parametrize(("optimizers", "long_names"), [(1, False), (6, True), (40, False)])
def test_it_fits(width: int, notice: str, optimizers: int, long_names: bool) -> None:
    facts = some_facts(optimizers=optimizers, long_names=long_names, notice=notice)
    for height in (*range(1, 16), 24, 60):
        lines = drawn(facts, width, height)
        assert len(lines) <= max(height - 1, 1), height
        assert all(len(line) <= min(width, 100) for line in lines), height


def test_what_counts_most_stays_longest() -> None:
    assert drawn(some_facts(), 80, 3) == ["1,204/3,928 · left 1m53s · training"]
    short = "\n".join(drawn(some_facts(), 80, 8))
    assert "left 1m53s" in short
    assert "map 692/2,056 · tune 512/512" in short
    assert "validation" not in short
    narrow = "\n".join(drawn(some_facts(), 39, 40))  # one below the other
    assert narrow.index("misset") < narrow.index("adaptiv…  204/1,016   91.7%   85.3%")
    many = "\n".join(drawn(some_facts(optimizers=40), 80, 24))
    assert "and 25 more" in many


def test_a_stop_is_said_first() -> None:
    lines = drawn(some_facts(notice=STOPPING, state="stopping"), 60, 24)
    assert "stopping" in lines[0]
    assert "Stopping when the 2 packs being trained (128 trials) are" in lines[2]
    assert "done and stored, about 12s." in lines[3]


def test_what_is_unknown_is_a_dash() -> None:
    start = some_facts(rate=None, left=None, workers=None, memory=None, busy=0, state="starting")
    text = "\n".join(drawn(start, 80, 24))
    assert "left – · – trials/s · 0 of – workers busy" in text
    assert "memory" not in text


def test_numbers_are_written_for_people() -> None:
    assert [duration(s) for s in (0, 59.4, 59.6, 3599.7, 7500, 266_400)] == [
        *("0s", "59s", "1m00s", "1h00m", "2h05m", "3d02h")
    ]
    assert [rate(r) for r in (11.84, 0.5, 0.001)] == [
        *("11.8 trials/s", "30.0 trials/min", "3.6 trials/h")
    ]
    assert [memory(size) for size in (812_300_000, 3_440_000_000)] == ["812 MB", "3.4 GB"]
    assert [points(p, "-") for p in (0.9174, 1.0, math.nan)] == ["91.7%", "100.0%", "-"]
