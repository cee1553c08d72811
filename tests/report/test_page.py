"""The page as a whole: its sections, its numbers, and that it is one file that loads nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agsam_tune.report import write_report
from agsam_tune.report.write import replace_file
from tests.report.pages import Page, read_page
from tests.report.runs import arguments, study_of, trials_of

SECTIONS = (
    "accuracy",
    "surfaces",
    "gap",
    "estimates",
    "comparisons",
    "learning",
    "protocol",
    "reading",
)
FIGURES = (
    *("accuracy", "claim", "difference-1", "difference-2", "distribution", "gap", "indices"),
    *("learning", "misset", "range", "surface-1", "surface-2", "tuning"),
)


def test_every_section_is_there_and_linked(quick_page: Page) -> None:
    for section in SECTIONS:
        assert quick_page.ids.count(section) == 1
        assert f"#{section}" in quick_page.loads


def test_tags_are_balanced_and_ids_unique(quick_page: Page, paper_page: Page) -> None:
    for page in (quick_page, paper_page):
        assert page.problems == []
        assert len(set(page.ids)) == len(page.ids)


def test_links_lead_to_something(quick_page: Page) -> None:
    targets = {load[1:] for load in quick_page.loads if load.startswith("#")}
    assert targets <= set(quick_page.ids)


def test_no_request_leaves_the_file(quick_page: Page, paper_page: Page) -> None:
    for page in (quick_page, paper_page):
        outside = [load for load in page.loads if not load.startswith(("#", "data:image/png"))]
        assert outside == []
        urls = re.findall(r"url\(\s*['\"]?([^)'\"]*)", page.text)
        assert all(url.startswith("#") for url in urls)
        assert "@import" not in page.text
        assert page.tags.count("script") == 2
        assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
        assert "default-src 'none'" in page.text


def test_the_verdict_comes_first(quick_page: Page) -> None:
    claim = quick_page.prose.index("Undecided: when mis-set")
    assert claim < quick_page.prose.index("Accuracy through three lenses")


def test_key_facts_are_in_the_head(quick_page: Page) -> None:
    head = quick_page.prose.split("Accuracy through three lenses")[0]
    for words in ("trials", "diverged", "failed", "moons", "test set's own error", "2026-01-02"):
        assert words in head


def test_settings_hash_and_command_are_given(quick_page: Page) -> None:
    study = study_of("quick")
    for words in (study.hash, "agsam-tune run studies/quick.toml", "torch 2.13.0", "0123abc"):
        assert words in quick_page.prose


def test_null_estimates_show_a_dash_with_a_numbered_reason(quick_page: Page) -> None:
    assert "It is the baseline that the others are compared with." in quick_page.prose
    assert "#note-1" in quick_page.loads


def test_the_own_best_lens_says_what_it_rests_on(quick_page: Page) -> None:
    prose = quick_page.prose
    assert prose.count("12 draws of misset (4 each for factors up to 2, 3 and 10)") == 2
    assert "the largest factor of rho among the draws that were run is " in prose
    assert "mis-set alpha is clipped to 1" in prose
    assert "how much the choice of each best setting varies" in prose
    assert "bootstrap" not in prose
    assert "own best An optimizer's setting" in prose


def test_every_figure_is_a_file_of_both_kinds(quick_folder: Path) -> None:
    names = {path.name for path in (quick_folder / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    for path in (quick_folder / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_inline_figures_take_their_colours_from_the_page(quick_page: Page) -> None:
    svgs = re.findall(r"<svg role.*?</svg>", quick_page.text, flags=re.DOTALL)
    assert len(svgs) > 10
    for svg in svgs:
        assert "currentColor" in svg
        assert "#1f2328" not in svg
        assert 'role="img" aria-label="' in svg


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, quick_folder: Path) -> None:
    study = study_of("quick")
    write_report(tmp_path, **arguments(study, trials_of(study)))
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 1 + 2 * len(FIGURES)
    for file in files:
        assert (tmp_path / file).read_bytes() == (quick_folder / file).read_bytes(), file


def test_figures_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    figures = tmp_path / "figures"
    figures.mkdir()
    for name in ("surface-9.svg", "claim.png", "mine.svg", "notes.txt"):
        (figures / name).write_text("old")
    study = study_of("paper_moons")
    write_report(tmp_path, **arguments(study, trials_of(study)))
    names = {path.name for path in figures.iterdir()}
    assert {"mine.svg", "notes.txt", "fixed.svg", "fixed.png"} <= names
    assert not {"surface-9.svg", "claim.png"} & names


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    replace_file(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    with pytest.raises(TypeError):
        replace_file(target, "not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_fixed_points_stand_beside_published_numbers(paper_page: Page) -> None:
    prose = paper_page.prose
    assert "Fixed points only" in prose
    assert "published accuracy (%)" in prose
    for number in ("85.70", "89.00", "0.3300", "0.2700"):
        assert number in prose
    assert "settings" in paper_page.ids
    assert "accuracy" not in paper_page.ids
    assert "rho = 0.5, alpha = 0.04, gamma = 0.1" in prose


def test_page_of_read_page_finds_faults(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p><b>x</p>")
    assert read_page(tmp_path).problems
