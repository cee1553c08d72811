"""Names and notes come from files of others: they are text on the page, never markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsam_tune.report import write_report
from agsam_tune.study import Study
from tests.report.pages import Page, read_page
from tests.report.runs import arguments, study_of, trials_of

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
MATH = "$\\frac{1}{0}$ {{ 7*7 }} ]]> &amp; --> \x07"
GREEK = "ß" * 300


def hostile_study() -> Study:
    """quick.toml with hostile names of study, task, task option, optimizer and hyperparameters."""
    resolved = study_of("quick").resolved()
    resolved |= {"name": SCRIPT, "task": IMAGE, "task_options": {SCRIPT: IMAGE}}
    resolved["optimizers"] = [*resolved["optimizers"], SCRIPT, MATH, GREEK]
    own = {SCRIPT: {"low": 0.1, "high": 1.0, "log": True, "default": 0.5}}
    space = resolved["search_spaces"]["gsam"]
    for name in (SCRIPT, MATH, GREEK):
        ranges = space["ranges"] | own
        resolved["search_spaces"][name] = {"optimizer": name, "ranges": ranges}
    return Study.from_resolved(resolved)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    study = hostile_study()
    manifest = {
        "device": SCRIPT,
        "commit": IMAGE,
        "command": ["agsam-tune", SCRIPT],
        "versions": {SCRIPT: IMAGE},
    }
    write_report(folder, **arguments(study, trials_of(study), **manifest))
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return read_page(folder)


def test_no_markup_comes_from_names(page: Page) -> None:
    assert page.problems == []
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.handlers == []
    assert "<script" not in page.text.lower()
    assert "<img" not in page.text.lower()


def test_the_names_are_readable_as_they_are(page: Page) -> None:
    for name in (SCRIPT, IMAGE, "{{ 7*7 }}"):
        assert name in page.prose


def test_templates_in_names_are_not_run(page: Page) -> None:
    assert "49 ]]>" not in page.prose


def test_file_names_are_the_reports_own(folder: Path) -> None:
    for path in (folder / "figures").iterdir():
        assert path.stem.replace("-", "").isalnum()
        assert path.stem.isascii()
