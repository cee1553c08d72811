"""The page on several tasks: every number of the record is on it, and names are escaped."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsam_tune.analysis.across import TaskRun, compare_tasks
from agsam_tune.analysis.record import Summary
from agsam_tune.analysis.record_across import TaskComparison
from agsam_tune.report import text
from agsam_tune.report.across import NORMALISED, write_comparison
from agsam_tune.report.text import Unit
from tests.report.pages import read_page
from tests.report.records import IMAGE, REPORTS, SCRIPT, Numbers
from tests.report.test_numbers import WORDS, leaves, numbers_of


def record_of(*summaries: Summary, names: tuple[str, ...] = ("moons", IMAGE)) -> TaskComparison:
    runs = [TaskRun(name=n, summary=s) for n, s in zip(names, summaries, strict=True)]
    return compare_tasks(runs)


@pytest.fixture(scope="module")
def whole() -> TaskComparison:
    """Two tasks of the hostile record, whose lenses have what is averaged too."""
    n = Numbers()
    summaries = []
    for _ in range(2):
        one: Summary = REPORTS["hostile"]()["summary"]
        more = [
            row.model_copy(
                update={
                    "metric": metric,
                    "verdict": None,
                    "reason": None,
                    "estimate": n.one(-0.03, 0.03),
                    **n.around(-0.04, 0.04),
                }
            )
            for row in one.comparisons
            if row.metric == "score"
            for metric in ("mean_score", "common_regret")
        ]
        design = one.design.model_copy(update={"best": n.one(0.8, 0.9)})
        changes = {"comparisons": (*one.comparisons, *more), "design": design}
        summaries.append(one.model_copy(update=changes))
    return record_of(*summaries)


def unit(path: tuple[str, ...], holder: object) -> Unit:
    if path[-1] in ("trivial", "best") or "scale" in path:
        return text.score_unit("accuracy")
    if set(path) & {"normalised", "pooled", "optimizers"}:
        return NORMALISED
    return text.unit_of(holder.metric, "accuracy")  # type: ignore[attr-defined]


def test_every_number_and_sentence_is_on_the_page(tmp_path: Path, whole: TaskComparison) -> None:
    write_comparison(tmp_path, whole)
    page = read_page(tmp_path)
    assert page.problems == []
    shown, said = numbers_of(page.prose), page.prose.lower()
    assert len(whole.pooled) == 6
    missing, seen = [], 0
    for path, holder, value in leaves(whole):
        if value is None or path[0] == "format" or path[-2:] == ("claim", "because"):
            continue
        if isinstance(value, str):
            if path[-1] not in WORDS and " ".join(value.split()).lower() not in said:
                missing.append((path, value))
            continue
        seen += 1
        if isinstance(value, int):
            forms = {text.count(value)}
        else:
            forms = {text.number(value, unit(path, holder), sign=sign) for sign in (True, False)}
        if not forms & shown:
            missing.append((path, value))
    assert missing == []
    assert seen > 100


def test_names_are_texts_and_the_files_are_its_own(tmp_path: Path, whole: TaskComparison) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    write_comparison(tmp_path, whole)
    page = read_page(tmp_path)
    assert page.tags.count("script") == 0
    assert "<img" not in page.text
    assert SCRIPT in page.prose
    assert IMAGE in page.prose
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        *("mine.svg", "differences.svg", "differences.png")
    }


def test_without_differences_there_is_no_figure_and_an_old_one_goes(
    tmp_path: Path, whole: TaskComparison
) -> None:
    write_comparison(tmp_path, whole)
    bare: Summary = REPORTS["minimal"]()["summary"]
    write_comparison(tmp_path, record_of(bare, bare, names=("one", "two")))
    assert list((tmp_path / "figures").iterdir()) == []
    page = read_page(tmp_path)
    assert set(page.ids) >= {"tasks", "plane"}
    assert not {"differences", "lenses"} & set(page.ids)
