"""The report in Chromium: nothing overlaps, is cut or is loaded, and the verdict comes first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.report import browsers
from tests.report.browsers import open_browser, opened

WIDE, PHONE = (1400, 900), (400, 800)
A4_PIXELS = (688, 1000)
"""A page's width in CSS pixels: 210 mm less two margins of 14 mm, at 96 dots per inch."""
REPORTS = ("quick", "hostile", "paper", "full")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(params=REPORTS)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue(f"{request.param}_folder"))


def _unfold(page: Page) -> None:
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


def _inside(page: Page, selector: str, height: int) -> bool:
    box = page.locator(selector).first.bounding_box()
    return box is not None and box["y"] + box["height"] <= height


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_loaded_or_goes_wrong_or_is_wider_than_the_window(
    browser: Browser, folder: Path, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, folder, size, color_scheme=scheme) as (page, problems):
        _unfold(page)
        assert page.evaluate(browsers.TOO_WIDE) == []
        assert page.evaluate(browsers.CUT_TEXTS) == []
        assert page.evaluate(browsers.CONTRAST) == []
        assert problems == []


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_no_text_of_a_figure_is_cut_or_lies_on_another(
    browser: Browser, folder: Path, size: tuple[int, int]
) -> None:
    with opened(browser, folder, size) as (page, _):
        assert page.evaluate(browsers.TEXTS_IN_FIGURES) == []


def test_the_verdict_and_its_figure_are_on_the_first_screen(
    browser: Browser, quick_folder: Path, full_folder: Path
) -> None:
    for folder in (quick_folder, full_folder):
        with opened(browser, folder, WIDE) as (page, _):
            for part in (".question", ".claim", ".badge.large", ".because li:last-child"):
                assert _inside(page, part, WIDE[1]), part
            assert _inside(page, "#figure-claim .panels", WIDE[1])
        with opened(browser, folder, PHONE) as (page, _):
            for part in (".question", ".claim", ".badge.large", ".because li"):
                assert _inside(page, part, PHONE[1]), part


def test_a_study_of_fixed_points_has_its_verdict_on_the_first_screen(
    browser: Browser, paper_folder: Path
) -> None:
    for size in (WIDE, PHONE):
        with opened(browser, paper_folder, size) as (page, _):
            for part in (".claim", ".badge.large", ".because li:last-child"):
                assert _inside(page, part, size[1]), part


def test_heads_are_in_order_and_tables_have_captions(browser: Browser, full_folder: Path) -> None:
    with opened(browser, full_folder, WIDE) as (page, _):
        levels = page.evaluate(
            "[...document.querySelectorAll('main :is(h1,h2,h3,h4), header h1')]"
            ".map((one) => Number(one.tagName[1]))"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
        assert page.evaluate("document.querySelectorAll('table:not(:has(caption))').length") == 0
        assert page.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
        assert (
            page.evaluate("document.querySelectorAll('svg[role=img]:not([aria-label])').length")
            == 0
        )


def test_print_is_complete_and_nothing_is_cut(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, A4_PIXELS) as (page, _):
        page.emulate_media(media="print")
        assert page.evaluate(browsers.TOO_WIDE) == []
        assert page.evaluate(browsers.CUT_TEXTS) == []
        for hidden in ("dialog", "nav.toc"):
            assert not page.locator(hidden).is_visible()
        folded = page.locator("details :is(th, td)")
        assert all(folded.nth(i).is_visible() for i in range(min(folded.count(), 3)))
        assert page.pdf(format="A4").count(b"/Type /Page\n") >= 2


def test_an_open_panel_is_not_printed(browser: Browser, quick_folder: Path) -> None:
    with opened(browser, quick_folder, A4_PIXELS, fragment="#trials?phase=map") as (page, _):
        assert page.locator("dialog").is_visible()
        page.emulate_media(media="print")
        assert not page.locator("dialog").is_visible()


def test_the_checks_find_what_they_look_for(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(
        "<body style='background: white'><p style='width: 2000px; color: #999'>long</p>"
        "<div style='overflow: hidden; width: 20px; white-space: nowrap'>hidden words</div>"
        "<figure id='f'><svg viewBox='0 0 100 50' width='100' height='50'>"
        "<text x='10' y='20'>one</text><text x='12' y='20'>two</text>"
        "<text x='90' y='40'>cut text</text></svg></figure>"
        "<img src='https://example.invalid/x.png'>"
    )
    with opened(browser, tmp_path, PHONE) as (page, problems):
        assert len(page.evaluate(browsers.TOO_WIDE)) >= 2
        assert len(page.evaluate(browsers.TEXTS_IN_FIGURES)) == 2
        assert len(page.evaluate(browsers.CUT_TEXTS)) == 1
        assert len(page.evaluate(browsers.CONTRAST)) == 1
        assert any(problem.startswith("request: https://example.invalid") for problem in problems)
