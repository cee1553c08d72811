"""Runs that lack something: the report says what, and never fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agsam_tune.report import write_report
from agsam_tune.study import Study
from tests.report.pages import Page, read_page
from tests.report.runs import arguments, study_of, trials_of
from tests.synthetic import synthetic_curves


def report(folder: Path, study: Study, trials: pd.DataFrame, **more: Any) -> Page:
    write_report(folder, **arguments(study, trials, **more))
    page = read_page(folder)
    assert page.problems == []
    return page


def phases_but(study: Study, *names: str) -> list[dict[str, Any]]:
    return [phase for phase in study.resolved()["phases"] if phase["name"] not in names]


def test_no_misset_phase(tmp_path: Path) -> None:
    whole = study_of("quick")
    study = study_of("quick", phases=phases_but(whole, "misset"))
    page = report(tmp_path, study, trials_of(study))
    assert "no misset phase" in page.prose
    assert "figure-misset" not in page.ids


def test_no_control(tmp_path: Path) -> None:
    study = study_of("quick", control=None)
    page = report(tmp_path, study, trials_of(study))
    assert "no control" in page.prose
    assert "figure-gap" not in page.ids
    assert "Not estimated: the study names no control" in page.prose


def test_no_candidate_and_baseline(tmp_path: Path) -> None:
    study = study_of("quick", candidate=None, baseline=None, control=None)
    page = report(tmp_path, study, trials_of(study))
    assert "names no candidate and baseline" in page.prose
    assert "No claim" in page.prose
    assert "Undecided" not in page.prose
    assert re.search(r"gsam reaches 91\.\d\d % at its own best setting and loses", page.prose)
    assert not {"comparisons", "gap"} & set(page.ids)
    assert "no control" not in page.prose


def test_no_rho(tmp_path: Path) -> None:
    resolved = study_of("quick").resolved()
    for space in resolved["search_spaces"].values():
        space["ranges"] = {"lr" if n == "rho" else n: box for n, box in space["ranges"].items()}
    study = Study.from_resolved(resolved)
    trials = trials_of(study_of("quick")).rename(columns={"rho": "lr"})
    page = report(tmp_path, study, trials)
    assert "At the same settings" in page.prose
    assert "(raw rho)" not in page.prose
    assert "Same rho" not in page.prose


def test_everything_diverged(tmp_path: Path) -> None:
    study = study_of("quick")
    trials = trials_of(study).assign(diverged=True, val_accuracy=0.5, test_accuracy=0.5)
    assert "Every trial of gsam diverged." in report(tmp_path, study, trials).prose


@pytest.mark.parametrize("name", ["🙂模型", "العربية"])
def test_letters_that_no_font_has(tmp_path: Path, name: str) -> None:
    resolved = study_of("quick", candidate=name, optimizers=[name, "gsam"], control=None).resolved()
    resolved["search_spaces"] = {
        one: {**study_of("quick").resolved()["search_spaces"]["gsam"], "optimizer": one}
        for one in (name, "gsam")
    }
    study = Study.from_resolved(resolved)
    trials = trials_of(study_of("quick", optimizers=["gsam"], candidate=None, baseline=None))
    both = pd.concat([trials, trials.assign(optimizer=name)], ignore_index=True)
    assert name in report(tmp_path, study, both).prose


def test_one_optimizer_that_always_diverges(tmp_path: Path) -> None:
    study = study_of("quick")
    trials = trials_of(study)
    own = trials["optimizer"] == "gsam"
    trials.loc[own, "diverged"] = True
    trials.loc[own, ["val_accuracy", "test_accuracy"]] = 0.5
    trials.loc[own, ["test_loss", "train_loss", "radius", "surrogate_gap"]] = float("nan")
    trials.loc[own, "diverged_step"] = 1
    page = report(tmp_path, study, trials)
    assert "Every trial of gsam diverged." in page.prose


def test_partial_study(tmp_path: Path) -> None:
    study = study_of("quick")
    trials = trials_of(study)
    part = trials[(trials["phase"] == "map") & (trials["point"] < 6)].reset_index(drop=True)
    page = report(tmp_path, study, part)
    assert "Partial study: " in page.prose
    assert "planned trials are missing" in page.prose
    assert "12 of 32" in page.prose


def test_trials_that_raised(tmp_path: Path) -> None:
    study = study_of("quick")
    trials = trials_of(study)
    trials.loc[trials.index[:3], "state"] = "FAIL"
    numbers = ["val_accuracy", "test_accuracy", "test_loss", "train_loss", "radius"]
    trials.loc[trials.index[:3], numbers] = float("nan")
    page = report(tmp_path, study, trials)
    assert "3 trials raised an error and are in no estimate (adaptive_gsam)." in page.prose
    errors = ["ValueError: <b>no</b>\n\x07", "OSError: disk full", "OSError: disk full"]
    trials["error"] = [*errors, *[""] * (len(trials) - 3)]
    page = report(tmp_path, study, trials)
    assert "2 × OSError: disk full" in page.prose
    assert "1 × ValueError: <b>no</b>" in page.prose
    trials.loc[trials.index[:30], "state"] = "FAIL"
    trials.loc[trials.index[:30], "error"] = [f"E{n % 10}: {'long ' * 100}" for n in range(30)]
    page = report(tmp_path, study, trials)
    assert page.prose.count("3 × E") == 5
    assert "15 × 5 other messages, in the column error of the trials." in page.prose


@pytest.mark.parametrize("phase", ["map", "tune", "iid"])
def test_one_phase_alone(tmp_path: Path, phase: str) -> None:
    study = study_of("quick")
    trials = trials_of(study)
    only = trials[trials["phase"] == phase].reset_index(drop=True)
    page = report(tmp_path, study, only)
    assert "Partial study" in page.prose


def test_no_trials_at_all(tmp_path: Path) -> None:
    study = study_of("quick")
    empty = trials_of(study).iloc[:0]
    page = report(tmp_path, study, empty, curves=pd.DataFrame())
    assert "Partial study: 366 of 366 planned trials are missing" in page.prose
    assert "The run has no learning curves." in page.prose


def test_no_learning_curves(tmp_path: Path) -> None:
    study = study_of("quick")
    page = report(tmp_path, study, trials_of(study), curves=pd.DataFrame())
    assert "The run has no learning curves." in page.prose


def test_summary_and_manifest_without_anything(tmp_path: Path) -> None:
    study = study_of("quick")
    trials = trials_of(study)
    curves = synthetic_curves(trials)
    write_report(tmp_path, summary={}, trials=trials, curves=curves, manifest={}, study=study)
    page = read_page(tmp_path)
    assert page.problems == []
    assert "There is no verdict on the claim." in page.prose


def test_reference_lines_without_surfaces(tmp_path: Path) -> None:
    study = study_of("moons")
    trials = trials_of(study, skip=("tune", "iid", "misset"))
    plain = trials[trials["optimizer"].isin(["sgd", "sgd_2x"])].reset_index(drop=True)
    page = report(tmp_path, study, plain)
    assert "surfaces" not in page.ids
