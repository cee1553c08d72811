"""The dashboard in Chromium: every page loads, figures are drawn, nothing goes wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from agsam_tune.dashboard.places import compare_path, places, study_path, trials_path
from agsam_tune.report import write_report
from agsam_tune.store import ResultStore
from tests.dashboard.pages import KEYS, window
from tests.dashboard.processes import Dashboard, dashboard
from tests.dashboard.runs import (
    batches,
    large_study,
    outcomes_of,
    small_study,
    write_run,
)
from tests.report.browsers import open_browser
from tests.report.hostile import IMAGE, SCRIPT, hostile_study
from tests.report.runs import arguments, trials_of

SMALL = small_study()
WHERE = places(SMALL)
LONGEST_SECONDS = 12.0
"""Until a study's page and its figures are there, of ten thousand trials, in a new browser: four
times the 3 seconds of a machine that does nothing else, half of which is optuna-dashboard's own
start."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The dashboard of a finished run with its report, whose figures are made."""
    folder = tmp_path_factory.mktemp("finished")
    write_run(folder, SMALL)
    write_report(folder, **arguments(SMALL, trials_of(SMALL)))
    with dashboard(folder) as served:
        served.wait_for_figures()
        yield served


def test_the_list_of_studies_leads_to_each(browser: Browser, finished: Dashboard) -> None:
    with window(browser, finished.url) as own:
        own.open("/")
        for number, name in enumerate(WHERE.names):
            card = own.page.locator(f'a[href="{study_path(number)}"]')
            expect(card).to_contain_text(name)
        own.page.locator(f'a[href="{study_path(1)}"]').click()
        expect(own.page.get_by_text("quick/adaptive_gsam (id=1)")).to_be_visible()
        assert own.problems == []


@pytest.mark.parametrize("optimizer", SMALL.optimizers)
def test_each_study_has_the_figures_of_the_report(
    browser: Browser, finished: Dashboard, optimizer: str
) -> None:
    with window(browser, finished.url) as own:
        own.seconds_until_drawn(study_path(WHERE.trials[optimizer]))
        keys = own.page.evaluate(KEYS)
        assert keys[:4] == ["1-claim", "2-same-rho", "3-own-best", "4-same-radius"]
        assert keys[-3:] == ["6-distribution", "7-tuning", "8-learning"]
        titles = own.page.locator(".gtitle").all_text_contents()
        assert "Accuracy lost when mis-set: adaptive_gsam − gsam" in titles
        expect(own.page.get_by_text("regret sensitivity (points)", exact=True)).to_be_visible()
        assert own.problems == []


def test_the_figure_of_the_claim_has_the_numbers_of_the_report(
    browser: Browser, finished: Dashboard
) -> None:
    summary = arguments(SMALL, trials_of(SMALL))["summary"]
    wanted = [
        100 * entry["difference"]
        for lens in ("rho", "own_best", "radius")
        for entry in summary["comparisons"]
        if (entry["metric"], entry["lens"]) == ("regret_sensitivity", lens)
        and (entry["candidate"], entry["baseline"]) == ("adaptive_gsam", "gsam")
    ]
    with window(browser, finished.url) as own:
        own.seconds_until_drawn(study_path(0))
        drawn = own.page.evaluate(
            "document.getElementById('user-defined-plot:1-claim').data.map((one) => one.x[0])"
        )
    np.testing.assert_allclose(drawn, wanted, rtol=1e-3)


def test_diverged_trials_are_seen(browser: Browser, finished: Dashboard) -> None:
    table = trials_of(SMALL)
    n = int(table.loc[table["optimizer"] == "gsam", "diverged"].sum())
    assert n > 0
    with window(browser, finished.url) as own:
        own.seconds_until_drawn(study_path(WHERE.trials["gsam"]))
        grey = own.page.evaluate(
            """() => [...document.querySelectorAll(".js-plotly-plot")].flatMap((one) => one.data)
            .filter((one) => (one.name ?? "").startsWith("Infeasible Trial of"))
            .map((one) => one.x.length)"""
        )
        assert grey == [n]


def test_the_note_leads_to_the_report_and_to_trials(browser: Browser, finished: Dashboard) -> None:
    with window(browser, finished.url) as own:
        own.open(f"{study_path(0)}/note")
        expect(own.page.get_by_role("heading", name="Estimates")).to_be_visible()
        expect(own.page.get_by_role("cell", name="Regret sensitivity").first).to_be_visible()
        own.page.get_by_role("link", name="the trials there").click()
        expect(own.page.get_by_role("heading", name=re.compile(r"Trial \d+"))).not_to_have_count(0)
        own.page.go_back()
        own.page.get_by_role("link", name="The report").click()
        expect(own.page).to_have_title(re.compile("quick"))
        own.page.locator("a[data-trials]").first.click()
        expect(own.page.locator("dialog")).to_be_visible()
        assert own.problems == []


def test_the_list_of_trials_says_how_each_ended(browser: Browser, finished: Dashboard) -> None:
    diverged = next(
        trial["number"]
        for trial in finished.get("/studies/0")["trials"]
        if {"key": "result", "value": "diverged at step 17"} in trial["user_attrs"]
    )
    with window(browser, finished.url) as own:
        own.open(trials_path(0))
        expect(own.page.get_by_text("114 Trials")).to_be_visible()
        own.open(trials_path(0, [diverged]))
        expect(own.page.get_by_text("diverged at step 17")).to_be_visible()
        assert own.problems == []


