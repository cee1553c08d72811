"""The panel of trials in Chromium: what a reader gets who follows a number."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from agsam_tune.report.trial_links import chosen
from tests.report.browsers import open_browser, opened
from tests.report.runs import CHANCE

WIDE, PHONE = (1400, 900), (400, 800)
CELL = 'a.behind[data-what^="Mean accuracy of gsam ("]'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def trials(full_folder: Path) -> pd.DataFrame:
    return pd.read_parquet(full_folder / "trials.parquet")


def _selected(line: str, trials: pd.DataFrame) -> pd.DataFrame:
    """What the panel's line of pandas gives for the run's table."""
    first, _, second = line.partition("; ")
    assert first == 't = pd.read_parquet("trials.parquet")'
    # The line is this package's own product: that it runs is what is tested.
    found = eval(second, {"__builtins__": {}}, {"t": trials})  # noqa: S307
    assert isinstance(found, pd.DataFrame)
    return found


def test_a_number_opens_its_trials_and_gives_the_focus_back(
    browser: Browser, full_folder: Path, trials: pd.DataFrame
) -> None:
    with opened(browser, full_folder, WIDE) as (page, problems):
        link = page.locator(CELL).first
        link.focus()
        page.keyboard.press("Enter")
        panel = page.locator("dialog")
        expect(panel).to_be_visible()
        n = ((trials["optimizer"] == "gsam") & (trials["phase"] == "map")).sum()
        expect(page.locator("#trials-title")).to_contain_text("Mean accuracy of gsam")
        words = page.locator("#trials-filter li")
        assert words.count() == 1
        mean = trials.loc[
            (trials["optimizer"] == "gsam") & (trials["phase"] == "map"), "test_accuracy"
        ].mean()
        expect(words).to_contain_text(
            f"{n} finished trials of gsam, phase map: mean test accuracy {100 * mean:.2f} %"
        )
        assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
        assert "#trials?optimizer=gsam&phase=map" in page.url
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        assert "#" not in page.url
        assert page.evaluate("document.activeElement.dataset.what").startswith("Mean accuracy")
        assert problems == []


def test_every_link_selects_the_same_rows_in_the_page_in_pandas_and_here(
    browser: Browser, full_folder: Path, trials: pd.DataFrame
) -> None:
    with opened(browser, full_folder, WIDE) as (page, problems):
        links = page.locator("a[data-trials]")
        texts = links.evaluate_all("all => [...new Set(all.map((one) => one.dataset.trials))]")
        assert len(texts) > 40
        for wanted in texts:
            page.evaluate("(text) => { location.hash = '#trials?' + text }", wanted)
            here = trials[chosen(trials, wanted, CHANCE)]
            assert len(here), wanted
            page.wait_for_function(f"document.body.dataset.trials === {len(here)} + ''")
            line = page.locator("#trials-code").inner_text()
            pd.testing.assert_frame_equal(_selected(line, trials), here)
        assert problems == []


def test_columns_sort_and_pages_turn(browser: Browser, full_folder: Path) -> None:
    with opened(browser, full_folder, WIDE, fragment="#trials?state=COMPLETE") as (page, _):
        rows = page.locator("#trials-body tr")
        assert rows.count() == 50
        place = page.locator("#trials-place")
        expect(place).to_have_text("1–50 of 366 trials")
        page.locator("#trials-on").click()
        expect(place).to_have_text("51–100 of 366 trials")
        head = page.locator('[data-sort="test_accuracy"]')
        for direction in ("ascending", "descending"):
            head.click()
            expect(place).to_have_text("1–50 of 366 trials")
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


def test_the_rows_are_copied_as_csv(
    browser: Browser, full_folder: Path, trials: pd.DataFrame
) -> None:
    fragment = "#trials?optimizer=gsam&phase=misset"
    grant = ["clipboard-read", "clipboard-write"]
    with opened(browser, full_folder, WIDE, fragment=fragment, permissions=grant) as (page, _):
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


def test_failed_and_diverged_are_in_words(browser: Browser, full_folder: Path) -> None:
    fragment = "#trials?diverged=yes&state=COMPLETE;failed=yes&seed=odd;state=FAIL"
    with opened(browser, full_folder, WIDE, fragment=fragment) as (page, _):
        words = page.locator("#trials-filter li").all_inner_texts()
        assert words[0].startswith("7 diverged trials: mean test accuracy 50.00 %")
        assert words[1].split(":")[0].endswith("failed trials with odd seeds")
        assert words[2] == "0 trials that raised an error"


def test_without_scripts_the_links_lead_to_where_the_trials_are(
    browser: Browser, full_folder: Path
) -> None:
    with opened(browser, full_folder, PHONE, java_script_enabled=False) as (page, problems):
        page.locator(CELL).first.click()
        assert page.url.endswith("#trials")
        expect(page.locator("section#trials")).to_be_in_viewport()
        expect(page.locator("section#trials")).to_contain_text("trials.parquet")
        expect(page.locator("dialog")).to_be_hidden()
        assert problems == []


def test_what_cannot_be_read_selects_nothing(browser: Browser, full_folder: Path) -> None:
    fragment = "#trials?%E0%A4%A=1&nonsense;;rho=x..y"
    with opened(browser, full_folder, WIDE, fragment=fragment) as (page, problems):
        expect(page.locator("dialog")).to_be_visible()
        assert page.locator("#trials-filter li").first.inner_text().startswith("0 trials")
        page.go_back()
        assert problems == []


def test_a_trial_at_the_end_of_a_range_is_inside_though_the_page_has_six_digits(
    browser: Browser, full_folder: Path, trials: pd.DataFrame
) -> None:
    values = [float(value) for value in trials["rho"].dropna().unique()]
    low = next(value for value in values if float(f"{value:.6g}") < value)
    high = next(value for value in values if float(f"{value:.6g}") > value)
    for wanted in (f"rho={low!r}..{max(values)!r}", f"rho={min(values)!r}..{high!r}"):
        n = int(chosen(trials, wanted, CHANCE).sum())
        with opened(browser, full_folder, WIDE, fragment=f"#trials?{wanted}") as (page, _):
            assert int(page.evaluate("document.body.dataset.trials")) == n


def test_on_a_phone_the_panel_scrolls_inside_itself(browser: Browser, full_folder: Path) -> None:
    with opened(browser, full_folder, PHONE, fragment="#trials?state=COMPLETE") as (page, _):
        box = page.locator("dialog").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= PHONE[0]
        assert box["y"] + box["height"] <= PHONE[1]
        inner = page.evaluate(
            "(() => { const one = document.querySelector('#trials-scroll');"
            "return [one.clientHeight, one.scrollHeight, one.clientWidth, one.scrollWidth] })()"
        )
        assert inner[0] >= 120
        assert inner[1] > inner[0]
        assert inner[3] > inner[2]
        copy = page.locator("#trials-copy").bounding_box()
        assert copy is not None
        assert copy["y"] + copy["height"] <= PHONE[1]


def test_no_other_script_runs_and_nothing_can_be_fetched(
    browser: Browser, full_folder: Path
) -> None:
    with opened(browser, full_folder, WIDE) as (page, problems):
        ran = page.evaluate(
            "(() => { const one = document.createElement('script');"
            "one.textContent = 'window.foreign = 1'; document.body.append(one);"
            "return window.foreign ?? null })()"
        )
        assert ran is None
        fetched = "fetch('https://example.invalid/').then(() => 'yes', () => 'no')"
        assert page.evaluate(fetched) == "no"
        assert not any(one.startswith("request:") for one in problems)
        assert sum("Content Security Policy" in one for one in problems) >= 2
