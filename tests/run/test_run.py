"""A study from one file to one report."""

import json
from pathlib import Path

import optuna
import pandas as pd
import pytest

from agsam_tune.agenda import Agenda
from agsam_tune.study import load_study
from tests.run.commands import QUICK, TINY, invoke, results, run_tiny

OVERRIDES = TINY[1:-1:2]


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
    assert summary["n_trials"] == len(expected)
    assert summary["claim"]["verdict"] in {"supported", "contradicted", "mixed", "undecided"}


def test_every_key_has_one_finished_trial(undisturbed: Path, expected: pd.DataFrame) -> None:
    study = load_study(Path(QUICK), overrides=OVERRIDES)
    assert len(expected) == Agenda(study, []).total
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
    key = ["phase", "point", "seed"]
    drawn = expected[expected["phase"].isin(["map", "iid"])].set_index(key)
    gsam, adaptive = (
        drawn[drawn["optimizer"] == name].sort_index() for name in ("gsam", "adaptive_gsam")
    )
    pd.testing.assert_frame_equal(gsam[["rho", "alpha"]], adaptive[["rho", "alpha"]])


def test_the_seed_changes_the_results_and_one_seed_a_point_is_reported(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    one = ("map", "tune", "misset")
    seeds = [part for name in one for part in ("--set", f"phases.{name}.seeds=1")]
    other = run_tiny(tmp_path / "one", *seeds, "--set", "seed=1", "--report")
    assert set(other.loc[other["phase"] == "map", "seed"]) == {0}
    key = ["optimizer", "phase", "point", "seed"]
    both = other[other["phase"] == "map"].merge(expected, on=key)
    assert (both["test_loss_x"] != both["test_loss_y"]).all()


@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_packs_do_not_change_results(rows: int, tmp_path: Path, expected: pd.DataFrame) -> None:
    other = run_tiny(tmp_path / "packs", "--set", f"packs.rows={rows}")
    pd.testing.assert_frame_equal(other, expected, check_exact=True)


def test_a_finished_run_runs_nothing_again(undisturbed: Path) -> None:
    before = (undisturbed / "study.journal").read_bytes()
    done = invoke("run", QUICK, *TINY, "--out", undisturbed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("quick: all 354 trials are stored; nothing is left\n")
    assert (undisturbed / "study.journal").read_bytes() == before


def test_a_time_budget_stops_early_and_the_run_carries_on(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    out = tmp_path / "budget"
    arguments = ("run", QUICK, *TINY, "--out", out, "--executor", "inline")
    stopped = invoke(*arguments, "--time-budget", "0s")
    assert stopped.returncode == 3
    assert "0 of 354 trials are stored; the same command carries on" in stopped.stdout
    done = invoke(*arguments)
    assert done.returncode == 0
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


def test_a_run_from_before_there_was_a_choice_of_ways_carries_on(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    out = tmp_path / "old"
    arguments = ("run", QUICK, *TINY, "--out", out, "--executor", "inline")
    assert invoke(*arguments, "--time-budget", "0").returncode == 3
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["engine"]
    later = ("betas", "eps", "max_grad_norm", "label_smoothing", "precision")
    for key in later:
        del manifest["study"]["training"][key]
    del manifest["study"]["sharpness"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    done = invoke(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    # Ways of then, whose sums are rounded otherwise.
    assert json.loads((out / "manifest.json").read_text())["engine"]["way"] == "stacked"
    pd.testing.assert_frame_equal(results(out), expected, check_exact=False, rtol=1e-3)


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
    assert read["test_loss"].map(float).tolist() == table["test_loss"].tolist()
    for ending in ("csv", "parquet", "json"):
        out = tmp_path / f"out.{ending}"
        assert invoke("export", undisturbed, "--out", out).returncode == 0
    assert len(json.loads((tmp_path / "out.json").read_text())) == len(table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), table)
