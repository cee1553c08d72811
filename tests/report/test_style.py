"""One look per optimizer, and SVGs that stand on a page together."""

from __future__ import annotations

import re

from matplotlib.figure import Figure

from agsam_tune.report.style import CSS_COLOURS, MUTED, optimizer_styles
from agsam_tune.report.svg import Placed, drawing, joined_svg, page_svg, svg_drawing

MAIN = ("sgd", "sgd_2x", "sam", "gsam", "adaptive_gsam", "gsam_matched")


def test_candidate_and_baseline_come_first_and_stand_out() -> None:
    styles = optimizer_styles(
        MAIN, candidate="adaptive_gsam", baseline="gsam", control="gsam_matched"
    )
    order = ["adaptive_gsam", "gsam", "gsam_matched", "sam", "sgd", "sgd_2x"]
    assert list(styles) == order
    assert [name for name, style in styles.items() if style.prominent] == order[:2]
    assert styles["gsam"].width > styles["sam"].width


def test_looks_differ_in_colour_or_in_line() -> None:
    styles = optimizer_styles(
        (*MAIN, "asam", "adaptive_gsam_t2"), candidate="gsam", baseline="sam", control=None
    )
    looks = {(style.colour, str(style.dashes)) for style in styles.values()}
    assert len(looks) == len(styles)
    assert {style.colour for style in styles.values()} <= set(CSS_COLOURS)


def test_any_number_of_optimizers_has_styles() -> None:
    names = tuple(f"own_{place}" for place in range(20))
    assert len(optimizer_styles(names, candidate=None, baseline=None, control=None)) == 20


def figure() -> Figure:
    made = Figure(figsize=(2, 2))
    ax = made.add_subplot()
    ax.plot([1.23456, 2], [0.1, 0.2], color=MUTED, clip_on=True)
    ax.set_title("<b> & 0.00512 $x^2$")
    return made


def test_inline_svgs_share_no_ids_and_keep_their_texts() -> None:
    with drawing():
        first, second = (
            page_svg(svg_drawing(figure(), name), label='"<&') for name in ("one", "two")
        )
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "&lt;b&gt; &amp; 0.00512 $x^2$" in first
    assert 'aria-label="&quot;&lt;&amp;"' in first
    assert "var(--muted)" in first
    assert "<?xml" not in first
    references = re.findall(r'(?:url\(|href=")#([^)"]+)', first)
    assert set(references) <= ids[0]


def test_svg_files_are_whole_and_the_same_each_time() -> None:
    with drawing():
        made = [svg_drawing(figure(), "one") for _ in range(2)]
    files = [
        joined_svg([Placed(drawing=one, left=7.0, top=3.0)], width=160, height=150) for one in made
    ]
    assert files[0] == files[1]
    assert files[0].startswith(b"<?xml")
    assert b"translate(7 3)" in files[0]
    assert b"currentColor" not in files[0]
    assert b"1.23456" not in files[0]
