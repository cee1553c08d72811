"""A run's folder is all that it takes to carry the run on, or to repeat it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import agsam_tune
from agsam_tune.asked import asked_study
from agsam_tune.errors import UsageError
from agsam_tune.importing import ImportOptions, import_trials
from agsam_tune.study import StudyError, available_studies, changed_study, load_study
from tests.run.commands import FEW, invoke, results, tree
from tests.run.guilty import write_study

INLINE = ("--executor", "inline", "--no-report")


def test_a_run_is_carried_on_from_its_folder(tmp_path: Path, expected_few: pd.DataFrame) -> None:
    out, storage = tmp_path / "quick", f"sqlite:///{tmp_path}/results.db"
    begun = ("--out", out, "--storage", storage, "--time-budget", "0s")
    assert invoke("run", *FEW, *INLINE, *begun).returncode == 3
    assert agsam_tune.plan(out, pilot=0).trials == len(expected_few)
    done = invoke("run", out, *INLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    pd.testing.assert_frame_equal(results(out), expected_few, check_exact=True)
    assert not (out / "study.journal").exists()
    assert agsam_tune.plan(str(out), pilot=0).trials == 0


def test_a_run_is_repeated_in_another_folder(
    undisturbed: Path, tmp_path: Path, expected: pd.DataFrame
) -> None:
    again, changed = tmp_path / "again", tmp_path / "changed"
    done = invoke("run", undisturbed, *INLINE, "--out", again)
    assert done.returncode == 0, done.stdout + done.stderr
    pd.testing.assert_frame_equal(results(again), expected)
    stop = ("--time-budget", "0s")
    override = ("--set", "search_spaces.gsam.rho.high=4.0", "--set", "phases.iid.points=6")
    done = invoke("run", undisturbed, *INLINE, *stop, *override, "--out", changed)
    assert done.returncode == 3, done.stdout + done.stderr
    manifests = [json.loads((f / "manifest.json").read_text()) for f in (undisturbed, changed)]
    before, after = (manifest["study"] for manifest in manifests)
    assert after["search_spaces"]["gsam"]["ranges"]["rho"]["high"] == 4.0
    assert after["training"] == before["training"]


def test_an_override_without_another_folder_is_refused(undisturbed: Path, tmp_path: Path) -> None:
    before = tree(undisturbed)
    done = invoke("run", undisturbed, *INLINE, "--set", "training.epochs=3")
    assert done.returncode == 2
    assert "training.epochs: 2 → 3. Choose another folder with --out" in done.stderr
    done = invoke("run", undisturbed, *INLINE, "--set", "training.epoch=3")
    assert done.returncode == 2
    assert f"the study of {undisturbed} (--set training.epoch=3)" in done.stderr
    assert "did you mean 'epochs'?" in done.stderr
    assert tree(undisturbed) == before
    # What a study may be carried on with otherwise, this one may too.
    copy = shutil.copytree(undisturbed, tmp_path / "copy")
    done = invoke("run", copy, *INLINE, "--set", "packs.rows=3")
    assert done.returncode == 0, done.stderr


def test_own_modules_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    study, out = write_study(tmp_path / "mine", "", alone=True), tmp_path / "run"
    assert invoke("run", study, *INLINE, "--out", out, "--time-budget", "0s").returncode == 3
    manifest = json.loads((out / "manifest.json").read_text())
    assert str(tmp_path / "mine") in manifest["import_path"]
    study.unlink()
    asked = asked_study(out)
    assert asked.out == out
    assert asked.import_path[0] == str(tmp_path / "mine")
    small = ("--set", "training.epochs=1", "--set", "phases.tune.points=1")
    done = invoke("run", out, *INLINE, *small, "--out", tmp_path / "again", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # A manifest from before that was kept: the current folder only.
    del manifest["import_path"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.chdir(tmp_path)
    assert asked_study(out).import_path == (str(tmp_path),)
    done = invoke("run", out, *INLINE, cwd=tmp_path)
    assert done.returncode == 2
    assert "guilty" in done.stderr
    manifest["import_path"] = "here"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="import_path"):
        asked_study(out)


def test_an_import_cannot_be_run(tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    rows = [f"gsam,{p},{s},{p / 10 + 0.1},0.{p + 5}" for p in range(4) for s in range(2)]
    table.write_text("optimizer,point,seed,rho,test_accuracy\n" + "\n".join(rows) + "\n")
    out = tmp_path / "theirs"
    import_trials(ImportOptions(source=str(table), out=out, chance=0.5))
    with pytest.raises(UsageError, match="imported, so there is nothing to run"):
        asked_study(out)


@pytest.mark.parametrize("name", sorted(available_studies()))
def test_a_recorded_study_is_changed_as_its_file_is(name: str) -> None:
    path = available_studies()[name]
    study = load_study(path)
    assert changed_study(study, [f"seed={study.seed}"], origin="it") == study
    overrides = ["training.epochs=7", "training.label_smoothing=0.1", "seed=3"]
    assert changed_study(study, overrides, origin="it") == load_study(path, overrides=overrides)


@pytest.mark.parametrize("command", ["report", "export", "dashboard"])
def test_a_name_that_is_a_folder_under_runs_is_suggested(command: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "manifest.json").write_text("{}")
    for name in ("mine", "runs/mane"):
        done = invoke(command, name, cwd=tmp_path)
        assert done.returncode == 2
        assert "did you mean runs/mine?" in done.stderr, done.stderr


def test_a_name_that_no_study_has_but_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "manifest.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="did you mean runs/mine, where a run is"):
        asked_study(Path("mine"))
    with pytest.raises(StudyError, match="no study has this name"):
        asked_study(Path("yours"))