def test_two_optimizers_compare_as_in_the_report(browser: Browser, finished: Dashboard) -> None:
    pair = [WHERE.settings[name] for name in ("gsam", "adaptive_gsam")]
    summary = arguments(SMALL, trials_of(SMALL))["summary"]["optimizers"]
    with window(browser, finished.url) as own:
        own.open(f"{study_path(0)}/note")
        link = own.page.get_by_role("link", name="Compare with adaptive_gsam")
        assert link.get_attribute("href") == compare_path(pair)
        link.click()
        own.page.wait_for_function("document.getElementById('plot-edf-0')?.data?.length === 2")
        drawn = own.page.evaluate(
            "document.getElementById('plot-edf-0').data.map((one) => [one.name, one.x, one.y])"
        )
        assert own.problems == []
    for name, x, y in drawn:
        leaf = summary[name.split("/")[1]]["distribution"]
        at = np.searchsorted(leaf["accuracy"], np.array(x) + 1e-9, side="right") - 1
        # The report has the share at all steps, so that between them it is the last one's.
        np.testing.assert_allclose(y, np.array(leaf["share"])[at], atol=1e-9)


@pytest.mark.slow
def test_pages_beside_these_load(browser: Browser, finished: Dashboard) -> None:
    with window(browser, finished.url) as own:
        for path in ("/analytics", "/smartSelection", "/note", "/trials"):
            for number in (0, WHERE.settings["gsam"]):
                own.open(f"{study_path(number)}{path}")
                own.page.wait_for_load_state("networkidle")
        assert own.problems == []


def test_an_edited_note_is_refused_in_words(browser: Browser, finished: Dashboard) -> None:
    before = finished.get("/studies/0")["note"]
    with window(browser, finished.url) as own:
        own.open(f"{study_path(0)}/note")
        own.page.get_by_role("button").filter(has=own.page.locator("svg")).last.wait_for()
        refused = own.page.evaluate(
            """async () => {
              const body = JSON.stringify({ version: 99, body: "mine" });
              const headers = { "Content-Type": "application/json" };
              return (await fetch("/api/studies/0/note", { method: "PUT", body, headers })).json();
            }"""
        )
    assert "only shows the run" in refused["reason"]
    assert finished.get("/studies/0")["note"] == before


def test_a_run_that_goes_on(browser: Browser, tmp_path: Path) -> None:
    first, *rest = batches(outcomes_of(SMALL), 60)
    write_run(tmp_path, SMALL, first)
    with (
        closing(ResultStore.open(SMALL, str(tmp_path / "study.journal"))) as driver,
        dashboard(tmp_path) as served,
        window(browser, served.url) as own,
    ):
        own.open(trials_path(0))
        own.page.get_by_text(re.compile(r"\d+ Trials")).wait_for()
        before = own.page.get_by_text(re.compile(r"\d+ Trials")).inner_text()
        for batch in rest:
            driver.add(batch)
        own.page.wait_for_function(
            "(before) => ![...document.querySelectorAll('*')].some((one) =>"
            " one.children.length === 0 && one.textContent === before)",
            arg=before,
        )
        served.wait_for_figures()
        own.seconds_until_drawn(study_path(0))
        assert own.problems == []
        assert served.end() == (0, "", "")


@pytest.mark.slow
def test_hostile_names_are_texts(browser: Browser, tmp_path: Path) -> None:
    study = hostile_study()
    write_run(tmp_path, study)
    where = places(study)
    with dashboard(tmp_path) as served, window(browser, served.url) as own:
        served.wait_for_figures()
        own.page.on("dialog", lambda one: pytest.fail(one.message))
        for number in where.trials.values():
            own.seconds_until_drawn(study_path(number))
            own.open(f"{study_path(number)}/note")
            expect(own.page.get_by_role("heading", name="Estimates")).to_be_visible()
            assert own.page.locator("main img").count() == 0
            assert own.page.evaluate("document.scripts.length") == 1
        text = own.page.locator("main").inner_text()
        assert SCRIPT in text
        own.seconds_until_drawn(study_path(0))
        legend = own.page.locator(".legendtext").all_text_contents()
        assert SCRIPT in legend
        own.open(compare_path([0, 1]))
        expect(own.page.get_by_text(SCRIPT).first).to_be_visible()
        assert IMAGE in json.dumps(study.resolved()).replace('\\"', '"')
        assert own.problems == []


@pytest.mark.slow
def test_ten_thousand_trials(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = large_study()
    outcomes = outcomes_of(study)
    assert len(outcomes) >= 10_000
    write_run(tmp_path, study, outcomes)
    where = places(study)
    seconds: dict[str, float] = {}
    with dashboard(tmp_path) as served:
        served.wait_for_figures()
        for name, number in where.trials.items():
            with window(browser, served.url) as own:
                seconds[name] = own.seconds_until_drawn(study_path(number))
                assert own.problems == []
        with window(browser, served.url) as own:
            own.open(compare_path([where.trials["gsam"], where.trials["adaptive_gsam"]]))
            own.page.wait_for_function("document.getElementById('plot-edf-0')?.data?.length === 2")
            seconds["compare"] = own.page.evaluate("performance.now()") / 1000
            own.open(trials_path(where.trials["gsam"]))
            own.page.get_by_text(re.compile(r"[\d,]+ Trials")).wait_for()
            seconds["trials"] = own.page.evaluate("performance.now()") / 1000
            assert own.problems == []
        assert served.end() == (0, "", "")
    with capsys.disabled():
        print({name: round(value, 2) for name, value in seconds.items()})  # noqa: T201
    assert max(seconds.values()) < LONGEST_SECONDS
