"""Numbers as people read them."""

from __future__ import annotations

import pytest

from agsam_tune.report import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.005, "0.50"), (-0.0123, "−1.23"), (0.0, "0.00"), (-1e-9, "0.00"), (None, "–")],
)
def test_fractions_become_points(value: float | None, shown: str) -> None:
    assert text.points(value) == shown


def test_signs_are_shown_where_asked() -> None:
    assert text.points(0.01, sign=True) == "+1.00"
    assert text.points(0.0, sign=True) == "0.00"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "0.5", True, [0.5]])
def test_what_is_not_a_finite_number_is_a_dash(value: object) -> None:
    assert text.number(value, text.metric("mean_accuracy")) == "–"


@pytest.mark.parametrize(
    ("key", "label", "unit"),
    [
        ("mean_accuracy", "Mean accuracy", "%"),
        ("tolerance_volume_0.01", "Within 1 point of the best", "%"),
        ("tolerance_volume_0.005", "Within 0.5 points of the best", "%"),
        ("misset_penalty_2_rho", "Loss with rho off by up to 2×", "points"),
        ("misset_penalty_10_all", "Loss with all hyperparameters off by up to 10×", "points"),
        ("misset_penalty_3_weight_decay", "Loss with weight_decay off by up to 3×", "points"),
        ("sobol_total_lr", "Total Sobol index of lr", "%"),
        ("something_new", "something_new", ""),
    ],
)
def test_metrics_have_names_and_units(key: str, label: str, unit: str) -> None:
    assert text.metric(key).label == label
    assert text.metric(key).unit == unit


def test_differences_of_accuracies_are_points_and_of_shares_percentage_points() -> None:
    assert text.metric("best_accuracy").difference_unit == "points"
    assert text.metric("failure_rate").difference_unit == "percentage points"
    assert text.metric("tolerance_decades").difference_unit == "decades"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "< 0.001"), (0.0312, "0.031"), (1.0, "1"), (None, "–")]
)
def test_p_values(value: float | None, shown: str) -> None:
    assert text.p_value(value) == shown


def test_reasons_become_sentences() -> None:
    assert text.sentence("no map phase") == "No map phase."
    assert text.sentence("Done.") == "Done."
    assert text.sentence("") == ""


def test_settings() -> None:
    assert (
        text.setting({"rho": 0.05, "gamma": float("nan"), "alpha": 0.0}) == "rho = 0.05, alpha = 0"
    )
    assert text.setting(None) == ""
