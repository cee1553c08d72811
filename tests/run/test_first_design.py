"""A run of the first design: every later version opens it, says what it gives, and adds nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.reporting import analysed, read_run
from agsam_tune.study import Study
from tests.keep_run import lay_out
from tests.run.commands import QUICK, invoke, tree

TRIALS = 173


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out("first_design", tmp_path / "old")


def test_its_study_is_one_of_today(folder: Path) -> None:
    run = read_run(folder)
    study = run.study
    assert (study.format, study.replicates, study.data) == (1, 1, "fixed")
    assert Study.from_resolved(study.resolved()) == study
    assert [phase.name for phase in study.phases] == ["map", "tune", "misset", "iid"]
    assert study.optimizers_of("misset") == ("gsam", "adaptive_gsam", "gsam_matched")
    assert not study.search_spaces["sgd"].ascent
    assert study.search_spaces["gsam"].ascent
    assert len(run.trials) == TRIALS
    tuned = run.trials[run.trials["optimizer"] != "sgd"]
    assert (tuned["replicate"] == tuned["point"]).all()


def test_it_is_reported_shown_exported_and_imported(folder: Path, tmp_path: Path) -> None:
    for command in ("report", "show", "export"):
        done = invoke(command, folder)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert done.stdout.count("\n") == TRIALS + 1
    assert (folder / "report.html").is_file()
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    verdicts = {row["lens"]: row["verdict"] for row in summary["comparisons"] if row["verdict"]}
    assert verdicts["own_scale"] == verdicts["equal_radius"] == "not_applicable"
    assert summary["claim"]["verdict"] == "not_applicable"
    assert any("first design" in note for note in summary["notes"])
    roles = ("--candidate", "adaptive_gsam", "--baseline", "gsam", "--chance", "0.515")
    for name, source in (
        ("folder", folder),
        ("table", folder / "trials.parquet"),
        ("journal", folder / "study.journal"),
    ):
        done = invoke("import", source, *roles, "--out", tmp_path / name)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert len(pd.read_parquet(tmp_path / name / "trials.parquet")) == TRIALS
        assert analysed(read_run(tmp_path / name)).claim.verdict == "not_applicable"


def test_nothing_is_added_to_it(folder: Path, tmp_path: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in tree(folder)}
    for arguments in (("run", folder), ("run", QUICK, "--out", folder), ("plan", folder)):
        done = invoke(*arguments)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "the first design" in line
    done = invoke("run", QUICK, "--reuse", folder, "--out", tmp_path / "new")
    assert done.returncode == 2
    assert "the first design" in done.stderr
    left = {name: (folder / name).read_bytes() for name in tree(folder) if name in before}
    assert left == before
