"""A stored run of the second design: every later version opens it, and could carry it on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agsam_tune.analysis import Summary
from agsam_tune.reporting import read_run
from tests.keep_run import lay_out
from tests.run.commands import invoke


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out("second_design", tmp_path / "kept")


def test_it_opens_and_says_what_it_gives(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (manifest["format"], manifest["looks"]) == (2, [3])
    run = read_run(folder)
    assert (run.study.format, run.study.replicates) == (2, 3)
    assert set(run.trials["replicate"]) == {0, 1, 2}
    for command in ("report", "show", "export"):
        done = invoke(command, folder)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    summary = Summary.model_validate_json((folder / "summary.json").read_bytes())
    assert (summary.format, summary.design.looks, summary.design.complete) == (2, (3,), True)
    for lens in ("own_scale", "equal_radius", "same_setting"):
        row = summary.comparison(lens, "regret")
        assert row is not None
        assert row.estimate is not None


def test_it_is_carried_on_with_nothing_left(folder: Path) -> None:
    before = read_run(folder).trials
    done = invoke("run", folder, "--executor", "inline", "--no-report")
    assert done.returncode == 0, done.stderr
    assert "nothing is left" in done.stdout
    assert len(read_run(folder).trials) == len(before)
