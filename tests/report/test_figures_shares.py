"""Distributions, tuning curves, indices and range curves: directions, limits and reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agsam_tune.report.figures import range_plate, share_plates, shares
from agsam_tune.report.figures.panel import Panel
from agsam_tune.report.material import Material
from agsam_tune.report.svg import drawing
from tests.report.fits import leaf, range_curve
from tests.report.full import material_of


@pytest.fixture(scope="module")
def material() -> Material:
    return material_of("quick")


def drawn(panel: Panel) -> Axes:
    with drawing():
        ax = Figure().add_subplot()
        panel.draw(ax)
    return ax


def with_rho_metrics(material: Material, metrics: dict[str, Any]) -> Material:
    """The same run with every optimizer's metrics of the rho lens replaced."""
    optimizers = {
        name: {**entry, "metrics": {**entry["metrics"], "rho": metrics}}
        for name, entry in material.summary["optimizers"].items()
    }
    return replace(material, summary={**material.summary, "optimizers": optimizers})


def test_the_distribution_falls_from_all_settings_to_none(material: Material) -> None:
    table = pd.DataFrame(
        {
            "accuracy": [0.5, 0.8, 0.9],
            "share": [0.25, 0.5, 1.0],
            "low": [0.2, 0.4, 0.9],
            "high": [0.3, 0.6, 1.0],
        }
    )
    panel = shares.distribution_panel(
        {"gsam": table}, styles=material.styles, references={"gsam_matched": 0.85}, chance=0.5
    )
    ax = drawn(panel)
    line = ax.lines[0]
    places = np.array(line.get_xydata())
    np.testing.assert_allclose(places, [(50, 100), (50, 75), (80, 50), (90, 0)])
    assert any(np.allclose(np.array(one.get_xydata())[:, 0], 85) for one in ax.lines[1:])
    assert ax.get_ylabel() == "settings at least this accurate (%)"


def test_the_close_view_ends_a_little_below_the_best(material: Material) -> None:
    plate = share_plates.distribution_plate(material, {"gsam_matched": 0.917})
    assert plate is not None
    low, high = drawn(plate.panels[1]).get_xlim()
    assert low == pytest.approx(91.7 - 160 * max(material.study.analysis.epsilons))
    assert 91.7 < high < 92.5


def test_a_band_without_an_upper_end_does_not_stretch_the_tuning_curve() -> None:
    table = pd.DataFrame(
        {"draws": [1, 2, 3], "value": [0.8, 0.85, 0.9], "low": [0.7, 0.8, 0.84], "high": 1.0}
    )
    low, high = shares.tuning_limits({"gsam": table}, {"gsam_matched": 0.88})
    assert 0.65 < low < 0.72
    assert 0.9 < high < 0.93


def test_what_the_summary_lacks_has_no_plate(material: Material) -> None:
    bare = replace(material, summary={"optimizers": {"gsam": {"distribution": {"value": None}}}})
    assert share_plates.distribution_plate(bare, {}) is None
    assert share_plates.tuning_plate(bare, {}) is None
    assert share_plates.indices_plate(bare) is None
    assert range_plate.range_plate(bare) is None


def test_the_seed_is_a_row_beside_the_total_indices(material: Material) -> None:
    plate = share_plates.indices_plate(material)
    assert plate is not None
    labels = {
        panel.key: [text.get_text() for text in drawn(panel).get_yticklabels()]
        for panel in plate.panels
    }
    assert labels["indices-sobol_first"] == ["rho", "alpha", "gamma"]
    assert labels["indices-sobol_total"] == ["rho", "alpha", "gamma", "seed"]
    assert labels["indices-importance"] == ["rho", "alpha", "gamma"]
    assert "as a check" in plate.caption


def test_without_sobol_indices_the_caption_says_why(material: Material) -> None:
    reason = {"value": None, "reason": "the surface's R² is 0.41, below 0.8"}
    metrics = {
        "sobol_first_rho": reason,
        "sobol_total_rho": reason,
        "importance_rho": leaf(0.7),
        "noise_share": leaf(0.1),
    }
    plate = share_plates.indices_plate(with_rho_metrics(material, metrics))
    assert plate is not None
    assert [panel.key for panel in plate.panels] == ["indices-importance", "indices-noise"]
    assert "no Sobol indices: The surface's R² is 0.41, below 0.8." in plate.caption


def test_the_range_curve_has_a_panel_for_each_hyperparameter_and_lens(material: Material) -> None:
    plate = range_plate.range_plate(material)
    assert plate is not None
    keys = [panel.key for panel in plate.panels]
    lenses = ["range-own_best", "range-radius"]
    assert keys == ["range-rho-rho", "range-rho-alpha", "range-rho-gamma", *lenses]
    flips = sum(row.get("flips", False) for row in range_curve())
    assert flips > 1
    assert f"In {flips} boxes the other optimizer wins" in plate.caption


def test_a_range_panel_marks_flips_the_whole_box_and_what_is_missing(material: Material) -> None:
    plate = range_plate.range_plate(material)
    assert plate is not None
    panels = {panel.key: drawn(panel) for panel in plate.panels}
    alpha = panels["range-rho-alpha"]
    labels = [text.get_text() for text in alpha.get_yticklabels()][::-1]
    assert labels[0] == "whole box"
    assert "wider by 2× (flips)" in labels
    dashed = [line for line in alpha.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    np.testing.assert_allclose(np.array(dashed[0].get_xydata())[:, 0], -0.4)
    words = [text.get_text() for text in panels["range-radius"].texts]
    assert "fewer than 10 points of gsam" in words


def test_worst_cases_run_off_the_axis_and_intervals_do_not(material: Material) -> None:
    rows = [dict(row, worst_low=-0.9, worst_high=0.9) for row in range_curve()]
    plate = range_plate.range_plate(
        replace(material, summary={**material.summary, "range_curve": rows})
    )
    assert plate is not None
    low, high = drawn(plate.panels[0]).get_xlim()
    own = [row for row in rows if row["lens"] == "rho"]
    assert low < 100 * min(row["low"] for row in own)
    assert high > 100 * max(row["high"] for row in own)
    assert high - low < 10
