"""The sections on good settings, on the box, on surfaces and on power: shown where there is any."""

from __future__ import annotations

from typing import Any

import pandas as pd

from agsam_tune.report import page, sections
from agsam_tune.report.material import Material, gather
from agsam_tune.report.tables import Linked
from agsam_tune.report.trial_links import behind
from tests.report.full import RANGE_SENTENCE, full_arguments
from tests.report.pages import Page
from tests.report.runs import manifest_of, study_of, trials_of

NEW = ("good", "indices", "range")


def _material(summary: dict[str, Any], name: str = "quick", **changes: Any) -> Material:
    study = study_of(name, **changes)
    return gather(
        summary={"chance": 0.5, **summary},
        trials=trials_of(study),
        curves=pd.DataFrame(),
        manifest=manifest_of(study),
        study=study,
    )


def test_sections_are_there_with_something_to_show(full_page: Page, paper_page: Page) -> None:
    for section in NEW:
        assert full_page.ids.count(section) == 1
        assert f"#{section}" in full_page.loads
    assert not {*NEW, "figure-range", "figure-tuning"} & set(paper_page.ids)


def test_differences_stand_beside_their_surfaces(full_page: Page) -> None:
    figures = [one for one in full_page.ids if one.startswith("figure-")]
    kinds = [one for one in figures if one.startswith(("figure-surface", "figure-difference"))]
    assert kinds[:3] == ["figure-surface-1", "figure-difference-1", "figure-surface-2"]


def test_the_page_says_what_was_asked_and_done(quick_page: Page) -> None:
    head = quick_page.prose.split("Accuracy through three lenses")[0]
    assert (
        "Does adaptive_gsam lose less accuracy than gsam when its hyperparameters are badly chosen?"
    ) in head
    assert "366 trainings on moons with 3 optimizers, at 16 settings from all over" in head
    assert "adaptive_gsam candidate gsam with a step in proportion to each weight's size" in head


def test_without_a_pair_the_question_is_about_each_optimizer() -> None:
    material = _material({}, candidate=None, baseline=None, control=None)
    assert page.question(material).startswith("How much accuracy does each optimizer lose")
    assert page.cast(material) == ()
    assert "settings that this study fixes" in page.question(_material({}, "paper_moons"))


def test_an_empty_summary_has_none_of_them() -> None:
    material = _material({})
    links = behind(material)
    assert sections.surface_quality(material) is None
    assert sections.tuning_table(material, links) is None
    assert sections.range_section(material, links) is None
    assert sections.power_section(material) is None


def test_surfaces_say_how_good_they_are_or_why_they_are_not_shown() -> None:
    material = gather(**full_arguments())
    table = sections.surface_quality(material)
    assert table is not None
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["gsam"] == ("0.950", "0.40", "95.0", "128", "yes")
    assert rows["gsam_matched"][-1] == (
        "No: left-out points are predicted with R² 0.41, below 0.8."
    )
    assert rows["gsam_matched"][1:3] == ("–", "–")


def test_tuning_curves_are_read_off_at_doubling_draws() -> None:
    material = gather(**full_arguments())
    table = sections.tuning_table(material, behind(material))
    assert table is not None
    assert table.head[:4] == ("optimizer", "1 draw", "2 draws", "4 draws")
    row = next(row for row in table.rows if row[0] == "gsam")
    leaf = material.summary["optimizers"]["gsam"]["metrics"]["own_best"]["tuning_curve"]
    first = row[1]
    assert isinstance(first, Linked)
    assert first.value == f"{100 * leaf['value'][0]:.2f}"
    assert first.below == f"{100 * leaf['low'][0]:.2f} to {100 * leaf['high'][0]:.2f}"
    assert first.trials == "optimizer=gsam&phase=iid&state=COMPLETE"


def test_the_range_curve_names_box_verdict_and_flip(full_page: Page) -> None:
    material = gather(**full_arguments())
    found = sections.range_section(material, behind(material))
    assert found is not None
    assert found.n == len(material.summary["range_curve"])
    assert found.sentence == "The verdict flips in 7 of 22 boxes."
    rows = [row for group in found.groups for row in group.rows]
    entries = material.summary["range_curve"]
    assert [row.flips for row in rows].count(True) == sum(bool(e.get("flips")) for e in entries)
    whole = rows[0]
    assert (whole.change, whole.box, whole.winner) == ("whole", "rho 0.01 to 1", "adaptive_gsam")
    assert "rho=0.01..1.0" in whole.trials
    missing = next(row for row in rows if row.reason)
    assert (missing.difference, missing.trials) == ("–", "")
    assert missing.reason == "Fewer than 10 points of gsam."
    assert RANGE_SENTENCE[1:] in full_page.prose


def test_power_says_what_could_have_been_found(full_page: Page) -> None:
    given = full_arguments()
    material = _material(given["summary"] | {"power_sentence": ""})
    power = sections.power_section(material)
    assert power is not None
    assert power.table is not None
    assert [row[2] for row in power.table.rows] == ["1.20", "0.30"]
    assert [row[-1] for row in power.table.rows] == ["no", "yes"]
    assert "1.20 points at the same rho" in power.sentence
    own = {**material.summary, "power_sentence": "it could find 1 point"}
    told = sections.power_section(_material(own))
    assert told is not None
    assert told.sentence == "It could find 1 point."
    assert "What could this study have found?" in full_page.prose


def test_indices_are_folded_under_the_estimates(full_page: Page) -> None:
    assert "Total Sobol index of rho" in full_page.prose
    assert "At the same settings (raw rho): 13 more metrics" in full_page.prose
