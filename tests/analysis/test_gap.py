"""The gap's parts: they add up, and a change of unit alone is all of it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import gap_along
from agsam_tune.analysis.context import make_context
from agsam_tune.study import Study
from tests.analysis.conftest import lenses

METRICS = ("mean_accuracy", "regret_sensitivity")


@pytest.mark.parametrize("metric", METRICS)
def test_parts_add_up(summary: dict[str, Any], metric: str) -> None:
    parts = summary["gap"][metric]
    total = parts["unit_part"]["value"] + parts["direction_part"]["value"]
    assert parts["total"]["value"] == pytest.approx(total)


@pytest.mark.parametrize("metric", METRICS)
def test_total_is_the_comparison(summary: dict[str, Any], metric: str) -> None:
    rows = summary["comparisons"]
    row = next(r for r in rows if (r["lens"], r["metric"]) == ("rho", metric))
    total = summary["gap"][metric]["total"]
    assert (total["value"], total["low"]) == pytest.approx((row["difference"], row["low"]))


def test_a_change_of_unit_is_all_of_the_gap(summary: dict[str, Any]) -> None:
    parts = summary["gap"]["mean_accuracy"]
    assert parts["unit_part"]["low"] > 0
    assert parts["unit_part"]["value"] == pytest.approx(parts["total"]["value"], abs=0.003)
    assert parts["direction_part"]["low"] <= 0 <= parts["direction_part"]["high"]
    radius = [r["verdict"] for r in summary["comparisons"] if r["lens"] == "radius"]
    assert set(radius) <= {"equivalent", "undecided"}


def test_curves_add_up_and_show_the_unit(trials: pd.DataFrame, study: Study) -> None:
    table = gap_along(make_context(trials, study, chance=0.5), positions=21)
    wide = table.pivot_table(index=["metric", "rho"], columns="part", values="difference")
    summed = wide["unit_part"] + wide["direction_part"]
    np.testing.assert_allclose(wide["total"], summed, atol=1e-12)
    accuracy = wide.loc["mean_accuracy"]
    assert accuracy.loc[accuracy.index > 2.5, "unit_part"].max() > 0.2


def test_null_without_a_control(trials: pd.DataFrame, study: Study) -> None:
    without = study.model_copy(update={"control": None})
    summary = lenses(trials, without)
    for metric in METRICS:
        parts = summary["gap"][metric]
        assert all("control" in parts[part]["reason"] for part in ("total", "unit_part"))
        assert parts["curve"] == []


def test_only_points_that_all_three_have(trials: pd.DataFrame, study: Study) -> None:
    lost = (trials["optimizer"] == "gsam_matched") & (trials["point"] % 3 == 0)
    summary = lenses(trials[~lost], study)
    parts = summary["gap"]["mean_accuracy"]
    total = parts["unit_part"]["value"] + parts["direction_part"]["value"]
    assert parts["total"]["value"] == pytest.approx(total)
    assert parts["total"]["n"] == 2 * 4 * 85
