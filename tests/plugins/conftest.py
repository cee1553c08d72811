"""Modules of a user's, imported in this process and gone after the test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agsam_tune.optimizers import rules


@pytest.fixture(autouse=True)
def own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that a test registers are gone after it."""
    monkeypatch.setattr(rules, "RULES", dict(rules.RULES))


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Writes `my_own.py`, or another module, into a folder; gives the folder."""
    known, path = set(sys.modules), list(sys.path)

    def write(text: str, name: str = "my_own") -> Path:
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
        return tmp_path

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
