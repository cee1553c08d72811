"""The comparison's page: well-formed, closed, the same each time, and names are only text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agsam_tune.analysis import analyse
from agsam_tune.analysis.across import TaskRun, compare_tasks
from agsam_tune.analysis.context import make_context
from agsam_tune.errors import UsageError
from agsam_tune.importing import ImportOptions, import_trials
from agsam_tune.report import shown
from agsam_tune.report.across import write_comparison
from agsam_tune.reporting import report_runs
from tests.analysis.tasks import CHANCE, peak, worlds_of
from tests.report.pages import Page, read_page, sketched
from tests.run.commands import tree

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
MATH = "$\\frac{1}{0}$ {{ 7*7 }}"
FIGURES = ["differences", "plane", "tuning"]


@pytest.fixture(scope="module")
def comparison() -> dict[str, Any]:
    """Two tasks' comparison, as it is read from its file."""
    surfaces = {"gsam": (peak(-1.0), peak(0.5)), "adaptive_gsam": (peak(-0.5),) * 2}
    runs = []
    for number, world in enumerate(worlds_of(surfaces, points=16, misset_seeds=2)):
        trials = world.trials(generator=np.random.default_rng([9, number]))
        context = make_context(trials, world.study, chance=CHANCE)
        summary = analyse(trials, world.study, chance=CHANCE, test_size=100)
        runs.append(TaskRun(name=("moons", "digits")[number], context=context, summary=summary))
    found: dict[str, Any] = json.loads(json.dumps(compare_tasks(runs)))
    return found


@pytest.fixture(scope="module")
def folder(comparison: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    write_comparison(folder, comparison)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return read_page(folder)


def test_the_page_is_whole_and_closed(page: Page) -> None:
    assert page.problems == []
    assert len(page.ids) == len(set(page.ids))
    # What is loaded is the page itself: places within it.
    assert all(target.startswith("#") for target in page.loads)
    assert page.handlers == []
    assert "script" not in page.tags


def test_it_says_the_claim_first_and_every_task(page: Page, comparison: dict[str, Any]) -> None:
    assert comparison["claim"]["text"] in page.prose
    assert page.prose.index(comparison["claim"]["text"]) < page.prose.index("task by task")
    for word in ("moons", "digits", "mean over tasks", "hyperparameter sensitivity", "worth"):
        assert word in page.prose


def test_each_figure_is_a_file_of_both_kinds(folder: Path) -> None:
    found = sorted(path.name for path in (folder / "figures").iterdir())
    assert found == sorted(f"{key}.{kind}" for key in FIGURES for kind in ("png", "svg"))


def test_the_same_summary_gives_the_same_bytes(
    folder: Path, comparison: dict[str, Any], tmp_path: Path
) -> None:
    write_comparison(tmp_path, comparison)
    for name in tree(folder):
        if (folder / name).is_file():
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_names_are_text(comparison: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(comparison)
    names = {"moons": SCRIPT, "digits": MATH, "adaptive_gsam": IMAGE, "gsam": "a & b <i>"}
    for name, other in names.items():
        text = text.replace(name, json.dumps(other)[1:-1])
    write_comparison(tmp_path, json.loads(text))
    page = read_page(tmp_path)
    assert page.problems == []
    assert not {"script", "img", "i"} & set(page.tags)
    assert page.handlers == []
    for name in names.values():
        assert name in page.prose
    assert all(p.stem in FIGURES for p in (tmp_path / "figures").iterdir())


def test_tasks_without_a_pair_or_a_map_are_shown_with_reasons(
    comparison: dict[str, Any], tmp_path: Path
) -> None:
    nothing = {"value": None, "reason": "no finished trial of the map phase"}
    bare = json.loads(json.dumps(comparison))
    bare |= {"candidate": None, "baseline": None, "comparisons": []}
    bare["claim"] = {"text": "There is no claim.", "verdict": "undecided", "because": []}
    for task in bare["tasks"]:
        task |= {"pair": None, "comparisons": [], "compared": False}
        for own in task["optimizers"].values():
            own |= dict.fromkeys(own.keys() - {"normalised", "worth_tuning"}, nothing)
            own["normalised"] = dict.fromkeys(own["normalised"], nothing)
    for own in bare["optimizers"].values():
        own |= dict.fromkeys(own, nothing)
    write_comparison(tmp_path, bare)
    page = read_page(tmp_path)
    assert page.problems == []
    assert "No finished trial of the map phase." in page.prose
    assert tree(tmp_path / "figures") == []


def imported(folder: Path, name: str, accuracy: float) -> Path:
    """A small run made elsewhere."""
    generator = np.random.default_rng(4)
    lines = ["optimizer,point,seed,rho,test_accuracy"]
    for point, rho in enumerate(10 ** generator.uniform(-2, 0, 12)):
        for optimizer, loss in (("a", 0.05), ("b", 0.1)):
            for seed in (0, 1):
                noise = generator.normal(0, 0.003)
                value = accuracy - loss * (np.log10(rho) + 1) ** 2 + noise
                lines.append(f"{optimizer},{point},{seed},{rho},{value}")
    (folder / f"{name}.csv").write_text("\n".join(lines))
    roles = {"candidate": "a", "baseline": "b", "chance": 0.1}
    import_trials(ImportOptions(source=str(folder / f"{name}.csv"), out=folder / name, **roles))
    return folder / name


def test_several_runs_are_reported_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "draw_sheet", sketched)
    runs = [imported(tmp_path, "one", 0.9), imported(tmp_path, "two", 0.8)]
    (tmp_path / "comparison").mkdir()
    (tmp_path / "comparison" / "summary.json").write_text('{"comparison_of": ["an earlier one"]}')
    said: list[Path] = []
    place = report_runs(runs, out=None, said=lambda folder, _: said.append(folder))
    assert place == tmp_path / "comparison"
    assert said == [*runs, place]
    for path in said:
        assert (path / "report.html").is_file()
    summary = json.loads((place / "summary.json").read_text("utf-8"))
    assert summary["comparison_of"] == ["one", "two"]
    gain = summary["optimizers"]["a"]["hyperparameter_sensitivity"]
    assert gain["low"] <= 0.02


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    runs = [imported(tmp_path, "one", 0.9), imported(tmp_path, "two", 0.8)]
    before = tree(tmp_path)

    def refused(folders: list[Path], out: Path | None) -> str:
        with pytest.raises(UsageError) as caught:
            report_runs(folders, out=out, said=lambda *_: None)
        assert tree(tmp_path) == before
        return str(caught.value)

    assert "manifest.json" in refused(runs, runs[0])
    assert "is no comparison's folder" in refused(runs, tmp_path)
    assert "cannot be used" in refused(runs, tmp_path / "one.csv")
    assert "named twice" in refused([runs[0], runs[0]], None)
    assert "no run is here" in refused([runs[0], tmp_path / "three"], None)
