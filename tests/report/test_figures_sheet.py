"""All plates drawn: nothing is cut, nothing overlaps, and the files are whole."""

from __future__ import annotations

import io
import itertools
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from PIL import Image

from agsam_tune.report.figures.panel import Panel, plain_log, shorten_pair
from agsam_tune.report.figures.plates import PLATE_KEY, Plate, all_plates
from agsam_tune.report.figures.sheet import draw_sheet, laid_out
from agsam_tune.report.material import gather
from agsam_tune.report.svg import PNG_DPI, drawing, png_bytes
from tests.report.records import full

SVG = "{http://www.w3.org/2000/svg}"
KEYS = (
    *("verdict", "curve-key", "curve-off", "curve-radius", "curve-map", "curve-range"),
    *("curve-misset", "gap", "surface-1", "surface-2", "tuning", "learning"),
)
LONGEST = ("verdict", "tuning")
"""Those whose labels need the most room."""


@pytest.fixture(scope="module")
def plates() -> list[Plate]:
    with drawing():
        return all_plates(gather(**full()))


def test_every_plate_is_there_once(plates: list[Plate]) -> None:
    keys = [plate.key for plate in plates]
    assert sorted(keys) == sorted(KEYS)
    assert all(PLATE_KEY.fullmatch(key) for key in keys)


def letters(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Every text that is drawn, and its box in shares of the figure: x0, y0, x1, y1."""
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    figure.draw(renderer)
    width, height = figure.bbox.width, figure.bbox.height
    hidden = {id(text) for text in _outside(figure)}
    found = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            box = text.get_window_extent(renderer)
            corners = (box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height)
            found.append((text.get_text(), np.array(corners)))
    return found


def _outside(figure: Figure) -> list[Text]:
    """Labels of ticks outside the axes' limits: they exist and are not drawn."""
    labels: list[Text] = []
    for axes in figure.findobj(Axes):
        assert isinstance(axes, Axes)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            room = 1e-9 * (high - low)
            for tick in axis.get_major_ticks():
                if not low - room <= tick.get_loc() <= high + room:
                    labels += [tick.label1, tick.label2]
    return labels


def assert_readable(panel: Panel, figure: Figure) -> None:
    found = letters(figure)
    for words, box in found:
        assert box[:2].min() > -0.004, (panel.key, words)
        assert box[2:].max() < 1.004, (panel.key, words)
    for (one, a), (other, b) in itertools.combinations(found, 2):
        across = min(a[2], b[2]) - max(a[0], b[0])
        up = min(a[3], b[3]) - max(a[1], b[1])
        assert across < 0.004 or up < 0.012, (panel.key, one, other)


@pytest.mark.parametrize(
    "key", [key if key in LONGEST else pytest.param(key, marks=pytest.mark.slow) for key in KEYS]
)
def test_no_letter_is_cut_and_no_two_overlap(plates: list[Plate], key: str) -> None:
    plate = next(one for one in plates if one.key == key)
    with drawing():
        figures = laid_out(plate.panels, min(plate.columns, len(plate.panels)))
        for panel, figure in zip(plate.panels, figures, strict=True):
            assert_readable(panel, figure)


def test_the_check_finds_what_is_cut_and_what_overlaps() -> None:
    def cut(ax: Axes) -> None:
        ax.set_title("a very long title that does not fit into so small a panel at all")

    def crowded(ax: Axes) -> None:
        ax.text(0.5, 0.5, "one")
        ax.text(0.52, 0.5, "two")

    with drawing():
        for draw in (cut, crowded):
            panel = Panel(key="x", alt="x", draw=draw, size=(2.0, 2.0))
            with pytest.raises(AssertionError):
                assert_readable(panel, laid_out([panel], 1)[0])


def test_axes_of_a_row_are_in_line(plates: list[Plate]) -> None:
    plate = next(one for one in plates if one.key == "learning")
    with drawing():
        boxes = [figure.axes[0].get_position() for figure in laid_out(plate.panels, 3)]
    assert len({round(box.y0, 6) for box in boxes}) == 1
    assert len({round(box.y1, 6) for box in boxes}) == 1


@pytest.mark.parametrize("key", ["gap", "surface-1"])
def test_files_hold_all_panels_on_white_paper(plates: list[Plate], key: str) -> None:
    plate = next(one for one in plates if one.key == key)
    styles = tuple(gather(**full()).styles.values())
    with drawing():
        sheet = draw_sheet(plate.panels, key=key, columns=3, legend=styles)
        again = draw_sheet(plate.panels, key=key, columns=3, legend=styles)
    assert sheet == again
    root = ElementTree.fromstring(sheet.svg)  # noqa: S314
    assert len(root.findall(f"{SVG}g")) == len(plate.panels) + 1
    ids = re.findall(r'\bid="([^"]+)"', sheet.svg.decode())
    assert len(set(ids)) == len(ids)
    assert {name.rsplit("-", 1)[0] for name in ids} >= {f"{key}-1", f"{key}-legend"}
    assert len(sheet.inline) == len(plate.panels)
    for svg in sheet.inline:
        assert svg.startswith('<svg role="img" aria-label="')
        assert "currentColor" in svg
        assert "#1f2328" not in svg
        ElementTree.fromstring(svg)  # noqa: S314
    image = imread(io.BytesIO(sheet.png))
    inches = (float(root.attrib["height"][:-2]) / 72, float(root.attrib["width"][:-2]) / 72)
    np.testing.assert_allclose(image.shape[:2], np.multiply(inches, PNG_DPI), atol=1)
    assert (image[0] == 1).all()
    assert image.min() < 0.5


def test_a_png_is_what_it_was_made_of() -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    made = Image.open(io.BytesIO(png_bytes(image)))
    assert made.format == "PNG"
    assert np.array_equal(np.asarray(made), image)
    assert made.info["dpi"] == pytest.approx((PNG_DPI, PNG_DPI), abs=0.01)


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("adaptive_gsam", "gsam", "adaptive_gsam − gsam"),
        ("a" * 30, "gsam", "a" * 19 + "… − gsam"),
        ("gsam", "a" * 30, "gsam − " + "a" * 19 + "…"),
        ("a" * 30, "b" * 30, "a" * 11 + "… − " + "b" * 11 + "…"),
        ("模" * 30, "b", "模" * 11 + "… − b"),
    ],
)
def test_two_names_share_a_line(one: str, other: str, shown: str) -> None:
    assert " − ".join(shorten_pair(one, other, 24)) == shown


@pytest.mark.parametrize(("first", "scale"), [(0.01, "log"), (0.0, "log"), (-0.5, "linear")])
def test_what_has_no_logarithm_is_on_a_linear_axis(first: float, scale: str) -> None:
    ax = Figure().subplots()
    ax.plot([first, 0.3, 0.9], [1, 2, 3])
    ax.axhline(0.5)
    plain_log(ax, "rho")
    assert (ax.get_xscale(), "log scale" in ax.get_xlabel()) == (scale, scale == "log")
