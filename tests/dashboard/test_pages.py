"""The dashboard in Chromium: every page loads, figures are drawn, nothing goes wrong."""

from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from agsam_tune.analysis.record import Summary
from agsam_tune.dashboard.places import compare_path, places, study_path, trials_path
from agsam_tune.reporting import analysed, read_run, report_run
from agsam_tune.store import ResultStore
from tests.dashboard.pages import KEYS, Window, window
from tests.dashboard.processes import Dashboard, dashboard
from tests.dashboard.runs import CHANCE, outcomes_of, small_study, study_of, write_run
from tests.report.browsers import open_browser
from tests.report.records import IMAGE, REPORTS, SCRIPT
from tests.run.processes import LOCAL, descendants, listeners

SMALL = small_study()
WHERE = places(SMALL)
LARGEST = 5_000_000
"""Bytes of a study of some thousands of trials, of ten thousand in all, with its figures."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


def _content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The dashboard of a finished run with its report, whose figures are made.

    It ends with Ctrl-C without a word, and leaves the run as it was.
    """
    folder = tmp_path_factory.mktemp("finished")
    write_run(folder, SMALL)
    report_run(folder)
    before = _content(folder)
    with dashboard(folder) as served:
        served.wait_for_figures()
        yield served
        assert served.end() == (0, "", "")
    assert _content(folder) == before


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """What was found of it."""
    folder = tmp_path_factory.mktemp("summary")
    write_run(folder, SMALL)
    return analysed(read_run(folder, curves=False))


@pytest.fixture(scope="module")
def own(browser: Browser, finished: Dashboard) -> Iterator[Window]:
    """A window on it."""
    with window(browser, finished.url) as opened:
        yield opened


def test_a_run_is_shown_to_this_machine_alone_and_changed_by_nobody(finished: Dashboard) -> None:
    assert finished.said.startswith("296 trials at http://127.0.0.1:")
    named = [one["study_name"] for one in finished.get("/studies")["study_summaries"]]
    assert named == [
        *("quick/gsam", "quick/adaptive_gsam", "quick/gsam_matched"),
        *("quick/gsam/map", "quick/adaptive_gsam/map", "quick/gsam_matched/map"),
    ]
    found = finished.get("/studies/0")
    assert found["objective_names"] == ["validation accuracy (fraction)"]
    assert found["directions"] == ["maximize"]
    ids = [one["id"] for one in found["plotly_graph_objects"]]
    assert ids == sorted(ids)
    addresses = listeners(descendants(finished.process.pid))
    assert addresses
    assert {address.partition(":")[0] for address in addresses} <= LOCAL
    for method in ("DELETE", "PUT"):
        request = urllib.request.Request(f"{finished.url}api/studies/0", method=method)  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(request)  # noqa: S310


def test_the_list_of_studies_leads_to_each(own: Window) -> None:
    own.open("/")
    for number, name in enumerate(WHERE.names):
        expect(own.page.locator(f'a[href="{study_path(number)}"]')).to_contain_text(name)
    own.page.locator(f'a[href="{study_path(1)}"]').click()
    expect(own.page.get_by_text("quick/adaptive_gsam (id=1)")).to_be_visible()
    assert own.problems == []


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in SMALL.optimizers if name != "gsam"]


@pytest.mark.parametrize("optimizer", ["gsam", *OTHERS])
def test_each_study_has_the_figures_of_the_record(
    own: Window, summary: Summary, optimizer: str
) -> None:
    judged = [row for row in summary.comparisons if row.verdict is not None]
    own.draw(study_path(WHERE.trials[optimizer]))
    keys = own.page.evaluate(KEYS)
    assert keys[:4] == ["1-claim", "3-key", "4-off", "5-radius"]
    assert "9-learning" in keys
    titles = own.page.locator(".gtitle").all_text_contents()
    assert "Score, and what less is lost: adaptive_gsam − gsam" in titles
    expect(own.page.get_by_text("the only look (4 replicates)", exact=True)).to_be_visible()
    drawn = own.page.evaluate(
        "document.getElementById('user-defined-plot:1-claim').data.map((one) => one.x[0])"
    )
    np.testing.assert_allclose(drawn, [100 * (row.estimate or 0) for row in judged], rtol=1e-3)
    grey = """() => [...document.querySelectorAll(".js-plotly-plot")]
        .flatMap((one) => one.data ?? [])
        .filter((one) => (one.name ?? "").startsWith("Infeasible Trial of"))
        .map((one) => one.x.length)"""
    diverged = sum(o.diverged for o in outcomes_of(SMALL) if o.trial.optimizer == optimizer)
    assert (diverged > 0) == (optimizer == "gsam")
    if diverged:
        own.page.wait_for_function(f"({grey})().length")
        assert own.page.evaluate(grey) == [diverged]
    assert own.problems == []


def test_the_note_leads_to_the_report(own: Window) -> None:
    own.open(f"{study_path(0)}/note")
    expect(own.page.get_by_role("heading", name="Estimates")).to_be_visible()
    expect(own.page.get_by_role("cell", name="Regret: best − score").first).to_be_visible()
    own.page.get_by_role("link", name="The report").click()
    expect(own.page).to_have_title(re.compile("quick"))
    own.page.locator("a[data-trials]").first.click()
    expect(own.page.locator("dialog")).to_be_visible()
    assert own.problems == []


