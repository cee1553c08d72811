"""The page as a whole: its sections, its numbers, and that it is one file that loads nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from agsam_tune.report import page, sections, write_report
from agsam_tune.report.material import Material, gather
from agsam_tune.report.tables import Linked
from agsam_tune.report.trial_links import behind
from agsam_tune.report.write import replace_file
from tests.report.full import RANGE_SENTENCE, full_arguments
from tests.report.hostile import IMAGE, SCRIPT
from tests.report.pages import Page, read_page
from tests.report.runs import run_of
from tests.report.written import REPORTS

SECTIONS = (
    *("accuracy", "surfaces", "gap", "good", "indices", "range", "estimates", "comparisons"),
    *("learning", "protocol", "reading"),
)
NOT_OF_FIXED_POINTS = {"accuracy", "good", "indices", "range", "figure-range", "figure-tuning"}
FIGURES = (
    *("accuracy", "claim", "difference-1", "difference-2", "distribution", "gap", "indices"),
    *("learning", "misset", "range", "surface-1", "surface-2", "tuning"),
)


@pytest.fixture(scope="module")
def hostile_page(hostile_folder: Path) -> Page:
    return read_page(hostile_folder)


@pytest.fixture(scope="module")
def full() -> Material:
    return gather(**full_arguments())


def _but(name: str, summary: dict[str, Any], **changes: Any) -> Material:
    """A study's run with another summary, and changed keys of the study."""
    given = run_of(name)
    study = type(given["study"]).from_resolved(given["study"].resolved() | changes)
    return gather(**{**given, "summary": {"chance": 0.5, **summary}, "study": study})


