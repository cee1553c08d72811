"""docs/after_a_run.md: its commands and its Python, on a run of the tiny study."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import agsam_tune
from agsam_tune.cli import app
from tests.run.commands import tree

DOCS = (Path(__file__).parents[2] / "docs" / "after_a_run.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture
def first(undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`runs/first` below the working folder."""
    shutil.copytree(undisturbed, tmp_path / "runs" / "first")
    monkeypatch.chdir(tmp_path)
    return Path("runs/first")


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_the_page_works_from_its_first_command_to_its_last(first: Path) -> None:
    before = {name: (first / name).read_bytes() for name in ("summary.json", "report.html")}
    commands = [line[2:] for block in blocks("console") for line in block.splitlines()]
    # Its first is the run itself, which is there.
    assert commands[0].startswith("agsam-tune run quick")
    assert len(commands) == 11
    for command in commands[1:]:
        program, *arguments = shlex.split(command)
        assert program == "agsam-tune"
        done = call(*arguments)
        assert done.exit_code == 0, done.output
    for code in blocks("python"):
        names: dict[str, Any] = {}
        exec(code, names)  # noqa: S102
    assert {name: (first / name).read_bytes() for name in before} == before
    _check_report(Path("runs/first-1pp"), json.loads(before["summary.json"]))
    _check_tables(names["found"])
    assert names["wider"].summary.changed[0].here == 0.01
    assert json.loads(Path("summary-schema.json").read_text())["title"] == "agsam-tune summary"


def _check_report(folder: Path, own: dict[str, Any]) -> None:
    """The margin decides what is equivalent, and nothing of what was measured."""
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["changed"] == [{"key": "analysis.margin", "run": 0.02, "here": 0.01}]
    assert (own["design"]["margin"], summary["design"]["margin"]) == (0.02, 0.01)
    assert own["changed"] == []
    measured = [row["estimate"] for row in own["comparisons"]]
    assert [row["estimate"] for row in summary["comparisons"]] == measured
    page = (folder / "report.html").read_text()
    said = "Analysed with other settings than the run&#39;s: analysis.margin 0.02 → 0.01."
    assert said in page
    assert page.index(said) < page.index('<section id="design">')
    assert "Analysed with other" not in (folder.parent / "first" / "report.html").read_text()


def _check_tables(found: agsam_tune.Analysis) -> None:
    pd.testing.assert_frame_equal(
        pd.read_parquet("curves.parquet"), agsam_tune.curves("runs/first"), check_dtype=False
    )
    estimates = json.loads(Path("estimates.json").read_text())
    assert len(estimates) == len(found.estimates)
    assert estimates[0]["metric"] == found.estimates["metric"][0]
    markdown = Path("comparisons.md").read_text().splitlines()
    assert len(markdown) == len(found.comparisons) + 2
    assert markdown[0].startswith("| lens | metric | candidate | baseline | estimate |")
    assert len({line.count(" | ") for line in markdown}) == 1
    latex = Path("comparisons.tex").read_text()
    assert latex.startswith("\\begin{tabular}")
    assert "same\\_setting" in latex
    assert len(pd.read_csv("trials.csv")) == len(agsam_tune.results("runs/first"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "D", "--set", "analysis.margin=0.01"], "name one with --out"),
        (
            ["report", "D", "--set", "analysis.margin=0.01", "--out", "D"],
            "holds a run with its own",
        ),
        (["report", "D", "--set", "analysis.margin=0.01", "--out", "other"], "holds a run with"),
        (["report", "D", "other", "--set", "candidate=gsam", "--out", "x"], "--set takes one DIR"),
        (
            ["report", "D", "--set", "training.epochs=3", "--out", "x"],
            "any other key needs another",
        ),
        (["report", "nothing", "--set", "candidate=gsam", "--out", "x"], "no run is here"),
        (["export", "D", "--format", "md"], "trials: found the format md, allowed: csv, parquet"),
        (["export", "D", "--table", "curves", "--out", "a.tex"], "curves: found the format latex"),
        (["export", "D", "--table", "estimates", "--out", "a.xls"], "its ending is no format"),
    ],
    ids=str,
)
def test_wrong_use_is_said_and_writes_nothing(
    first: Path, arguments: list[str], message: str
) -> None:
    Path("other").mkdir()
    shutil.copy(first / "manifest.json", "other")
    before = tree(Path())
    done = call(*(str(first) if word == "D" else word for word in arguments))
    assert done.exit_code == 2
    assert message in done.stderr
    assert tree(Path()) == before