def test_the_list_of_trials_says_how_each_ended(own: Window, finished: Dashboard) -> None:
    diverged = next(
        trial["number"]
        for trial in finished.get("/studies/0")["trials"]
        if {"key": "result", "value": "diverged at step 17"} in trial["user_attrs"]
    )
    own.open(trials_path(0, [diverged]))
    expect(own.page.get_by_text("diverged at step 17")).to_be_visible()
    expect(own.page.get_by_text("136 Trials")).to_be_visible()
    assert own.problems == []


def test_two_optimizers_compare_over_their_maps(own: Window) -> None:
    pair = [WHERE.maps[name] for name in ("gsam", "adaptive_gsam")]
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
        of_map = (name.split("/")[1], "map")
        scores = [
            max(o.test_accuracy, CHANCE)
            for o in outcomes_of(SMALL)
            if (o.trial.optimizer, o.trial.phase) == of_map
        ]
        shares = [np.mean(np.array(scores) <= value + 1e-9) for value in x]
        np.testing.assert_allclose(y, shares, atol=1e-9)


@pytest.mark.slow
def test_pages_beside_these_load_and_a_note_is_not_edited(own: Window, finished: Dashboard) -> None:
    for path in ("/analytics", "/smartSelection", "/note", "/trials"):
        for number in (0, WHERE.maps["gsam"]):
            own.open(f"{study_path(number)}{path}")
            own.page.wait_for_load_state("networkidle")
    assert own.problems == []
    before = finished.get("/studies/0")["note"]
    refused = own.page.evaluate(
        """async () => {
          const body = JSON.stringify({ version: 99, body: "mine" });
          const headers = { "Content-Type": "application/json" };
          return (await fetch("/api/studies/0/note", { method: "PUT", body, headers })).json();
        }"""
    )
    own.problems.clear()
    assert "only shows the run" in refused["reason"]
    assert finished.get("/studies/0")["note"] == before


def test_a_run_that_goes_on_is_followed(browser: Browser, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    outcomes = outcomes_of(SMALL)
    write_run(tmp_path, SMALL, outcomes[:30])
    with (
        closing(ResultStore.open(SMALL, str(journal))) as driver,
        dashboard(tmp_path) as served,
        window(browser, served.url) as own,
    ):
        assert served.said.startswith("30 trials")
        assert "are being made" in served.get("/studies/0")["note"]["body"]
        n = len(served.get("/studies/0")["trials"])
        own.open(trials_path(0))
        own.page.get_by_text(f"{n} Trials", exact=True).wait_for()
        driver.add(outcomes[30:40])
        served.wait_until(lambda: served.n_trials() == 40)
        # Half a line, as a driver leaves it that is killed, which its successor cuts off.
        whole = journal.read_bytes()
        journal.write_bytes(whole + whole[-200:-100])
        with closing(ResultStore.open(SMALL, str(journal))) as successor:
            successor.add(outcomes[40:])
        served.wait_until(lambda: served.n_trials() == len(outcomes))
        n = len(served.get("/studies/0")["trials"])
        own.page.get_by_text(f"{n} Trials", exact=True).wait_for()
        assert own.problems == []
        assert served.end(signal.SIGTERM) == (0, "", "")
    with closing(ResultStore.read(SMALL, str(journal))) as store:
        assert len(list(store.outcomes())) == len(outcomes)


@pytest.mark.slow
def test_hostile_names_are_texts(browser: Browser, tmp_path: Path) -> None:
    study = REPORTS["hostile"]()["study"]
    write_run(tmp_path, study)
    where = places(study)
    with dashboard(tmp_path) as served, window(browser, served.url) as own:
        served.wait_for_figures()
        own.page.on("dialog", lambda one: pytest.fail(one.message))
        for number in where.trials.values():
            own.draw(study_path(number))
            own.open(f"{study_path(number)}/note")
            expect(own.page.get_by_role("heading", name="Estimates")).to_be_visible()
            assert own.page.locator("main img").count() == 0
            assert own.page.evaluate("document.scripts.length") == 1
        text = own.page.locator("main").inner_text()
        assert SCRIPT in text
        own.draw(study_path(0))
        legend = own.page.locator(".legendtext").all_text_contents()
        assert SCRIPT in legend
        own.open(compare_path([0, 1]))
        expect(own.page.get_by_text(SCRIPT).first).to_be_visible()
        assert IMAGE in json.dumps(study.resolved()).replace('\\"', '"')
        assert own.problems == []


@pytest.mark.slow
def test_ten_thousand_trials(browser: Browser, tmp_path: Path) -> None:
    study = study_of("moons", replicates=40)
    outcomes = outcomes_of(study)
    assert len(outcomes) >= 10_000
    write_run(tmp_path, study, outcomes)
    where = places(study)
    with dashboard(tmp_path) as served:
        served.wait_for_figures()
        for number in where.trials.values():
            # What a browser has to read decides how long it takes.
            assert len(served.read(f"api/studies/{number}")) < LARGEST
            with window(browser, served.url) as own:
                own.draw(study_path(number))
                assert own.problems == []
        with window(browser, served.url) as own:
            own.open(compare_path([where.trials["gsam"], where.trials["adaptive_gsam"]]))
            own.page.wait_for_function("document.getElementById('plot-edf-0')?.data?.length === 2")
            own.open(trials_path(where.trials["gsam"]))
            own.page.get_by_text(re.compile(r"[\d,]+ Trials")).wait_for()
            assert own.problems == []
        assert served.end() == (0, "", "")
