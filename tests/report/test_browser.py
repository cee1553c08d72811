"""The report in Chromium: it is readable in any window, loads nothing, and shows its trials."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.report import browsers
from tests.report.browsers import Size, open_browser, opened
from tests.report.records import LONG, MATH, SCRIPT
from tests.report.written import written

WIDE, PHONE = (1400, 900), (400, 800)
A4_PIXELS = (688, 1000)
"""A page's width in CSS pixels: 210 mm less two margins of 14 mm, at 96 dots per inch."""
CELL = '#same-setting a.behind[data-what^="Mean score of gsam:"]'
LOOKED_AT = ("full", "hostile", "fixed")
Show = Callable[..., tuple[Page, list[str]]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def show(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """Gives a report's page, opened once, in a window of any size, and what went wrong on it."""
    pages: dict[str, tuple[Page, list[str]]] = {}
    with ExitStack() as stack:

        def shown(
            name: str,
            size: Size,
            *,
            scheme: str = "light",
            media: str = "screen",
            fold: bool = True,
        ) -> tuple[Page, list[str]]:
            if name not in pages:
                folder = written(tmp_path_factory, name)
                pages[name] = stack.enter_context(opened(browser, folder, size))
            page, problems = pages[name]
            browsers.close_panel(page)
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.emulate_media(color_scheme=scheme, media=media)  # type: ignore[arg-type]
            page.locator("details").evaluate_all(
                "(all, fold) => { for (const one of all) one.open = !fold }", fold
            )
            return page, problems

        yield shown


@pytest.mark.parametrize("name", LOOKED_AT)
def test_nothing_is_cut_or_loaded_or_hard_to_read_or_wider_than_the_window(
    show: Show, name: str
) -> None:
    for scheme, size in itertools.product(("light", "dark"), (WIDE, PHONE)):
        page, problems = show(name, size, scheme=scheme, fold=False)
        checks = [browsers.TOO_WIDE, browsers.CUT_TEXTS, browsers.TEXTS_IN_FIGURES]
        # Sizes are the same in the dark, and colours on a phone.
        checks = checks if scheme == "light" else []
        checks += [browsers.CONTRAST] if size == WIDE else []
        for check in checks:
            assert page.evaluate(check) == [], (scheme, size)
        assert problems == []


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_verdict_is_on_the_first_screen(show: Show, size: Size) -> None:
    page, _ = show("full", size)
    for part in (".claim", ".badge.large", ".because li:last-child"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= size[1], part


def test_heads_are_in_order_and_tables_have_captions(show: Show) -> None:
    page, _ = show("full", WIDE)
    levels = page.evaluate(
        "[...document.querySelectorAll('main :is(h1,h2,h3,h4), header h1')]"
        ".map((one) => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    for wrong in ("table:not(:has(caption))", "th:not([scope])", "svg[role=img]:not([aria-label])"):
        assert page.locator(wrong).count() == 0


@pytest.mark.parametrize("name", LOOKED_AT)
def test_print_is_complete_and_nothing_is_cut(show: Show, name: str) -> None:
    page, _ = show(name, A4_PIXELS)
    browsers.ask(page, "phase=map")
    assert page.locator("dialog").is_visible()
    page.emulate_media(media="print")
    assert page.evaluate(browsers.TOO_WIDE) == []
    assert page.evaluate(browsers.CUT_TEXTS) == []
    for hidden in ("dialog", "nav.toc"):
        assert not page.locator(hidden).is_visible()
    folded = page.locator("details :is(th, td)")
    assert all(folded.nth(i).is_visible() for i in range(min(folded.count(), 3)))
    assert page.pdf(format="A4").count(b"/Type /Page\n") >= 2


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


@pytest.fixture(scope="module")
def trials(folder_of: Callable[[str], Path]) -> pd.DataFrame:
    return pd.read_parquet(folder_of("full") / "trials.parquet")


def test_a_number_opens_its_trials_and_gives_the_focus_back(
    show: Show, trials: pd.DataFrame
) -> None:
    page, problems = show("full", WIDE)
    page.locator(CELL).first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('dialog').open")
    assert "Mean score of gsam" in page.locator("#trials-title").inner_text()
    own = trials[(trials["optimizer"] == "gsam") & trials["phase"].isin(["map", "key"])]
    (words,) = page.locator("#trials-filter li").all_inner_texts()
    mean = f"mean test accuracy {100 * own['test_accuracy'].mean():.2f} %"
    assert f"{len(own)} finished trials of gsam, phase map and key: {mean}" in words
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    assert "#trials?optimizer=gsam&phase=map,key" in page.url
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('dialog').open && !location.hash")
    assert page.evaluate("document.activeElement.dataset.what").startswith("Mean score")
    assert problems == []


def test_every_link_selects_the_same_rows_in_the_page_and_in_pandas(
    show: Show, trials: pd.DataFrame
) -> None:
    page, problems = show("full", WIDE)
    links = page.locator("a[data-trials]")
    texts = links.evaluate_all("all => [...new Set(all.map((one) => one.dataset.trials))]")
    assert len(texts) > 20
    # At the end of a range is inside, though the page has six digits of a number.
    values = [float(value) for value in trials["rho"].dropna().unique()]
    low = next(value for value in values if float(f"{value:.6g}") < value)
    high = next(value for value in values if float(f"{value:.6g}") > value)
    ends = [f"rho={low!r}..{max(values)!r}", f"rho={min(values)!r}..{high!r}"]
    rows = {end: trials["rho"].between(*map(float, end[4:].split(".."))) for end in ends}
    wanted = [*texts, *ends]
    filled = 0
    for one, (n, line) in zip(wanted, browsers.ask(page, *wanted), strict=True):
        first, _, second = line.partition("; ")
        assert first == 't = pd.read_parquet("trials.parquet")'
        # The line is this package's own product: that it runs is what is tested.
        found = eval(second, {"__builtins__": {}}, {"t": trials})  # noqa: S307
        assert len(found) == n, one
        filled += n > 0
        if one in rows:
            pd.testing.assert_frame_equal(found, trials[rows[one]])
    assert filled > 20
    assert problems == []


def test_columns_sort_and_pages_turn(show: Show, trials: pd.DataFrame) -> None:
    page, _ = show("full", WIDE)
    browsers.ask(page, "state=COMPLETE")
    assert page.locator("#trials-body tr").count() == 50
    place = page.locator("#trials-place")
    n = int((trials["state"] == "COMPLETE").sum())
    assert place.inner_text() == f"1–50 of {n} trials"
    page.locator("#trials-on").click()
    assert place.inner_text() == f"51–100 of {n} trials"
    for direction in ("ascending", "descending"):
        page.locator('[data-sort="test_accuracy"]').click()
        assert place.inner_text() == f"1–50 of {n} trials"
        sorted_by = page.locator("#trials-head th[aria-sort]:not([aria-sort=none])")
        assert sorted_by.get_attribute("aria-sort") == direction
        values = _column(page, "test_accuracy")
        assert values == sorted(values, reverse=direction == "descending")
        assert len(set(values)) > 1
    assert page.evaluate("document.activeElement.dataset.sort") == "test_accuracy"


def _column(page: Page, key: str) -> list[float]:
    keys = page.locator("#trials-head button").evaluate_all("all => all.map(b => b.dataset.sort)")
    cells = page.locator(f"#trials-body td:nth-child({keys.index(key) + 1})")
    return [float(words) for words in cells.all_inner_texts()]


def test_the_rows_are_copied_as_csv(show: Show, trials: pd.DataFrame) -> None:
    page, _ = show("full", WIDE)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    browsers.ask(page, "optimizer=gsam&phase=misset")
    page.locator("#trials-copy").click()
    expect(page.locator("#trials-copied")).to_contain_text("rows copied")
    copied = pd.read_csv(io.StringIO(page.evaluate("navigator.clipboard.readText()")))
    wanted = trials[(trials["optimizer"] == "gsam") & (trials["phase"] == "misset")]
    whole = dict.fromkeys(("replicate", "diverged_step"), "float64")
    wanted = wanted.reset_index(drop=True).astype(whole)
    shared = [name for name in copied.columns if name in wanted.columns]
    assert {"optimizer", "rho", "test_accuracy", "diverged", "trial_number"} <= set(shared)
    pd.testing.assert_frame_equal(
        copied[shared], wanted[shared], check_dtype=False, rtol=1e-5, check_exact=False
    )


def test_what_is_selected_is_said_in_words(show: Show, trials: pd.DataFrame) -> None:
    page, problems = show("full", WIDE)
    browsers.ask(page, "diverged=yes&state=COMPLETE;collapsed=yes&point=odd;state=FAIL")
    words = page.locator("#trials-filter li").all_inner_texts()
    n = int(trials["diverged"].sum())
    assert words[0].startswith(f"{n} diverged trials: mean test accuracy 50.00 %")
    assert words[1].split(":")[0].endswith("collapsed trials with odd points")
    assert words[2] == "1 trial that raised an error"
    browsers.ask(page, "%E0%A4%A=1&nonsense;;rho=x..y")
    assert page.locator("#trials-filter li").first.inner_text().startswith("0 trials")
    assert problems == []


def test_hostile_names_are_texts_in_the_panel(show: Show) -> None:
    page, problems = show("hostile", WIDE)
    for name in (SCRIPT, MATH, LONG):
        browsers.ask(page, f"optimizer={page.evaluate('encodeURIComponent', name)}")
        words = " ".join(page.locator("#trials-filter li").inner_text().split())
        assert " ".join(name.replace("\x07", "").split())[:40] in words
        assert page.locator("#trials-body td").first.inner_text().startswith(name[0])
        assert int(page.evaluate("document.body.dataset.trials")) > 0
    assert page.evaluate("document.scripts.length") == 2
    assert problems == []


def test_without_scripts_the_links_lead_to_where_the_trials_are(
    browser: Browser, folder_of: Callable[[str], Path]
) -> None:
    with opened(browser, folder_of("full"), PHONE, java_script_enabled=False) as (page, problems):
        page.locator(CELL).first.click()
        assert page.url.endswith("#trials")
        expect(page.locator("section#trials")).to_be_in_viewport()
        assert "trials.parquet" in page.locator("section#trials").inner_text()
        assert not page.locator("dialog").is_visible()
        assert problems == []


def test_on_a_phone_the_panel_scrolls_inside_itself(show: Show) -> None:
    page, _ = show("full", PHONE)
    browsers.ask(page, "state=COMPLETE")
    box = page.locator("dialog").bounding_box()
    assert box is not None
    assert min(box["x"], box["y"]) >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert box["y"] + box["height"] <= PHONE[1]
    height, whole_height, width, whole_width = page.evaluate(
        "(() => { const one = document.querySelector('#trials-scroll');"
        "return [one.clientHeight, one.scrollHeight, one.clientWidth, one.scrollWidth] })()"
    )
    assert 120 <= height < whole_height
    assert width < whole_width
    copy = page.locator("#trials-copy").bounding_box()
    assert copy is not None
    assert copy["y"] + copy["height"] <= PHONE[1]


def test_no_other_script_runs_and_nothing_can_be_fetched(
    browser: Browser, folder_of: Callable[[str], Path]
) -> None:
    with opened(browser, folder_of("full"), WIDE) as (page, problems):
        ran = page.evaluate(
            "(() => { const one = document.createElement('script');"
            "one.textContent = 'window.foreign = 1'; document.body.append(one);"
            "return window.foreign ?? null })()"
        )
        assert ran is None
        fetched = "fetch('https://example.invalid/').then(() => 'yes', () => 'no')"
        assert page.evaluate(fetched) == "no"
        refused = "Content Security Policy"
        browsers.until(page, lambda: sum(refused in one for one in problems) >= 2)
        assert not any(one.startswith("request:") for one in problems)
