"""Names in notes are texts, whatever they hold."""

from __future__ import annotations

import json

import pytest

from agsam_tune.dashboard.describe import descriptions
from agsam_tune.dashboard.markdown import plain, table
from agsam_tune.dashboard.places import places
from agsam_tune.dashboard.traces import words
from agsam_tune.report.material import Material, gather
from tests.report.full import material_of
from tests.report.hostile import hostile_arguments
from tests.report.runs import arguments, study_of, trials_of


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
def material() -> Material:
    return material_of("quick")


def test_every_study_is_described_with_the_numbers_of_the_report(material: Material) -> None:
    found = descriptions(material, report=True)
    where = places(material.study)
    assert found.keys() == {*where.trials.values(), *where.settings.values()}
    leaf = material.summary["optimizers"]["gsam"]["metrics"]["rho"]["regret_sensitivity"]
    note = found[where.trials["gsam"]].note
    assert f"| Regret sensitivity | {100 * leaf['value']:.2f} |" in note
    assert "(/report#estimates)" in note
    assert "(/dashboard/compare-studies?ids=3,4)" in note
    assert str(material.summary["claim"]["verdict"]).capitalize() in note
    keys = [figure.key for figure in found[where.trials["gsam"]].figures]
    assert keys == sorted(keys)
    assert {"1-claim", "2-same-rho", "3-own-best", "4-same-radius", "5-surface-0"} <= {*keys}


def test_figures_are_small_and_whole_json(material: Material) -> None:
    for description in descriptions(material, report=False).values():
        assert "/report" not in description.note
        assert sum(len(figure.json) for figure in description.figures) < 200_000
        for figure in description.figures:
            content = json.loads(figure.json, parse_constant=lambda name: pytest.fail(name))
            assert content["data"]
            assert content["layout"]["title"]["text"]


def test_a_study_of_fixed_points_has_its_settings() -> None:
    study = study_of("paper_moons")
    material = gather(**arguments(study, trials_of(study)))
    found = descriptions(material, report=False)
    assert found.keys() == set(range(len(study.optimizers)))
    one = found[study.optimizers.index("gsam")]
    assert "## Fixed settings" in one.note
    assert one.figures[0].key == "1-fixed"


def test_hostile_names_make_no_markup() -> None:
    for description in descriptions(gather(**hostile_arguments()), report=True).values():
        assert "<" not in description.note.replace("\\<", "")
        for figure in description.figures:
            assert "<img" not in figure.json
            assert "<script" not in figure.json


def test_few_trials_are_enough_for_a_note() -> None:
    study = study_of("quick")
    trials = trials_of(study, skip=("tune", "iid", "misset")).head(3)
    found = descriptions(gather(**arguments(study, trials)), report=False)
    assert all(description.note.startswith("# quick/") for description in found.values())
