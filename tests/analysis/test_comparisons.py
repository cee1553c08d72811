"""Verdicts: their precedence, their direction, and what is corrected after Holm."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis.comparisons import Contrast, entries
from agsam_tune.analysis.context import make_context
from agsam_tune.analysis.estimate import Estimate
from agsam_tune.study import Range, SearchSpace, Study
from tests.analysis.conftest import lenses, world_of
from tests.synthetic import synthetic_study


def estimate(value: float, error: float) -> Estimate:
    """An estimate whose standard error over 8 seeds is `error`."""
    seeds = np.array([-1.0, 1.0] * 4) * error * np.sqrt(7)
    return Estimate(
        value=value,
        influence_RS=seeds[None, :],
        clusters=1,
        seeds=8,
        cluster_degrees=0,
        n=8,
        method="t",
    )


@pytest.fixture
def verdict(trials: pd.DataFrame, study: Study) -> Any:
    context = make_context(trials, study, chance=0.5)

    def judged(metric: str, value: float, error: float) -> str:
        found = Contrast(lens="rho", metric=metric, estimate=estimate(value, error), labels={})
        return str(entries([found], "adaptive_gsam", "gsam", context)[0]["verdict"])

    return judged


def test_the_good_direction_is_known(verdict: Any) -> None:
    assert verdict("mean_accuracy", 0.05, 0.001) == "candidate"
    assert verdict("mean_accuracy", -0.05, 0.001) == "baseline"
    for metric in ("regret_sensitivity", "failure_rate", "misset_penalty_2_rho"):
        assert verdict(metric, 0.05, 0.001) == "baseline"
        assert verdict(metric, -0.05, 0.001) == "candidate"
    assert verdict("tolerance_volume_0.01", 0.05, 0.001) == "candidate"
    assert verdict("win_probability", 0.05, 0.001) == "candidate"


def test_equivalence_comes_before_a_winner_inside_the_margin(verdict: Any) -> None:
    assert verdict("mean_accuracy", 0.002, 0.0001) == "equivalent"
    assert verdict("mean_accuracy", 0.0, 0.0001) == "equivalent"
    assert verdict("mean_accuracy", 0.0045, 0.0005) == "candidate"
    assert verdict("mean_accuracy", 0.0, 0.01) == "undecided"


def test_shares_are_never_equivalent(verdict: Any) -> None:
    assert verdict("failure_rate", 0.0, 0.0001) == "undecided"
    assert verdict("win_probability", 0.002, 0.0001) == "candidate"


def test_holm_within_a_lens(trials: pd.DataFrame, study: Study) -> None:
    context = make_context(trials, study, chance=0.5)
    one = estimate(0.05, 0.02)

    def p_values(lenses: tuple[str, ...]) -> list[float]:
        found = [Contrast(lens=lens, metric="m", estimate=one, labels={}) for lens in lenses]
        return [row["p_value"] for row in entries(found, "adaptive_gsam", "gsam", context)]

    alone = p_values(("rho",))[0]
    assert p_values(("rho", "radius")) == [alone, alone]
    assert p_values(("rho", "rho")) == pytest.approx([2 * alone, 2 * alone])


def test_an_identical_copy_is_no_difference(trials: pd.DataFrame, study: Study) -> None:
    own = trials[trials["optimizer"] == "adaptive_gsam"]
    twin = own.assign(optimizer="gsam_matched")
    table = pd.concat([trials[trials["optimizer"] != "gsam_matched"], twin])
    same = study.model_copy(update={"baseline": "gsam_matched", "control": "gsam_matched"})
    summary = lenses(table, same)
    for row in summary["comparisons"]:
        if row["difference"] is not None:
            assert row["difference"] == 0.0
            assert row["p_value"] == 1.0
            assert row["verdict"] in ("equivalent", "undecided")
    assert summary["claim"]["verdict"] != "supported"


def test_a_baseline_without_hyperparameters(trials: pd.DataFrame, study: Study) -> None:
    """Its seeds' error is added to the replicates' error of the other, not put in its place."""
    bare = study.model_copy(update={"baseline": "sgd", "control": None})
    summary = lenses(trials, bare)
    row = next(r for r in summary["comparisons"] if r["metric"] == "mean_accuracy")
    leaves = [
        summary["optimizers"][name]["metrics"]["rho"]["mean_accuracy"]
        for name in ("adaptive_gsam", "sgd")
    ]
    widths = [leaf["high"] - leaf["low"] for leaf in leaves]
    assert row["difference"] == pytest.approx(leaves[0]["value"] - leaves[1]["value"])
    assert 0.8 * widths[0] < row["high"] - row["low"] < 1.2 * np.hypot(*widths)


def test_different_boxes_use_their_intersection() -> None:
    """The baseline's box reaches beyond the candidate's: only what both can do is compared."""
    study = synthetic_study(optimizers=("gsam", "adaptive_gsam"), tune=0)
    narrow = dict(study.search_spaces["adaptive_gsam"].ranges)
    narrow["rho"] = Range(low=0.005, high=1.0, log=True, default=0.5)
    spaces = dict(study.search_spaces)
    spaces["adaptive_gsam"] = SearchSpace(optimizer="adaptive_gsam", ranges=narrow)
    study = study.model_copy(update={"search_spaces": spaces})
    trials = world_of(study).trials(generator=np.random.default_rng(5))
    summary = lenses(trials, study)
    assert summary["rho_box"] == {"rho": [0.005, 1.0]}
    rho = summary["optimizers"]["gsam"]["metrics"]["rho"]
    own = trials[(trials["optimizer"] == "gsam") & (trials["phase"] == "map")]
    inside = own[own["rho"] <= 1.0].groupby("point")["test_accuracy"].mean()
    assert rho["mean_accuracy"]["value"] == pytest.approx(np.maximum(inside, 0.5).mean())
    assert "common to all" in rho["mean_accuracy"]["method"]
    win = summary["optimizers"]["adaptive_gsam"]["metrics"]["rho"]["win_probability"]
    assert win["value"] is None
    assert "ranges" in win["reason"]
