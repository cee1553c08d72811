"""A study from one file to one report."""

import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from agsam_tune.study import load_study, planned_trials
from tests.run.commands import QUICK, TINY, TRIALS, invoke, results, run_tiny

OVERRIDES = [word for word in TINY if "=" in word]


def test_the_folder_holds_what_it_should(undisturbed: Path, expected: pd.DataFrame) -> None:
    for name in ("study.journal", "manifest.json", "trials.parquet", "summary.json"):
        assert (undisturbed / name).stat().st_size > 0
    assert (undisturbed / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert {p.suffix for p in (undisturbed / "figures").iterdir()} == {".png", ".svg"}
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    study = load_study(Path(QUICK), overrides=OVERRIDES)
    assert manifest["study_hash"] == study.hash
    assert manifest["study"] == study.resolved()
    assert manifest["finished"] >= manifest["started"]
    assert manifest["data"]["parameters"] == 2241
    assert manifest["command"][:2] == ["agsam-tune", "run"]
    summary = json.loads((undisturbed / "summary.json").read_text())
    assert summary["counts"]["trainings"] == len(expected)
    assert summary["claim"]["text"]
    assert (summary["format"], manifest["format"]) == (2, 2)
    assert summary["design"]["looks"] == manifest["looks"] == [2]
    assert summary["design"]["radius_range"] == pytest.approx(manifest["radius_range"])


def test_every_key_has_one_finished_trial(undisturbed: Path, expected: pd.DataFrame) -> None:
    study = load_study(Path(QUICK), overrides=OVERRIDES)
    assert len(expected) == sum(n or 0 for n in planned_trials(study).values()) == TRIALS
    assert not expected.duplicated(["optimizer", "phase", "point", "seed"]).any()
    assert (expected["state"] == "COMPLETE").all()
    backend = optuna.storages.journal.JournalFileBackend(str(undisturbed / "study.journal"))
    storage = optuna.storages.JournalStorage(backend)
    trials = [
        trial
        for optimizer in study.optimizers
        for trial in optuna.load_study(study_name=f"quick/{optimizer}", storage=storage).trials
    ]
    assert {t.state for t in trials} == {optuna.trial.TrialState.COMPLETE}
    assert len(trials) == len(expected)


def test_paired_trials_share_their_settings(expected: pd.DataFrame) -> None:
    key = ["phase", "replicate", "point", "seed"]
    drawn = expected[expected["phase"].isin(["map", "iid", "off", "radius"])].set_index(key)
    gsam, adaptive = (
        drawn[drawn["optimizer"] == name].sort_index() for name in ("gsam", "adaptive_gsam")
    )
    pd.testing.assert_frame_equal(gsam[["rho", "alpha"]], adaptive[["rho", "alpha"]])


def test_the_seed_changes_all_results(tmp_path: Path, expected: pd.DataFrame) -> None:
    other = run_tiny(tmp_path / "one", "--set", "seed=1")
    key = ["optimizer", "phase", "point", "seed"]
    both = other.query("phase == 'map'").merge(expected, on=key)
    assert len(both) == 30
    assert (both["test_loss_x"] != both["test_loss_y"]).all()


def test_steps_of_the_phase_radius_have_the_length_that_was_asked_for(
    expected: pd.DataFrame,
) -> None:
    own = expected.query("phase == 'radius' and not diverged")
    assert len(own) > 10
    assert own["radius"].to_numpy() == pytest.approx(own["rho"].to_numpy(), rel=1e-6)


@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_packs_do_not_change_results(rows: int, tmp_path: Path, expected: pd.DataFrame) -> None:
    other = run_tiny(tmp_path / "packs", "--set", f"packs.rows={rows}")
    pd.testing.assert_frame_equal(other, expected, check_exact=True)


def test_a_finished_run_runs_nothing_again(undisturbed: Path) -> None:
    before = (undisturbed / "study.journal").read_bytes()
    done = invoke("run", QUICK, *TINY, "--out", undisturbed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"quick: all {TRIALS} trials are stored; nothing is left\n")
    assert (undisturbed / "study.journal").read_bytes() == before


def test_a_time_budget_stops_early_and_the_run_carries_on(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    out = tmp_path / "budget"
    arguments = ("run", QUICK, *TINY, "--out", out, "--executor", "inline")
    stopped = invoke(*arguments, "--time-budget", "0s")
    assert stopped.returncode == 3
    assert f"0 of {TRIALS} trials are stored; the same command carries on" in stopped.stdout
    done = invoke(*arguments)
    assert done.returncode == 0
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


def test_report_and_export_read_what_is_stored(undisturbed: Path, tmp_path: Path) -> None:
    done = invoke("report", undisturbed, "--out", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    for name in ("summary.json", "report.html"):
        assert (tmp_path / "again" / name).read_bytes() == (undisturbed / name).read_bytes()
    table = pd.read_parquet(undisturbed / "trials.parquet")
    csv = invoke("export", undisturbed)
    (tmp_path / "trials.csv").write_text(csv.stdout)
    read = pd.read_csv(tmp_path / "trials.csv", dtype=str)
    assert list(read.columns) == list(table.columns)
    np.testing.assert_array_equal(read["test_loss"].map(float), table["test_loss"])
    for ending in ("csv", "parquet", "json"):
        out = tmp_path / f"out.{ending}"
        assert invoke("export", undisturbed, "--out", out).returncode == 0
    assert len(json.loads((tmp_path / "out.json").read_text())) == len(table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), table)
