"""The examples in the docstrings, run."""

import doctest
from pathlib import Path

import pytest

import agsam_tune
from agsam_tune import api
from agsam_tune.api import analysis


def test_the_examples_say_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the module and of every function; `folder` is a run's, as made there."""
    monkeypatch.chdir(tmp_path)
    options = {"study": "quick", "executor": "inline", "quiet": True, "report": False}
    folder = agsam_tune.run(**options, out="runs/quick")
    names = {"folder": folder, "analyse": agsam_tune.analyse}
    found = [
        doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS)
        for module in (api, analysis)
    ]
    assert sum(one.failed for one in found) == 0
    assert sum(one.attempted for one in found) > 15
    for name in agsam_tune.__all__:
        if not name.startswith("_"):
            assert ">>>" in (getattr(agsam_tune, name).__doc__ or ""), name
