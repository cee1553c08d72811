"""What the verdicts in the three lenses make of the claim."""

from itertools import product
from typing import Any

import pytest

from agsam_tune.analysis.claim import claim

VERDICTS = ("candidate", "baseline", "equivalent", "undecided")


def rows(rho: str, own_best: str, radius: str) -> list[dict[str, Any]]:
    verdicts = {"rho": rho, "own_best": own_best, "radius": radius}
    return [
        {
            "lens": lens,
            "metric": "regret_sensitivity",
            "difference": -0.0123,
            "low": -0.02,
            "high": -0.001,
            "p_value": 0.04,
            "verdict": verdict,
        }
        for lens, verdict in verdicts.items()
    ]


def expected(rho: str, own_best: str, radius: str) -> str:
    if own_best == radius == "candidate" and rho != "baseline":
        return "supported"
    if own_best in ("baseline", "equivalent") and radius in ("baseline", "equivalent"):
        return "contradicted"
    if {"candidate", "baseline"} <= {rho, own_best, radius}:
        return "mixed"
    return "undecided"


@pytest.mark.parametrize("verdicts", list(product(VERDICTS, repeat=3)))
def test_all_verdicts(verdicts: tuple[str, str, str]) -> None:
    found = claim(rows(*verdicts), "adaptive_gsam", "gsam")
    assert found["verdict"] == expected(*verdicts)
    assert len(found["because"]) == 3


def test_sentences_are_in_points() -> None:
    found = claim(rows("candidate", "candidate", "candidate"), "adaptive_gsam", "gsam")
    assert "loses 1.23 points less than gsam" in found["because"][0]
    assert "−2.00 to −0.10 points" in found["because"][0]
    assert found["text"].startswith("Supported: when mis-set, adaptive_gsam loses 1.2 points less")


def leaf(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 8, "method": "t"}


def test_the_gap_and_plain_sgd_come_after_the_lenses() -> None:
    gap = {"total": leaf(0.076), "unit_part": leaf(0.061), "direction_part": leaf(0.015)}
    best = {"sgd": leaf(0.9154), "a": leaf(0.9167), "b": leaf(0.9163)}
    found = claim(rows(*("undecided",) * 3), "a", "b", gap=gap, best=best)
    assert found["because"][3:] == [
        "Of the 7.60 points of mean accuracy between them at the same rho (a − b), "
        "6.10 (+4.10 to +8.10) are the unit of rho and "
        "1.50 (−0.50 to +3.50) the direction of the step.",
        "Plain sgd reaches 91.54 %; a at its own best 91.67 %, b 91.63 %.",
    ]
    assert found["verdict"] == "undecided"


def test_no_sentence_on_what_is_not_known() -> None:
    gap = {"total": {"value": None, "reason": "no control"}}
    best = {"a": leaf(0.9), "b": leaf(0.9)}
    found = claim(rows(*("undecided",) * 3), "a", "b", gap=gap, best=best)
    assert len(found["because"]) == 3


def test_other_metrics_do_not_count() -> None:
    other = [row | {"metric": "mean_accuracy"} for row in rows(*("candidate",) * 3)]
    assert claim(other, "a", "b")["verdict"] == "undecided"


def test_without_a_pair_or_data() -> None:
    assert claim([], None, "gsam")["verdict"] == "undecided"
    assert claim([], "adaptive_gsam", "gsam")["verdict"] == "undecided"


def test_no_estimate_gives_its_reason() -> None:
    empty = rows(*("undecided",) * 3)
    empty[0] |= {"difference": None, "reason": "no trials"}
    assert "no trials" in claim(empty, "a", "b")["because"][0]
