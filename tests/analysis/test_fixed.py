"""A study of fixed points alone: accuracies and losses over seeds, beside published numbers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import analyse
from agsam_tune.study import FixedPoint, Phase, PublishedResult, Reference, Study
from tests.analysis.conftest import world_of
from tests.synthetic import synthetic_study

PAPER = {"rho": 0.5, "alpha": 0.04}


@pytest.fixture(scope="module")
def fixed_study() -> Study:
    points = [FixedPoint(optimizer="gsam", hyperparameters=PAPER), FixedPoint(optimizer="sgd")]
    points += [
        FixedPoint(optimizer=name, hyperparameters={**PAPER, "gamma": 0.1})
        for name in ("adaptive_gsam", "gsam_matched")
    ]
    published = (PublishedResult(optimizer="gsam", test_accuracy=0.857, test_loss=0.33),)
    return synthetic_study(
        optimizers=("sgd", "gsam", "adaptive_gsam", "gsam_matched"),
        phases=(Phase(name="fixed", seeds=20, fixed=tuple(points)),),
        reference=Reference(source="the paper", results=published),
    )


@pytest.fixture(scope="module")
def fixed_trials(fixed_study: Study) -> pd.DataFrame:
    return world_of(fixed_study).trials(generator=np.random.default_rng(2))


@pytest.fixture(scope="module")
def fixed_summary(fixed_trials: pd.DataFrame, fixed_study: Study) -> dict[str, Any]:
    return analyse(fixed_trials, fixed_study, chance=0.5, test_size=3000)


def test_points_have_accuracy_and_loss(
    fixed_summary: dict[str, Any], fixed_trials: pd.DataFrame
) -> None:
    own = fixed_trials[fixed_trials["optimizer"] == "gsam"]
    point = fixed_summary["optimizers"]["gsam"]["points"][0]
    assert point["hyperparameters"] == PAPER
    assert point["accuracy"]["value"] == pytest.approx(own["test_accuracy"].mean())
    half = 2.0930 * own["test_accuracy"].sem()
    assert point["accuracy"]["high"] - point["accuracy"]["value"] == pytest.approx(half, rel=1e-3)
    assert point["loss"]["value"] == pytest.approx(own["test_loss"].mean())


def test_differences_are_paired(fixed_summary: dict[str, Any], fixed_trials: pd.DataFrame) -> None:
    by_seed = fixed_trials.pivot(index="seed", columns="optimizer", values="test_accuracy")
    paired = by_seed["adaptive_gsam"] - by_seed["gsam"]
    rows = [r for r in fixed_summary["comparisons"] if r["metric"] == "accuracy"]
    row = next(r for r in rows if (r["candidate"], r["baseline"]) == ("adaptive_gsam", "gsam"))
    assert row["lens"] == "fixed"
    assert row["difference"] == pytest.approx(paired.mean())
    assert row["high"] - row["difference"] == pytest.approx(2.0930 * paired.sem(), rel=1e-3)
    assert {(r["candidate"], r["baseline"]) for r in rows} == {
        ("adaptive_gsam", "gsam"),
        ("adaptive_gsam", "gsam_matched"),
        ("gsam_matched", "gsam"),
    }


def test_published_numbers_beside_ours(fixed_summary: dict[str, Any]) -> None:
    (row,) = fixed_summary["reference"]
    assert row["published"] == {"accuracy": 0.857, "loss": 0.33}
    assert row["ours"] == {
        key: fixed_summary["optimizers"]["gsam"]["points"][0][key] for key in ("accuracy", "loss")
    }


def test_no_claim_from_fixed_points(fixed_summary: dict[str, Any]) -> None:
    assert fixed_summary["claim"]["verdict"] == "undecided"
    metrics = fixed_summary["optimizers"]["gsam"]["metrics"]
    assert metrics["rho"]["regret_sensitivity"]["value"] is None


def test_losses_leave_out_diverged_trials(fixed_trials: pd.DataFrame, fixed_study: Study) -> None:
    broken = fixed_trials.copy()
    rows = (broken["optimizer"] == "gsam") & (broken["seed"] < 3)
    broken.loc[rows, "diverged"] = True
    broken.loc[rows, "test_loss"] = np.nan
    point = analyse(broken, fixed_study, chance=0.5, test_size=3000)["optimizers"]["gsam"][
        "points"
    ][0]
    assert point["loss"]["n"] == 17
    assert point["accuracy"]["n"] == 20
    assert point["failure_rate"] == pytest.approx(3 / 20)