def test_every_section_is_there_and_linked(full_page: Page, paper_page: Page) -> None:
    for section in SECTIONS:
        assert full_page.ids.count(section) == 1
        assert f"#{section}" in full_page.loads
    assert not NOT_OF_FIXED_POINTS & set(paper_page.ids)
    kinds = [
        one for one in full_page.ids if one.startswith(("figure-surface", "figure-difference"))
    ]
    assert kinds[:3] == ["figure-surface-1", "figure-difference-1", "figure-surface-2"]


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_whole_and_loads_nothing(name: str, request: pytest.FixtureRequest) -> None:
    page: Page = request.getfixturevalue(f"{name}_page")
    assert page.problems == []
    assert len(set(page.ids)) == len(page.ids)
    assert {load[1:] for load in page.loads if load.startswith("#")} <= set(page.ids)
    assert [one for one in page.loads if not one.startswith(("#", "data:image/png"))] == []
    assert all(one.startswith("#") for one in re.findall(r"url\(\s*['\"]?([^)'\"]*)", page.text))
    assert "@import" not in page.text
    # The table of trials and the page's own script, and no other.
    assert page.tags.count("script") == 2
    assert page.handlers == []
    assert not {"img", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "default-src 'none'" in page.text
    svgs = re.findall(r"<svg role.*?</svg>", page.text, flags=re.DOTALL)
    assert svgs
    for svg in svgs:
        # Inline figures take their colours from the page.
        assert "currentColor" in svg
        assert "#1f2328" not in svg
        assert 'role="img" aria-label="' in svg


def test_hostile_names_are_readable_as_they_are_and_no_markup(
    hostile_page: Page, hostile_folder: Path
) -> None:
    for name in (SCRIPT, IMAGE, "{{ 7*7 }}"):
        assert name in hostile_page.prose
    assert "49 ]]>" not in hostile_page.prose
    text = hostile_page.text.lower()
    assert text.count("<script") == text.count("</script") == 2
    assert "<img" not in text
    for path in (hostile_folder / "figures").iterdir():
        assert path.stem.replace("-", "").isalnum()
        assert path.stem.isascii()


def test_the_head_says_what_was_asked_and_found(full_page: Page) -> None:
    head = full_page.prose.split("Accuracy through three lenses")[0]
    for words in (
        "Does adaptive_gsam lose less accuracy than gsam when its hyperparameters are badly "
        "chosen?",
        "366 trainings on moons with 3 optimizers, at 16 settings from all over",
        "adaptive_gsam candidate gsam with a step in proportion to each weight's size",
        "Undecided: when mis-set",
        *("trials", "diverged", "failed", "test set's own error", "2026-01-02"),
    ):
        assert words in head


def test_settings_hash_and_command_are_given(full_page: Page) -> None:
    command = "agsam-tune run studies/quick.toml"
    for words in (run_of("quick")["study"].hash, command, "torch 2.13.0", "0123abc"):
        assert words in full_page.prose


def test_null_estimates_show_a_dash_with_a_numbered_reason(full_page: Page) -> None:
    assert "It is the baseline that the others are compared with." in full_page.prose
    assert "#note-1" in full_page.loads


def test_the_own_best_lens_says_what_it_rests_on(full_page: Page) -> None:
    prose = full_page.prose
    assert prose.count("12 draws of misset (4 each for factors up to 2, 3 and 10)") == 2
    assert "the largest factor of rho among the draws that were run is " in prose
    assert "mis-set alpha is clipped to 1" in prose
    assert "how much the choice of each best setting varies" in prose
    assert "bootstrap" not in prose
    assert "own best An optimizer's setting" in prose


def test_every_figure_is_a_file_of_both_kinds_and_the_page_is_small(full_folder: Path) -> None:
    names = {path.name for path in (full_folder / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    for path in (full_folder / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    assert (full_folder / "report.html").stat().st_size < 2_000_000


def test_the_same_run_gives_the_same_bytes_and_old_figures_go(tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    figures = again / "figures"
    figures.mkdir(parents=True)
    for name in ("surface-9.svg", "tuning.png", "mine.svg", "notes.txt"):
        (figures / name).write_text("old")
    for folder in (once, again):
        write_report(folder, **run_of("paper_moons"))
    files = {path.relative_to(once) for path in once.rglob("*") if path.is_file()}
    assert {"report.html", "figures/fixed.svg", "figures/fixed.png"} <= set(map(str, files))
    for file in files:
        assert (again / file).read_bytes() == (once / file).read_bytes(), file
    others = {path.relative_to(again) for path in again.rglob("*") if path.is_file()} - files
    assert others == {Path("figures/mine.svg"), Path("figures/notes.txt")}


@pytest.mark.slow
def test_all_figures_have_the_same_bytes_again(tmp_path: Path, full_folder: Path) -> None:
    write_report(tmp_path, **full_arguments())
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1 + 2 * len(FIGURES)
    for file in files:
        assert (tmp_path / file).read_bytes() == (full_folder / file).read_bytes(), file


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    with pytest.raises(TypeError):
        replace_file(target, "not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    replace_file(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_fixed_points_stand_beside_published_numbers(paper_page: Page) -> None:
    prose = paper_page.prose
    assert "Fixed points only" in prose
    assert "published accuracy (%)" in prose
    for number in ("85.70", "89.00", "0.3300", "0.2700"):
        assert number in prose
    assert "settings" in paper_page.ids
    assert "rho = 0.5, alpha = 0.04, gamma = 0.1" in prose


def test_without_a_pair_the_question_is_about_each_optimizer() -> None:
    material = _but("quick", {}, candidate=None, baseline=None, control=None)
    assert page.question(material).startswith("How much accuracy does each optimizer lose")
    assert page.cast(material) == ()
    assert "settings that this study fixes" in page.question(_but("paper_moons", {}))


def test_an_empty_summary_has_none_of_the_sections() -> None:
    material = _but("quick", {})
    links = behind(material)
    assert sections.surface_quality(material) is None
    assert sections.tuning_table(material, links) is None
    assert sections.range_section(material, links) is None
    assert sections.power_section(material) is None


def test_surfaces_say_how_good_they_are_or_why_they_are_not_shown(full: Material) -> None:
    table = sections.surface_quality(full)
    assert table is not None
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["gsam"] == ("0.950", "0.40", "95.0", "128", "yes")
    assert rows["gsam_matched"][-1] == (
        "No: left-out points are predicted with R² 0.41, below 0.8."
    )
    assert rows["gsam_matched"][1:3] == ("–", "–")


def test_tuning_curves_are_read_off_at_doubling_draws(full: Material) -> None:
    table = sections.tuning_table(full, behind(full))
    assert table is not None
    assert table.head[:4] == ("optimizer", "1 draw", "2 draws", "4 draws")
    row = next(row for row in table.rows if row[0] == "gsam")
    leaf = full.summary["optimizers"]["gsam"]["metrics"]["own_best"]["tuning_curve"]
    first = row[1]
    assert isinstance(first, Linked)
    assert first.value == f"{100 * leaf['value'][0]:.2f}"
    assert first.below == f"{100 * leaf['low'][0]:.2f} to {100 * leaf['high'][0]:.2f}"
    assert first.trials == "optimizer=gsam&phase=iid&state=COMPLETE"


def test_the_range_curve_names_box_verdict_and_flip(full_page: Page, full: Material) -> None:
    entries = full.summary["range_curve"]
    found = sections.range_section(full, behind(full))
    assert found is not None
    assert found.n == len(entries)
    assert found.sentence == "The verdict flips in 7 of 22 boxes."
    rows = [row for group in found.groups for row in group.rows]
    assert [row.flips for row in rows].count(True) == sum(bool(e.get("flips")) for e in entries)
    whole = rows[0]
    assert (whole.change, whole.box, whole.winner) == ("whole", "rho 0.01 to 1", "adaptive_gsam")
    assert "rho=0.01..1.0" in whole.trials
    missing = next(row for row in rows if row.reason)
    assert (missing.difference, missing.trials) == ("–", "")
    assert missing.reason == "Fewer than 10 points of gsam."
    assert RANGE_SENTENCE[1:] in full_page.prose


def test_power_says_what_could_have_been_found(full_page: Page, full: Material) -> None:
    material = _but("quick", {**full.summary, "power_sentence": ""})
    power = sections.power_section(material)
    assert power is not None
    assert power.table is not None
    assert [row[2] for row in power.table.rows] == ["1.20", "0.30"]
    assert [row[-1] for row in power.table.rows] == ["no", "yes"]
    assert "1.20 points at the same rho" in power.sentence
    own = {**full.summary, "power_sentence": "it could find 1 point"}
    told = sections.power_section(_but("quick", own))
    assert told is not None
    assert told.sentence == "It could find 1 point."
    assert "What could this study have found?" in full_page.prose


def test_indices_are_folded_under_the_estimates(full_page: Page) -> None:
    assert "Total Sobol index of rho" in full_page.prose
    assert "At the same settings (raw rho): 13 more metrics" in full_page.prose


def test_page_of_read_page_finds_faults(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p><b>x</p>")
    assert read_page(tmp_path).problems
