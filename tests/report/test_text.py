"""Numbers as people read them."""

from __future__ import annotations

import pytest

from agsam_tune.report import text
from agsam_tune.report.text import PLAIN, SHARE


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.005, "0.50"), (-0.0123, "−1.23"), (0.0, "0.00"), (-1e-9, "0.00"), (None, "–")],
)
def test_fractions_become_points(value: float | None, shown: str) -> None:
    assert text.points(value) == shown


def test_signs_are_shown_where_asked() -> None:
    assert text.points(0.01, sign=True) == "+1.00"
    assert text.points(0.0, sign=True) == "0.00"
    assert text.number(0.25, PLAIN, sign=True) == "+0.25"
    assert text.number(-0.25, PLAIN, sign=True) == "−0.25"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "0.5", True, [0.5]])
def test_what_is_not_a_finite_number_is_a_dash(value: object) -> None:
    assert text.number(value, SHARE) == "–"
    assert text.with_interval(value, value, value, SHARE) == "–"


def test_a_number_has_its_interval_in_brackets() -> None:
    percent = text.score_unit("accuracy")
    assert text.with_interval(0.913, 0.9105, 0.9151, percent) == "91.30 (91.05 to 91.51)"
    assert text.with_interval(0.913, None, 0.9151, percent) == "91.30"
    assert text.with_interval(-0.01, -0.02, 0.0, percent, sign=True) == "−1.00 (−2.00 to 0.00)"
    assert text.with_interval(12.3456, 1e-5, 2e4, PLAIN) == "12.35 (1e−05 to 2e+04)"


@pytest.mark.parametrize(
    ("key", "label", "unit", "difference"),
    [
        ("mean_score", "Mean score", "%", "points"),
        ("mean_score.total", "mean_score.total", "%", "points"),
        ("regret", "Regret: best − score", "points", "points"),
        ("common_regret", "Regret against the best of all", "points", "points"),
        ("share_within_0.01", "Within 1 point of best", "%", "percentage points"),
        ("collapse_rate", "Collapsed", "%", "percentage points"),
        ("win_probability", "Win probability", "%", "percentage points"),
        ("misset_penalty_2_rho", "Loss with rho alone off by up to 2×", "points", "points"),
        (
            "misset_penalty_3_drop_rate",
            "Loss with drop_rate alone off by up to 3×",
            "points",
            "points",
        ),
        (
            "tolerance_decades_0.01",
            "Length of the key within 1 point of best",
            "decades",
            "decades",
        ),
        ("regret_factor_3", "Regret: best − score, off by up to 3×", "points", "points"),
        ("share_better", "Better settings in the box", "%", "percentage points"),
        ("test_accuracy", "test_accuracy", "%", "points"),
        ("test_loss", "test_loss", "", ""),
        ("of_a_plugin", "of_a_plugin", "%", "points"),
        ("placement", "Placement of the key", "", ""),
    ],
)
def test_metrics_have_names_and_units(key: str, label: str, unit: str, difference: str) -> None:
    found = text.unit_of(key, "accuracy")
    assert (text.label(key, "accuracy"), found.name, found.of_difference) == (
        label,
        unit,
        difference,
    )


def test_scores_of_another_metric_are_written_as_they_are() -> None:
    for key in ("mean_score", "regret", "misset_penalty_2_rho"):
        assert text.number(-0.123456, text.unit_of(key, "loss")) == "−0.1235"
    assert text.number(0.5, text.unit_of("collapse_rate", "loss")) == "50.0"
    assert text.label("share_within_0.03", "loss") == "Within 0.03 of best"
    assert text.label("share_within_0.025", "accuracy") == "Within 2.5 points of best"


def test_a_lens_shows_its_score_once() -> None:
    assert text.without_repeats(["score", "mean_score", "regret"]) == ["score", "regret"]
    assert text.without_repeats(["mean_score", "loss"]) == ["mean_score", "loss"]


def test_reasons_become_sentences() -> None:
    assert text.sentence("no map phase") == "No map phase."
    assert text.sentence("Done.") == "Done."
    assert text.sentence("") == ""


def test_settings_and_counts() -> None:
    given = {"rho": 0.05, "gamma": float("nan"), "alpha": 0.0}
    assert text.setting(given) == "rho = 0.05, alpha = 0"
    assert text.setting(None) == ""
    assert text.counted(1, "replicate") == "1 replicate"
    assert text.counted(1600, "replicate") == "1,600 replicates"
