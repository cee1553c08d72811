"""The tables' cells, footnotes and verdicts, from small summaries written by hand."""

from __future__ import annotations

from typing import Any

from agsam_tune.report.tables import comparisons, estimates


def leaf(value: float, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n": 8, "method": "t"} | more


def null(reason: str) -> dict[str, Any]:
    return {"value": None, "reason": reason}


def summary(**metrics: Any) -> dict[str, Any]:
    """Optimizers a, b, c with the given values of one metric each, in the rho lens."""
    optimizers: dict[str, Any] = {name: {"metrics": {"rho": {}}} for name in "abc"}
    for key, leaves in metrics.items():
        for name, one in zip("abc", leaves, strict=True):
            optimizers[name]["metrics"]["rho"][key] = one
    return {"optimizers": optimizers}


def test_values_and_intervals_are_in_people_units() -> None:
    table = estimates(summary(mean_accuracy=[leaf(0.9), leaf(0.8), leaf(0.7)]), "abc")
    (row,) = table.groups[0].rows
    assert [cell.value for cell in row.cells] == ["90.00", "80.00", "70.00"]
    assert row.cells[0].interval == "89.00 to 91.00"
    assert row.unit == "%, higher is better"


def test_equal_reasons_share_a_footnote() -> None:
    metrics = {
        "mean_accuracy": [leaf(0.9), null("too few"), null("too few")],
        "failure_rate": [leaf(0.1), null("no map"), null("too few")],
    }
    table = estimates(summary(**metrics), "abc")
    first, second = table.groups[0].rows
    assert table.notes == ("Too few.", "No map.")
    assert [cell.note for cell in first.cells] == [None, 1, 1]
    assert [cell.note for cell in second.cells] == [None, 2, 1]
    assert first.cells[1].value == "–"


def test_what_nobody_has_is_said_once() -> None:
    metrics = {"noise_share": [null("no map")] * 3, "mean_accuracy": [leaf(0.9)] * 3}
    table = estimates(summary(**metrics), "abc")
    assert table.absent == (("At the same settings (raw rho)", "Noise share", "No map."),)
    assert [row.key for row in table.groups[0].rows] == ["mean_accuracy"]
    assert table.groups[0].more == ()


def test_curves_are_no_cells_and_their_absence_is_said_once() -> None:
    curve = {"draws": [1, 2], "value": [0.8, 0.9], "low": [0.7, 0.8], "high": [0.9, 0.95]}
    mixed = estimates(summary(tuning_curve=[curve, curve, null("no hyperparameters")]), "abc")
    assert (mixed.groups, mixed.absent) == ((), ())
    none = estimates(summary(tuning_curve=[null("no iid phase")] * 3), "abc")
    assert [labels for _, labels, _ in none.absent] == ["Tuning curve"]


def test_numbers_carry_the_trials_behind_them() -> None:
    metrics = {"mean_accuracy": [leaf(0.9), leaf(0.8), null("too few")]}
    table = estimates(summary(**metrics), "abc", behind=lambda *what: "/".join(what))
    cells = table.groups[0].rows[0].cells
    assert [cell.trials for cell in cells] == [
        "rho/mean_accuracy/a",
        "rho/mean_accuracy/b",
        "",
    ]
    assert cells[0].what == "Mean accuracy of a (n = 8; t)"


def test_bare_optimizers_have_dashes_without_footnotes() -> None:
    metrics = {"regret_sensitivity": [leaf(0.01), leaf(0.02), null("no hyperparameters")]}
    table = estimates(summary(**metrics), "abc", bare={"c"})
    cell = table.groups[0].rows[0].cells[2]
    assert (cell.value, cell.note, cell.hint) == ("–", None, "no hyperparameters")
    assert table.notes == ()


def test_best_accuracy_has_a_group_of_its_own() -> None:
    table = estimates(summary(best_accuracy=[leaf(0.9)] * 3), "abc")
    assert [group.lens for group in table.groups] == ["none"]


def test_censored_values_are_bounds() -> None:
    table = estimates(summary(tolerance_decades=[leaf(1.5, censored="high")] * 3), "abc")
    cell = table.groups[0].rows[0].cells[0]
    assert cell.value == "≥ 1.50"
    assert cell.interval == ""
    assert "lies outside what was measured; its interval begins at 1.49" in cell.hint


def test_an_empty_summary_is_an_empty_table() -> None:
    assert estimates({}, ("a",)).groups == ()
    assert comparisons({}) == ((), ())


def entry(metric: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "candidate": "a",
        "baseline": "b",
        "lens": "rho",
        "metric": metric,
        "difference": -0.012,
        "low": -0.02,
        "high": -0.004,
        "p_value": 0.004,
        "verdict": verdict,
    } | more


def test_comparisons_name_the_winner() -> None:
    entries = [
        entry("regret_sensitivity", "candidate"),
        entry("regret_sensitivity", "baseline", lens="radius"),
        entry("failure_rate", "equivalent"),
        entry("misset_penalty_2_rho", "undecided", lens="own_best"),
    ]
    (pair,), notes = comparisons({"comparisons": entries})
    rho, radius = pair.lenses
    assert [row.winner for row in rho.rows] == ["a", ""]
    assert [row.winner for row in radius.rows] == ["b"]
    assert rho.rows[0].difference == "−1.20"
    assert rho.rows[0].interval == "−2.00 to −0.40"
    assert rho.rows[1].unit == "percentage points"
    assert pair.more[0].rows[0].verdict == "undecided"
    assert notes == ()
    assert "choice" in pair.more[0].caption
    assert rho.caption == ""


def test_a_comparison_without_an_estimate_has_a_footnote() -> None:
    nothing = {"difference": None, "low": None, "high": None, "p_value": None, "reason": "no map"}
    (pair,), notes = comparisons({"comparisons": [entry("mean_accuracy", "undecided", **nothing)]})
    assert pair.lenses[0].rows[0].difference == "–"
    assert pair.lenses[0].rows[0].note == 1
    assert notes == ("No map.",)
