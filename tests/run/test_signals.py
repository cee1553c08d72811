"""An interrupt waits while something is being written, and is not lost."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agsam_tune.signals import first_interrupt, interrupt_on_sigterm, interrupts_held
from tests.run.commands import QUICK, TINY, invoke


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """SIGINT as a terminal leaves it, whoever started the tests."""
    before = [(n, signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt_on_sigterm()
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_held_interrupt_comes_at_the_end(number: signal.Signals) -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held():
            signal.raise_signal(number)
            steps.append("written")
        steps.append("not reached")
    assert steps == ["written"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_a_second_interrupt_does_not_wait() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        signal.raise_signal(signal.SIGINT)
        steps.append("held")
        signal.raise_signal(signal.SIGINT)
        steps.append("not reached")
    assert steps == ["held"]


def test_an_ignored_interrupt_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_held():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        signal.raise_signal(signal.SIGTERM)


def test_an_error_is_not_hidden_by_a_held_interrupt() -> None:
    with pytest.raises(OSError, match="full"), interrupts_held():
        signal.raise_signal(signal.SIGINT)
        raise OSError("full")


def test_other_threads_are_let_be() -> None:
    def enter() -> None:
        with interrupts_held():
            entered.append(True)

    entered: list[bool] = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]


def test_a_first_interrupt_asks_and_a_second_one_ends() -> None:
    steps = []

    def ask() -> bool:
        steps.append("asked")
        return True

    with pytest.raises(KeyboardInterrupt), first_interrupt(ask):
        signal.raise_signal(signal.SIGINT)
        steps.append("goes on")
        signal.raise_signal(signal.SIGINT)
        steps.append("not reached")
    assert steps == ["asked", "goes on"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_first_interrupt_ends_where_nothing_is_waited_for() -> None:
    with pytest.raises(KeyboardInterrupt), first_interrupt(lambda: False):
        signal.raise_signal(signal.SIGINT)


def test_sigterm_asks_nobody() -> None:
    with pytest.raises(KeyboardInterrupt), first_interrupt(lambda: True):
        signal.raise_signal(signal.SIGTERM)


def test_an_ignored_interrupt_asks_nobody() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = []
    with first_interrupt(lambda: bool(asked.append(1))):
        signal.raise_signal(signal.SIGINT)
    assert asked == []


def test_an_interrupt_held_in_a_write_asks_after_it() -> None:
    steps = []

    def ask() -> bool:
        steps.append("asked")
        return True

    with first_interrupt(ask):
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            steps.append("written")
        steps.append("goes on")
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            signal.raise_signal(signal.SIGINT)
            steps.append("written")
    assert steps == ["written", "asked", "goes on", "written"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_journal_survives_an_interrupt_in_a_write(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the worst moment: as the journal's lock is given back."""
    unlink, freed = os.unlink, list[str]()

    def unlink_then_interrupt(path: str, *args: object, **kwargs: object) -> None:
        unlink(path, *args, **kwargs)  # type: ignore[arg-type]
        if str(path).endswith(".rename"):
            freed.append(path)
            if len(freed) == 15:
                signal.raise_signal(number)

    monkeypatch.setattr(os, "unlink", unlink_then_interrupt)
    done = invoke("run", QUICK, *TINY, "--executor", "inline", "--out", tmp_path / "out")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "trials are stored; the same command carries on" in done.stdout
    assert not list((tmp_path / "out").glob("study.journal.lock*"))
