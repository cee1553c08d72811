"""The examples in the docstrings, run."""

import doctest
from pathlib import Path

import pytest

import agsam_tune
from agsam_tune import api


def test_the_examples_say_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the module and of every function; `folder` is a run's, as made there."""
    monkeypatch.chdir(tmp_path)
    options = {"study": "quick", "executor": "inline", "quiet": True, "report": False}
    folder = agsam_tune.run(**options, out="runs/quick")
    results = doctest.testmod(api, extraglobs={"folder": folder}, optionflags=doctest.ELLIPSIS)
    assert results.failed == 0
    assert results.attempted > 15
    for name in agsam_tune.__all__:
        if not name.startswith("_"):
            assert ">>>" in (getattr(agsam_tune, name).__doc__ or ""), name
