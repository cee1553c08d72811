"""Names in notes are texts, whatever they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.dashboard.describe import describe, descriptions
from agsam_tune.dashboard.description import Description
from agsam_tune.dashboard.markdown import plain, table
from agsam_tune.dashboard.overlay import Overlay
from agsam_tune.dashboard.places import places
from agsam_tune.dashboard.source import Source
from agsam_tune.dashboard.traces import words
from agsam_tune.report import text
from agsam_tune.reporting import StoredRun, analysed
from tests.dashboard.first_design import first_design
from tests.dashboard.runs import curves_of, manifest_of, outcomes_of, study_of, table_of
from tests.report.records import REPORTS, summary_of

STUDY = study_of("quick")
WHERE = places(STUDY)
NO_CURVES = pd.DataFrame()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("adaptive_gsam", r"adaptive\_gsam"),
        ("<img src=x onerror=alert(1)>", r"\<img src=x onerror=alert(1)\>"),
        ("[a](javascript:1) ![b](c)", r"\[a\](javascript\:1) \!\[b\](c)"),
        ("a | b\n\n# c", r"a \| b \# c"),
        ("1. one", r"1\. one"),
        ("- one", r"\- one"),
        ("see www.example.org or a@b.c", r"see www\.example.org or a\@b.c"),
        ("0.5 points (−1 to 2)", "0.5 points (−1 to 2)"),
        ("a\x07b\u202ec", "a b c"),
    ],
)
def test_markup_is_escaped(name: str, shown: str) -> None:
    assert plain(name) == shown


def test_a_table() -> None:
    made = table(("a", "b"), [("1", plain("x|y"))])
    assert made == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"


def test_tags_in_figures_are_texts() -> None:
    assert words("<b>x</b>&") == "&lt;b&gt;x&lt;/b&gt;&amp;"


@pytest.fixture(scope="module")
def found() -> Mapping[int, Description]:
    return descriptions(STUDY, summary_of(STUDY), NO_CURVES, report=True)


def test_every_study_is_described(found: Mapping[int, Description]) -> None:
    assert found.keys() == {*WHERE.trials.values(), *WHERE.maps.values()}
    note = found[WHERE.trials["gsam"]].note
    assert "(/report)" in note
    assert "(/dashboard/compare-studies?ids=3,4)" in note
    assert "## Supported" in note
    assert plain("Look 2 of up to 4 (17 replicates); next: 34.") in note
    assert "Splits are of one pool" in note
    assert found[WHERE.trials["gsam"]].facts["verdict"] == "supported"


@pytest.mark.parametrize("optimizer", STUDY.optimizers)
def test_every_number_of_the_record_is_in_the_note(
    found: Mapping[int, Description], optimizer: str
) -> None:
    summary = summary_of(STUDY)
    own, note = summary.optimizers[optimizer], found[WHERE.trials[optimizer]].note
    numbers = [(row.metric, (row.value, row.low, row.high)) for row in own.metrics]
    for row in summary.comparisons:
        ends = (row.low, row.high, row.verdict_low, row.verdict_high)
        numbers.append((row.metric, (row.estimate, *ends)))
    assert len(numbers) > 20
    for metric, values in numbers:
        unit = text.unit_of(metric, summary.design.metric)
        assert all(text.number(value, unit) in note for value in values)
    best = own.own_best
    assert best is not None
    settings = [
        *best.hyperparameters.values(),
        *(end for ends in best.spread.values() for end in ends),
    ]
    assert all(text.short(value) in note for value in settings)
    shares = [*(row.value for row in own.importance), own.clipped_share]
    assert all(text.number(value, text.SHARE) in note for value in shares)
    tuned = [row for row in summary.tuning if row.optimizer in (optimizer, None)]
    assert len(tuned) >= 4
    assert all(text.points(row.value) in note for row in tuned)


def test_the_figures_show_the_record(found: Mapping[int, Description]) -> None:
    summary = summary_of(STUDY)
    figures = {one.key: json.loads(one.json) for one in found[WHERE.trials["gsam"]].figures}
    assert list(figures) == [
        *("1-claim", "2-fixed", "3-key", "4-off", "5-radius", "6-range", "7-map-rho"),
        *("8-misset-rho", "9-tuning", "9-tuning-difference"),
    ]
    judged = [row for row in summary.comparisons if row.verdict is not None]
    for row, trace in zip(judged, figures["1-claim"]["data"], strict=True):
        assert row.estimate is not None
        assert row.verdict_high is not None
        assert trace["x"] == [pytest.approx(100 * row.estimate, rel=1e-3)]
        wide = 100 * (row.verdict_high - row.estimate)
        assert trace["error_x"]["array"] == [pytest.approx(wide, rel=1e-3)]
    lines = {one["name"]: one for one in figures["3-key"]["data"] if "name" in one}
    for name, own in summary.optimizers.items():
        curve = own.curves[0]
        assert lines[name]["x"] == pytest.approx(list(curve.x), rel=1e-3)
        assert lines[name]["y"] == pytest.approx([100 * y for y in curve.mean], rel=1e-3)
    assert lines["gsam"]["line"]["width"] > lines["adaptive_gsam"]["line"]["width"]


def test_figures_are_small_and_whole_json() -> None:
    found = descriptions(STUDY, summary_of(STUDY), curves_of(STUDY), report=False)
    for number, description in found.items():
        assert "/report" not in description.note
        keys = [figure.key for figure in description.figures]
        assert keys == sorted(keys)
        assert ("9-learning" in keys) == (number in WHERE.trials.values())
        assert sum(len(figure.json) for figure in description.figures) < 100_000
        for figure in description.figures:
            content = json.loads(figure.json, parse_constant=lambda name: pytest.fail(name))
            assert content["data"]
            assert content["layout"]["title"]["text"]


@pytest.mark.parametrize("kind", REPORTS)
def test_whatever_a_record_holds_is_described_without_markup(kind: str) -> None:
    given = REPORTS[kind]()
    study, summary = given["study"], given["summary"]
    found = descriptions(study, summary, given["curves"], report=True)
    assert found.keys() == set(range(len(places(study).names)))
    for description in found.values():
        assert "<" not in description.note.replace("\\<", "")
        for figure in description.figures:
            assert re.fullmatch(r"[0-9a-z_-]+", figure.key)
            assert "<img" not in figure.json
            assert "<script" not in figure.json
    for optimizer, number in places(study).trials.items():
        one, has_points = found[number], any(p.optimizer == optimizer for p in summary.fixed)
        assert ("## Fixed settings" in one.note) >= has_points
        assert ("2-fixed" in {figure.key for figure in one.figures}) == bool(summary.fixed)


@pytest.mark.parametrize("stored", [0, 3])
def test_few_trials_are_enough_for_a_note(stored: int) -> None:
    trials = table_of(STUDY, outcomes_of(STUDY)[:stored])
    manifest = manifest_of(STUDY, looks=[])
    run = StoredRun(study=STUDY, manifest=manifest, trials=trials, curves=NO_CURVES)
    found = descriptions(STUDY, analysed(run), NO_CURVES, report=False)
    assert all(description.note.startswith("# quick/") for description in found.values())


def test_a_run_of_the_first_design_is_shown(tmp_path: Path) -> None:
    source = Source(first_design(tmp_path))
    overlay = Overlay(source.run.study, source.run.chance)
    assert overlay.add(source.new()) == 173
    overlay.describe(describe(tmp_path))
    where = places(source.run.study)
    for number in where.trials.values():
        note = overlay.storage.get_study_system_attrs(number)["dashboard:note_str:0"]
        assert "not applicable" in note
    assert len(overlay.storage.get_all_trials(where.maps["gsam"])) == 16
