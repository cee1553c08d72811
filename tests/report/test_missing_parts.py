"""Runs that lack something: the report says what, and never fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.report import shown, write_report
from agsam_tune.study import Study
from tests.report.pages import Page, read_page, sketched
from tests.report.runs import arguments, study_of, trials_of

METRICS = ["val_accuracy", "test_accuracy", "test_loss", "train_loss", "radius"]
Report = Callable[..., Page]


@pytest.fixture(params=["sketched", pytest.param("whole", marks=pytest.mark.slow)])
def report(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Report:
    """Writes a report of a run and reads it; the figures, which take most of the time, roughly."""
    if request.param == "sketched":
        monkeypatch.setattr(shown, "draw_sheet", sketched)

    def made(study: Study, trials: pd.DataFrame, **more: Any) -> Page:
        given = {**arguments(study, trials), **more}
        write_report(tmp_path, **given)
        page = read_page(tmp_path)
        assert page.problems == []
        return page

    return made


def study(*without: str, **changes: Any) -> Study:
    """quick.toml with two optimizers and fewer points, without some of its phases."""
    resolved = study_of("quick").resolved()
    fewer = {"map": {"points": 8, "replicates": 2}, "tune": {"points": 4}, "iid": {"points": 4}}
    phases = [{**one, **fewer.get(one["name"], {})} for one in resolved["phases"]]
    spaces = {name: resolved["search_spaces"][name] for name in ("gsam", "adaptive_gsam")}
    own = {
        "phases": [one for one in phases if one["name"] not in without],
        "optimizers": list(spaces),
        "search_spaces": spaces,
        "control": None,
    }
    return Study.from_resolved(resolved | own | changes)


def test_no_misset_phase_no_control_and_no_learning_curves(report: Report) -> None:
    one = study("misset")
    page = report(one, trials_of(one), curves=pd.DataFrame())
    assert "no misset phase" in page.prose
    assert "no control" in page.prose
    assert "Not estimated: the study names no control" in page.prose
    assert "The run has no learning curves." in page.prose
    assert not {"figure-misset", "figure-gap", "figure-learning"} & set(page.ids)


def test_no_candidate_and_baseline(report: Report) -> None:
    one = study(candidate=None, baseline=None)
    page = report(one, trials_of(one))
    assert "names no candidate and baseline" in page.prose
    assert "No claim" in page.prose
    assert "Undecided" not in page.prose
    assert re.search(r"gsam reaches 91\.\d\d % at its own best setting and loses", page.prose)
    assert not {"comparisons", "gap"} & set(page.ids)
    assert "no control" not in page.prose


def test_no_rho(report: Report) -> None:
    spaces = study().resolved()["search_spaces"]
    for space in spaces.values():
        space["ranges"] = {"lr" if n == "rho" else n: box for n, box in space["ranges"].items()}
    page = report(study(search_spaces=spaces), trials_of(study()).rename(columns={"rho": "lr"}))
    assert "At the same settings" in page.prose
    assert "(raw rho)" not in page.prose
    assert "Same rho" not in page.prose


@pytest.mark.parametrize("all_of_them", [True, False])
def test_what_always_diverged(report: Report, all_of_them: bool) -> None:
    trials = trials_of(study())
    own = all_of_them | (trials["optimizer"] == "gsam")
    trials.loc[own, "diverged"] = True
    trials.loc[own, ["val_accuracy", "test_accuracy"]] = 0.5
    trials.loc[own, ["test_loss", "train_loss", "radius", "surrogate_gap"]] = np.nan
    trials.loc[own, "diverged_step"] = 1
    prose = report(study(), trials).prose
    assert "Every trial of gsam diverged." in prose
    assert ("Every trial of adaptive_gsam diverged." in prose) is all_of_them


def test_letters_that_no_font_has(tmp_path: Path) -> None:
    names = ["🙂模型", "العربية"]
    space = study().resolved()["search_spaces"]["gsam"]
    one = study(
        *("tune", "iid", "misset"),
        optimizers=names,
        search_spaces={name: {**space, "optimizer": name} for name in names},
        **dict(zip(("candidate", "baseline"), names, strict=True)),
    )
    write_report(tmp_path, **arguments(one, trials_of(one)))
    prose = read_page(tmp_path).prose
    assert all(name in prose for name in names)


def test_trials_that_raised(report: Report) -> None:
    trials = trials_of(study())
    trials.loc[trials.index[:3], "state"] = "FAIL"
    trials.loc[trials.index[:3], METRICS] = np.nan
    errors = ["ValueError: <b>no</b>\n\x07", "OSError: disk full", "OSError: disk full"]
    trials["error"] = [*errors, *[""] * (len(trials) - 3)]
    page = report(study(), trials)
    assert "3 trials raised an error and are in no estimate (adaptive_gsam)." in page.prose
    assert "2 × OSError: disk full" in page.prose
    assert "1 × ValueError: <b>no</b>" in page.prose


def test_no_more_than_some_errors_are_named(report: Report) -> None:
    trials = trials_of(study())
    trials.loc[trials.index[:30], "state"] = "FAIL"
    trials.loc[trials.index[:30], METRICS] = np.nan
    trials.loc[trials.index[:30], "error"] = [f"E{n % 10}: {'long ' * 100}" for n in range(30)]
    page = report(study(), trials)
    assert page.prose.count("3 × E") == 5
    assert "15 × 5 other messages, in the column error of the trials." in page.prose


@pytest.mark.parametrize("phase", ["map", "tune", "iid"])
def test_a_part_of_one_phase_alone(report: Report, phase: str) -> None:
    trials = trials_of(study())
    part = trials[(trials["phase"] == phase) & (trials["point"] < 3)].reset_index(drop=True)
    page = report(study(), part)
    assert "Partial study: " in page.prose
    assert "planned trials are missing" in page.prose
    assert phase != "map" or "6 of 16" in page.prose


def test_no_trials_at_all(report: Report) -> None:
    trials = trials_of(study())
    page = report(study(), trials.iloc[:0], curves=pd.DataFrame())
    n = len(trials)
    assert f"Partial study: {n} of {n} planned trials are missing" in page.prose


def test_summary_and_manifest_without_anything(report: Report) -> None:
    page = report(study(), trials_of(study()), summary={}, manifest={})
    assert "There is no verdict on the claim." in page.prose


def test_reference_lines_without_surfaces(report: Report) -> None:
    one = study_of("moons")
    trials = trials_of(one, skip=("tune", "iid", "misset"))
    plain = trials[trials["optimizer"].isin(["sgd", "sgd_2x"])].reset_index(drop=True)
    assert "surfaces" not in report(one, plain).ids
