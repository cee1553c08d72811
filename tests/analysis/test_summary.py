"""The shape of summary.json, and single numbers against plain computations."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import analyse
from agsam_tune.study import Study
from tests.analysis.conftest import lenses

TOP = {
    "study",
    "task",
    "n_trials",
    "n_diverged",
    "chance",
    "test_error",
    "optimizers",
    "comparisons",
    "gap",
    "range_curve",
    "power",
    "reference",
    "claim",
}
VOLUMES = {f"tolerance_volume_{epsilon}" for epsilon in ("0.01", "0.03", "0.05")}
HYPERPARAMETERS = ("rho", "alpha", "gamma")
KEYS = {
    "rho": VOLUMES
    | {"mean_accuracy", "regret_sensitivity", "regret_common_best", "failure_rate"}
    | {"win_probability", "noise_share"}
    | {f"{m}_{h}" for m in ("sobol_first", "sobol_total", "importance") for h in HYPERPARAMETERS},
    "own_best": {"best_accuracy", "regret_sensitivity", "tolerance_decades", "win_probability"}
    | {f"misset_penalty_{f}_{h}" for f in (2, 3, 10) for h in (*HYPERPARAMETERS, "all")}
    | {"tuning_curve"},
    "radius": VOLUMES | {"regret_sensitivity"},
}


def test_every_key_exists_for_every_optimizer(summary: dict[str, Any], study: Study) -> None:
    assert set(summary) >= TOP
    assert set(summary["optimizers"]) == set(study.optimizers)
    for own in summary["optimizers"].values():
        for lens, keys in KEYS.items():
            assert keys <= set(own["metrics"][lens])


def test_leaves_have_a_value_or_a_reason(summary: dict[str, Any]) -> None:
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    for own in summary["optimizers"].values():
        for lens in own["metrics"].values():
            for leaf in lens.values():
                if leaf["value"] is None:
                    assert leaf["reason"]
                else:
                    assert {"low", "high", "n", "method"} <= set(leaf)
                    assert leaf["low"] <= leaf["value"] <= leaf["high"]


def own_map(trials: pd.DataFrame, optimizer: str) -> pd.DataFrame:
    return trials[(trials["optimizer"] == optimizer) & (trials["phase"] == "map")]


def test_numbers_against_plain_pandas(
    summary: dict[str, Any], trials: pd.DataFrame, study: Study
) -> None:
    for optimizer in ("gsam", "adaptive_gsam"):
        rho = summary["optimizers"][optimizer]["metrics"]["rho"]
        best = summary["optimizers"][optimizer]["metrics"]["own_best"]["best_accuracy"]["value"]
        own = own_map(trials, optimizer)
        means = own.groupby("point")["test_accuracy"].mean()
        mean = np.maximum(means, 0.5).mean()
        assert rho["mean_accuracy"]["value"] == pytest.approx(mean)
        assert rho["regret_sensitivity"]["value"] == pytest.approx(best - mean)
        volume = (means >= best - 0.05).mean()
        assert rho["tolerance_volume_0.05"]["value"] == pytest.approx(volume)
        failed = own["diverged"] | (own["test_accuracy"] <= 0.51)
        assert rho["failure_rate"]["value"] == pytest.approx(failed.mean())


def test_win_probability_against_plain_pandas(
    summary: dict[str, Any], trials: pd.DataFrame
) -> None:
    keys = ["point", "seed"]
    ours = own_map(trials, "adaptive_gsam").set_index(keys)["test_accuracy"]
    theirs = own_map(trials, "gsam").set_index(keys)["test_accuracy"]
    wanted = ((ours > theirs) + 0.5 * (ours == theirs)).mean()
    win = summary["optimizers"]["adaptive_gsam"]["metrics"]["rho"]["win_probability"]
    assert win["value"] == pytest.approx(wanted)
    row = entry(summary, "rho", "win_probability")
    assert row["difference"] == pytest.approx(2 * wanted - 1)


def entry(summary: dict[str, Any], lens: str, metric: str) -> dict[str, Any]:
    rows = [r for r in summary["comparisons"] if (r["lens"], r["metric"]) == (lens, metric)]
    assert len(rows) == 1
    row: dict[str, Any] = rows[0]
    return row


def test_differences_are_those_of_the_leaves(summary: dict[str, Any]) -> None:
    for row in summary["comparisons"]:
        if row["metric"] == "win_probability":
            continue
        ours, theirs = (
            summary["optimizers"][row[role]]["metrics"][row["lens"]][row["metric"]]
            for role in ("candidate", "baseline")
        )
        if ours["value"] is not None and theirs["value"] is not None:
            assert row["difference"] == pytest.approx(ours["value"] - theirs["value"])


def test_own_best_regret_weighs_strata_alike(
    summary: dict[str, Any], trials: pd.DataFrame, study: Study
) -> None:
    misset = trials[(trials["optimizer"] == "gsam") & (trials["phase"] == "misset")]
    means = misset.groupby("point")["test_accuracy"].mean()
    first = 1 + 6 * len(study.hyperparameters)
    losses = means[0] - np.maximum(means.loc[first : first + 11], 0.5)
    leaf = summary["optimizers"]["gsam"]["metrics"]["own_best"]["regret_sensitivity"]
    assert leaf["value"] == pytest.approx(losses.mean())


def test_failed_trials_are_left_out_and_counted(trials: pd.DataFrame, study: Study) -> None:
    broken = trials.copy()
    rows = (broken["point"] < 5) & (broken["phase"] == "map")
    broken.loc[rows, ["state", "test_accuracy", "val_accuracy"]] = ["FAIL", np.nan, np.nan]
    summary = lenses(broken, study)
    assert summary["n_raised"] == int(rows.sum())
    assert summary["n_trials"] == int((~rows).sum())
    leaf = summary["optimizers"]["gsam"]["metrics"]["rho"]["mean_accuracy"]
    assert leaf["n"] == 123 * 4


def test_failed_means_diverged_or_at_chance(trials: pd.DataFrame, study: Study) -> None:
    broken = trials.assign(test_accuracy=0.8, diverged=False)
    broken.loc[0:2, "test_accuracy"] = 0.509
    broken.loc[3:4, "diverged"] = True
    broken.loc[5:9, ["state", "test_accuracy"]] = ["FAIL", np.nan]
    summary = lenses(broken, study)
    assert (summary["n_failed"], summary["n_diverged"], summary["n_raised"]) == (5, 2, 5)


def test_intervals_of_shares_and_accuracies_stay_within_what_is_possible(
    trials: pd.DataFrame, study: Study
) -> None:
    shares = ("accuracy", "failure_rate", "tolerance_volume", "win_probability")
    noise = np.random.default_rng(3).uniform(0.55, 1.0, len(trials))
    few = trials.assign(test_accuracy=noise, diverged=False)
    few = few[(few["seed"] < 2) | ((few["phase"] == "misset") & (few["seed"] < 6))]
    summary = lenses(few, study)
    ends = set()
    for own in summary["optimizers"].values():
        for lens in own["metrics"].values():
            for key, leaf in lens.items():
                if any(word in key for word in shares) and leaf["value"] is not None:
                    assert 0.0 <= leaf["low"] <= leaf["high"] <= 1.0
                    ends |= {leaf["low"], leaf["high"]}
    assert 1.0 in ends
    for row in summary["comparisons"]:
        if any(word in row["metric"] for word in shares) and row["difference"] is not None:
            assert -1.0 <= row["low"] <= row["high"] <= 1.0


def test_rows_may_come_in_any_order_and_stay_as_they_are(
    small_trials: pd.DataFrame, small_study: Study
) -> None:
    before = small_trials.copy(deep=True)
    one = analyse(small_trials, small_study, chance=0.5, test_size=4000)
    pd.testing.assert_frame_equal(small_trials, before)
    shuffled = small_trials.sample(frac=1.0, random_state=3)
    other = analyse(shuffled, small_study, chance=0.5, test_size=4000)
    for name in small_study.optimizers:
        leaf, again = (
            s["optimizers"][name]["metrics"]["rho"]["mean_accuracy"] for s in (one, other)
        )
        assert [leaf[key] for key in ("value", "low", "high")] == pytest.approx(
            [again[key] for key in ("value", "low", "high")]
        )
    assert one["claim"] == other["claim"]


@pytest.mark.parametrize("column", ["point", "rho", "state", "test_accuracy"])
def test_a_missing_column_is_named(trials: pd.DataFrame, study: Study, column: str) -> None:
    with pytest.raises(ValueError, match=rf"lacks the column\(s\) {column};"):
        analyse(trials.drop(columns=column), study, chance=0.5, test_size=4000)


def test_a_key_that_comes_twice_is_refused(trials: pd.DataFrame, study: Study) -> None:
    twice = pd.concat([trials, trials.iloc[[5]]])
    with pytest.raises(ValueError, match="more than once: optimizer"):
        analyse(twice, study, chance=0.5, test_size=4000)
