"""Names and notes come from files of others: they are text on the page, never markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.report.browsers import open_browser, opened
from tests.report.hostile import GREEK, IMAGE, MATH, SCRIPT
from tests.report.pages import Page, read_page


@pytest.fixture(scope="module")
def page(hostile_folder: Path) -> Page:
    return read_page(hostile_folder)


def test_no_markup_comes_from_names(page: Page) -> None:
    assert page.problems == []
    # The table of trials and the page's own script, and no other.
    assert page.tags.count("script") == 2
    assert page.text.lower().count("<script") == 2
    assert page.text.lower().count("</script") == 2
    assert "img" not in page.tags
    assert page.handlers == []
    assert "<img" not in page.text.lower()


def test_the_names_are_readable_as_they_are(page: Page) -> None:
    for name in (SCRIPT, IMAGE, "{{ 7*7 }}"):
        assert name in page.prose


def test_templates_in_names_are_not_run(page: Page) -> None:
    assert "49 ]]>" not in page.prose


def test_file_names_are_the_reports_own(hostile_folder: Path) -> None:
    for path in (hostile_folder / "figures").iterdir():
        assert path.stem.replace("-", "").isalnum()
        assert path.stem.isascii()


def test_hostile_names_are_texts_in_the_panel(hostile_folder: Path) -> None:
    with (
        open_browser() as browser,
        opened(browser, hostile_folder, (1400, 900)) as (page, problems),
    ):
        for name in (SCRIPT, MATH, GREEK):
            page.evaluate(
                "(name) => { location.hash = '#trials?optimizer=' + encodeURIComponent(name) }",
                name,
            )
            words = page.locator("#trials-filter li")
            expect(words).to_contain_text(" ".join(name.replace("\x07", "").split())[:40])
            assert page.locator("#trials-body td").first.inner_text().startswith(name[0])
            assert int(page.evaluate("document.body.dataset.trials")) > 0
        assert page.evaluate("document.scripts.length") == 2
        assert problems == []
