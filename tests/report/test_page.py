"""The page as a whole: its sections, and that it is one file that loads nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.report import write_report
from agsam_tune.report.contents import page_of as contents_of
from agsam_tune.report.figures.plates import PLATE_KEY, all_plates
from agsam_tune.report.material import gather
from agsam_tune.report.svg import drawing
from tests.report.pages import Page, read_page
from tests.report.records import IMAGE, REPORTS, SCRIPT, full, imported, minimal, not_applicable

Pages = Callable[[str], Page]
Folders = Callable[[str], Path]

COMMON = {"design", "protocol", "trials"}
LENSES = {"same-setting", "own-scale", "equal-radius", "around-best", "around-default"}
SECTIONS = {
    "full": COMMON
    | LENSES
    | {"lenses", "fixed", "gap", "surfaces", "importance", "tuning", "published"}
    | {"sharpness", "learning"},
    "minimal": COMMON,
    "fixed": COMMON | {"fixed", "published", "learning"},
    "imported": COMMON | {"lenses", "same-setting", "surfaces", "learning"},
    "not_applicable": COMMON | {"lenses", "surfaces", "learning"},
}
FIGURES = {"verdict", "gap", "tuning", "learning", "surface-1", "surface-2"} | {
    f"curve-{kind}" for kind in ("key", "off", "radius", "map", "range", "misset")
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_whole_and_loads_nothing(name: str, page_of: Pages) -> None:
    page = page_of(name)
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
    for svg in re.findall(r"<svg role.*?</svg>", page.text, flags=re.DOTALL):
        # Inline figures take their colours from the page.
        assert "currentColor" in svg
        assert "#1f2328" not in svg
        assert 'role="img" aria-label="' in svg


@pytest.mark.parametrize("name", SECTIONS)
def test_sections_are_those_that_have_something_to_say(name: str, page_of: Pages) -> None:
    page = page_of(name)
    sections = re.findall(r'<section id="([^"]+)">(.*?)</section>', page.text, flags=re.DOTALL)
    assert {key for key, _ in sections} == SECTIONS[name]
    for key, inner in sections:
        assert f"#{key}" in page.loads
        assert re.search(r"<(td|svg) ", inner) or "<td>" in inner, key
    assert "<tbody>\n  </tbody>" not in page.text


def test_hostile_names_are_readable_as_they_are_and_no_markup(
    page_of: Pages, folder_of: Folders
) -> None:
    page = page_of("hostile")
    for name in (SCRIPT, IMAGE, "{{ 7*7 }}"):
        assert name in page.prose
    assert "49 ]]>" not in page.prose
    text = page.text.lower()
    assert text.count("<script") == text.count("</script") == 2
    assert "<img" not in text
    for path in (folder_of("hostile") / "figures").iterdir():
        assert path.stem.replace("-", "").isalnum()
        assert path.stem.isascii()


def test_the_head_says_what_was_found_and_what_else_one_must_know(page_of: Pages) -> None:
    head = page_of("full").prose.split("What the analysis was made with")[0]
    for words in (
        *("Supported", "adaptive_gsam keeps 3.5 points more", "On its own scale neither loses."),
        "Analysed with other settings than the run's: analysis.margin 0.02 → 0.01.",
        *("Splits are of one pool.", "1 trial raised an error and is in no estimate"),
        "1 × ValueError: a message",
    ):
        assert words in head


def test_settings_hash_and_command_are_given(page_of: Pages) -> None:
    study = full()["study"]
    for words in (study.hash, "agsam-tune run studies/quick.toml", "torch 2.13.0", "0123abc"):
        assert words in page_of("full").prose


def test_what_was_made_elsewhere_says_so(page_of: Pages) -> None:
    prose = page_of("imported").prose
    for words in ("trials.csv", "these trials were made elsewhere", "Points are taken as"):
        assert words in prose


def test_every_figure_is_a_file_of_both_kinds_and_the_page_is_small(folder_of: Folders) -> None:
    figures = folder_of("full") / "figures"
    names = {path.name for path in figures.iterdir()}
    assert names == {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    assert all(PLATE_KEY.fullmatch(name) for name in FIGURES)
    for path in figures.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    assert (folder_of("full") / "report.html").stat().st_size < 1_000_000


def test_the_same_run_gives_the_same_bytes_and_old_figures_go(tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    figures = again / "figures"
    figures.mkdir(parents=True)
    for name in ("surface-9.svg", "tuning.png", "mine.svg", "notes.txt"):
        (figures / name).write_text("old")
    for folder in (once, again):
        write_report(folder, **imported())
    files = {path.relative_to(once) for path in once.rglob("*") if path.is_file()}
    assert {"report.html", "figures/verdict.svg", "figures/verdict.png"} <= set(map(str, files))
    for file in files:
        assert (again / file).read_bytes() == (once / file).read_bytes(), file
    others = {path.relative_to(again) for path in again.rglob("*") if path.is_file()} - files
    assert others == {Path("figures/mine.svg"), Path("figures/notes.txt")}


def test_without_anything_there_are_no_figures() -> None:
    material = gather(**minimal())
    with drawing():
        assert all_plates(material) == []
    assert contents_of(material, {}).notices == ()


def test_a_lens_that_cannot_be_asked_says_why_and_has_no_figure(page_of: Pages) -> None:
    prose = page_of("not_applicable").prose
    assert prose.count("No own_scale here.") == 2
    assert "figure-verdict" not in page_of("not_applicable").ids
    assert len(not_applicable()["summary"].comparisons) == 4


def test_messages_of_trials_that_raised_are_counted_and_cut() -> None:
    given = full()
    errors = ["a" * 400, "b\x07", *(f"error {i}" for i in range(6))]
    raised = pd.concat([given["trials"].iloc[:1]] * len(errors), ignore_index=True)
    raised = raised.assign(state="FAIL", error=errors)
    material = gather(**{**given, "trials": pd.concat([given["trials"].iloc[:-1], raised])})
    notices = contents_of(material, {}).notices
    assert "8 trials raised an error and are in no estimate (gsam)." in notices
    assert f"1 × {'a' * 300}…" in notices
    assert "1 × b\\x07" in notices
    assert notices[-1] == "3 × 3 other messages, in the column error of the trials."


def test_page_of_read_page_finds_faults(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p><b>x</p>")
    assert read_page(tmp_path).problems
