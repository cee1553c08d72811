"""Each number leads to exactly the trials that it was computed from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.report.material import Material, gather
from agsam_tune.report.trial_links import ALL_TRIALS, Behind, behind, chosen, ranges, selection
from agsam_tune.report.trial_table import trials_json
from tests.report.hostile import GREEK, IMAGE, MATH, SCRIPT
from tests.report.runs import CHANCE, arguments, study_of, trials_of


@pytest.fixture(scope="module")
def material() -> Material:
    """quick.toml with plain SGD, with which the claim is compared."""
    quick, moons = (study_of(name).resolved() for name in ("quick", "moons"))
    spaces = quick["search_spaces"] | {"sgd": moons["search_spaces"]["sgd"]}
    study = study_of("quick", optimizers=[*quick["optimizers"], "sgd"], search_spaces=spaces)
    return gather(**arguments(study, trials_of(study)))


@pytest.fixture(scope="module")
def links(material: Material) -> Behind:
    return behind(material)


def _rows(material: Material, wanted: str) -> pd.DataFrame:
    return material.trials[chosen(material.trials, wanted, CHANCE)]


def _leaves(material: Material) -> list[tuple[str, str, str, dict[str, Any]]]:
    return [
        (name, lens, metric, leaf)
        for name, entry in material.summary["optimizers"].items()
        for lens, metrics in entry["metrics"].items()
        for metric, leaf in metrics.items()
        if isinstance(leaf["value"], float)
    ]


def test_every_estimate_leads_to_as_many_trials_as_it_says(
    material: Material, links: Behind
) -> None:
    checked = 0
    for name, lens, metric, leaf in _leaves(material):
        n = len(_rows(material, links.estimate(lens, metric, name)))
        own = len(_rows(material, links.estimate("none", "best_accuracy", name)))
        draws = lens == "own_best" and (metric == "regret_sensitivity" or metric.endswith("_all"))
        if metric == "win_probability":
            assert n == 2 * leaf["n"], (name, lens, metric)
        elif draws or (lens == "rho" and metric.startswith("tolerance_volume")):
            assert n == leaf["n"] + own, (name, lens, metric)
        elif not metric.startswith(("sobol", "rbd_fast", "importance", "noise_share")):
            assert n == leaf["n"], (name, lens, metric)
        checked += 1
    assert checked > 80


def test_means_of_the_trials_are_the_estimates(material: Material, links: Behind) -> None:
    for name, lens, metric, leaf in _leaves(material):
        rows = _rows(material, links.estimate(lens, metric, name))
        if metric == "best_accuracy":
            found = rows["test_accuracy"].mean()
        elif metric == "mean_accuracy":
            found = rows.groupby("point")["test_accuracy"].mean().clip(lower=CHANCE).mean()
        elif metric == "failure_rate":
            found = chosen(rows, "failed=yes", CHANCE).mean()
        else:
            continue
        assert found == pytest.approx(leaf["value"], abs=1e-12), (name, metric)


def test_differences_lead_to_the_trials_of_both(material: Material, links: Behind) -> None:
    for entry in material.summary["comparisons"]:
        rows = _rows(material, links.comparison(entry))
        assert set(rows["optimizer"]) == {entry["candidate"], entry["baseline"]}
        parts = [
            links.estimate(entry["lens"], entry["metric"], entry[role])
            for role in ("candidate", "baseline")
        ]
        both = chosen(material.trials, ";".join(parts), CHANCE)
        assert len(rows) == both.sum()


def test_every_reason_of_the_claim_leads_to_trials(material: Material, links: Behind) -> None:
    because = material.summary["claim"]["because"]
    assert len(because) == 5
    for reason in because:
        assert len(_rows(material, links.reason(reason))), reason


def test_without_fresh_seeds_the_best_is_measured_on_odd_ones() -> None:
    study = study_of("quick")
    trials = trials_of(study, skip=("iid", "misset"))
    material = gather(**arguments(study, trials))
    rows = _rows(material, behind(material).estimate("own_best", "best_accuracy", "gsam"))
    assert len(rows)
    assert (rows["seed"] % 2 == 1).all()
    leaf = material.summary["optimizers"]["gsam"]["metrics"]["own_best"]["best_accuracy"]
    assert rows["test_accuracy"].mean() == pytest.approx(leaf["value"], abs=1e-12)


def test_where_boxes_differ_the_shared_box_is_part_of_it() -> None:
    resolved = study_of("quick").resolved()
    resolved["search_spaces"]["gsam"]["ranges"]["rho"]["high"] = 1.0
    study = study_of("quick", search_spaces=resolved["search_spaces"])
    trials = trials_of(study, skip=("tune", "iid", "misset"))
    material = gather(**arguments(study, trials))
    rows = _rows(material, behind(material).estimate("rho", "mean_accuracy", "adaptive_gsam"))
    leaf = material.summary["optimizers"]["adaptive_gsam"]["metrics"]["rho"]["mean_accuracy"]
    assert 0 < len(rows) == leaf["n"] < (trials["phase"] == "map").sum() / 3
    assert rows["rho"].max() <= 1.0


def test_a_box_of_the_range_curve_is_part_of_it(material: Material, links: Behind) -> None:
    box = {"rho": [0.01, 0.1], "gamma": [0.01, 1.0]}
    rows = _rows(material, links.range({"lens": "rho", "axis": "all", "box": box}))
    assert set(rows["phase"]) == {"map", "misset"}
    for name, own in rows[rows["phase"] == "map"].groupby("optimizer", observed=True):
        assert own["rho"].between(0.01, 0.1).all()
        assert name == "gsam" or own["gamma"].between(0.01, 1.0).all()


def test_a_range_of_factors_leads_to_their_own_draws(material: Material, links: Behind) -> None:
    factor = {"lens": "own_best", "axis": "factor", "box": {"factor": [0.5, 2.0]}}
    twice = _rows(material, links.range({**factor, "change": "up to 2"}))
    assert twice["point"].nunique() == 1 + 4
    whole = _rows(material, links.range({**factor, "change": "whole"}))
    assert whole["point"].nunique() == 1 + 12
    alone = {"axis": "rho", "change": "alone, up to 10", "box": {"factor": [0.1, 10.0]}}
    rows = _rows(material, links.range({**factor, **alone}))
    assert rows["point"].nunique() == 1 + 6


@pytest.mark.parametrize("name", [SCRIPT, IMAGE, MATH, GREEK, "a,b;c&d=e", "1..2", "odd", ""])
def test_any_name_is_selected_as_it_is(name: str) -> None:
    trials = pd.DataFrame({"optimizer": [name, "gsam", "odd"], "point": [0, 1, 2]})
    wanted = selection({"optimizer": name, "point": 0})
    assert chosen(trials, wanted, None).tolist() == [True, False, False]
    assert not set(wanted) & set("<>\"' ")


def test_conditions_and_clauses() -> None:
    trials = pd.DataFrame(
        {
            "seed": pd.array([0, 1, 2, None], dtype="Int64"),
            "rho": [0.1, 0.5, np.nan, 2.0],
            "diverged": [False, True, False, False],
            "test_accuracy": [0.9, 0.5, 0.505, 0.6],
            "state": "COMPLETE",
        }
    )

    def found(wanted: str) -> list[int]:
        return np.flatnonzero(chosen(trials, wanted, 0.5)).tolist()

    assert found("seed=odd") == [1]
    assert found("seed=even") == [0, 2]
    assert found("seed=0,2..3") == [0, 2]
    assert found("rho=0.5..2.0") == [1, 3]
    assert found("diverged=yes") == [1]
    assert found("failed=yes") == [1, 2]
    assert found("failed=no&rho=0.1;seed=1") == [0, 1]
    assert found(ALL_TRIALS) == [0, 1, 2, 3]


def test_runs_of_numbers_become_ranges() -> None:
    assert ranges([0, 3, 4, 5, 9]) == ["0", "3..5", "9"]
    assert ranges([]) == []


def test_the_table_of_the_page_holds_the_trials() -> None:
    trials = trials_of(study_of("quick"))
    trials.loc[0, "state"] = "FAIL"
    trials["optimizer"] = trials["optimizer"].where(trials["point"] > 0, "</script><!--&")
    text = trials_json(trials, CHANCE)
    assert not set("<>&") & set(text)
    stored = json.loads(text)
    assert (stored["n"], stored["chance"]) == (len(trials), CHANCE)
    columns = {}
    for column in stored["columns"]:
        values = column.get("values")
        if values is None:
            values = [value for value, n in column["runs"] for _ in range(n)]
        names = column.get("names")
        columns[column["key"]] = [names[code] for code in values] if names else values
    assert columns["optimizer"] == trials["optimizer"].tolist()
    assert columns["state"] == trials["state"].tolist()
    assert columns["point"] == trials["point"].tolist()
    assert columns["diverged"] == trials["diverged"].astype(int).tolist()
    missing = trials["gamma"].isna().to_numpy()
    assert [value is None for value in columns["gamma"]] == missing.tolist()
    for key in ("rho", "test_accuracy", "radius"):
        stored_values = np.array(columns[key], dtype=float)
        np.testing.assert_allclose(stored_values, trials[key], rtol=1e-5)
