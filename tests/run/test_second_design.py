"""A stored run of the second design: every later version opens it, and could carry it on."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from agsam_tune.analysis import Summary
from agsam_tune.reporting import read_run
from tests.run.commands import invoke

FIXTURE = Path(__file__).parents[1] / "fixtures" / "second_design"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The run as it lay in its folder, but for its report."""
    path = tmp_path / "kept"
    path.mkdir()
    shutil.copy(FIXTURE / "manifest.json", path)
    packed = (FIXTURE / "study.journal.gz").read_bytes()
    (path / "study.journal").write_bytes(gzip.decompress(packed))
    return path


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
