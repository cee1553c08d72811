"""The page on several tasks: everything of the record is on it, whatever it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agsam_tune.report.across import write_comparison
from tests.report.pages import read_page
from tests.report.records import IMAGE, SCRIPT

CLAIM = {"verdict": "undecided", "text": SCRIPT, "because": (IMAGE,)}
WHOLE: dict[str, Any] = {
    "format": 2,
    "candidate": SCRIPT,
    "baseline": "gsam",
    "margin": 0.0123,
    "tasks": (
        {
            "name": "moons",
            "trivial": 0.5317,
            "metrics": ({"optimizer": SCRIPT, "metric": "mean_score", "value": 0.8761},),
            "ranges": {"rho": 0.0051},
        },
        {"name": IMAGE, "trivial": None, "metrics": (), "ranges": {}},
    ),
    "comparisons": (
        {"task": "moons", "lens": "own_scale", "estimate": 0.0117, "low": -0.0213, "high": 0.0419},
        {"task": None, "lens": None, "estimate": None, "low": None, "high": None},
    ),
    "optimizers": {"gsam": {"value": 0.7654, "low": 0.7001, "high": 0.8002, "is_first": True}},
    "claim": CLAIM,
    "notes": ("Scores are normalised.",),
}


class Record(BaseModel):
    """Stands for whatever the comparison's record is."""

    model_config = {"extra": "allow"}


def test_every_field_is_shown_and_names_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    write_comparison(tmp_path, Record(**WHOLE))  # type: ignore[arg-type]
    page = read_page(tmp_path)
    assert page.problems == []
    assert page.tags.count("script") == 0
    assert "<img" not in page.text
    for words in (
        *(SCRIPT, IMAGE, "0.0123", "0.5317", "0.8761", "0.0051", "Scores are normalised."),
        *("0.0117 (−0.0213 to 0.0419)", "0.7654 (0.7001 to 0.8002)", "tasks: metrics", "yes"),
    ):
        assert words in page.prose, words
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        *("mine.svg", "differences.svg", "differences.png")
    }


def test_without_differences_there_is_no_figure_and_an_old_one_goes(tmp_path: Path) -> None:
    write_comparison(tmp_path, Record(**WHOLE))  # type: ignore[arg-type]
    write_comparison(tmp_path, Record(**{**WHOLE, "comparisons": ()}))  # type: ignore[arg-type]
    assert list((tmp_path / "figures").iterdir()) == []
    page = read_page(tmp_path)
    assert "differences" not in page.ids
    assert {"facts", "tasks", "optimizers"} <= set(page.ids)
