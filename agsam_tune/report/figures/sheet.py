"""A plate drawn: its panels one by one for the page, side by side in one SVG and one PNG file.

In: a plate's panels and a legend. Out: texts and bytes, the same each time. Each panel is laid out
once and drawn once as SVG and once as PNG; the files are put together from these drawings, since
laying out and drawing all of them a second time would take as long again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from agsam_tune.report.figures.panel import Panel, legend_line
from agsam_tune.report.style import OptimizerStyle
from agsam_tune.report.svg import (
    PNG_DPI,
    Placed,
    joined_svg,
    page_svg,
    pixels,
    png_bytes,
    png_canvas,
    svg_drawing,
)

POINTS = 72
"""Units of an SVG in an inch."""
PAD = 0.06
"""Inches of paper around a panel's outermost letter."""
NARROWEST = 0.3
"""Of a panel's width or height stay for its axes, however long its labels are."""
LEGEND_ROW, LEGEND_PAD = 0.19, 0.1

Margins = tuple[float, float, float, float]
"""Left, bottom, right, top, in inches: what labels need beside the axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """`inline`: one `<svg>` a panel, for the page; `svg` and `png`: all panels on white paper."""

    inline: tuple[str, ...]
    svg: bytes
    png: bytes


def draw_sheet(
    panels: Sequence[Panel], *, key: str, columns: int, legend: Sequence[OptimizerStyle] = ()
) -> Sheet:
    """Draws all panels, `columns` to a row in the files.

    Must be called within `svg.drawing`. `key` (letters, digits, `-`) is the beginning of all ids.
    """
    columns = min(columns, len(panels))
    figures = laid_out(panels, columns)
    names = [f"{key}-{place}" for place in range(1, len(panels) + 1)]
    # First the PNGs, for which the texts have been measured: an SVG takes another canvas.
    images = [pixels(figure) for figure in figures]
    drawings = [svg_drawing(figure, name) for figure, name in zip(figures, names, strict=True)]
    places, (width, height) = _places([panel.size for panel in panels], columns)
    if legend:
        figure = _legend(legend, width)
        down = figure.get_size_inches()[1]
        places = [(x, y + down) for x, y in places]
        images, places, height = [pixels(figure), *images], [(0.0, 0.0), *places], height + down
        drawings = [svg_drawing(figure, f"{key}-legend"), *drawings]
    placed = [
        Placed(drawing=drawing, left=POINTS * x, top=POINTS * y)
        for drawing, (x, y) in zip(drawings, places, strict=True)
    ]
    return Sheet(
        inline=tuple(
            page_svg(drawing, label=panel.alt)
            for drawing, panel in zip(drawings[-len(panels) :], panels, strict=True)
        ),
        svg=joined_svg(placed, width=POINTS * width, height=POINTS * height),
        png=png_bytes(_pasted(images, places, width, height)),
    )


def laid_out(panels: Sequence[Panel], columns: int) -> list[Figure]:
    """One figure a panel, each with room for its letters around its axes.

    Panels of a row share their upper and lower margins, those of a column the left and right ones,
    so that their axes are in line.
    """
    figures = [_drawn(panel) for panel in panels]
    margins = [_margins(figure) for figure in figures]
    for place, figure in enumerate(figures):
        _lay_out(figure, _common(margins, place, columns))
    return figures


def _drawn(panel: Panel) -> Figure:
    figure = Figure(figsize=panel.size)
    # Near what most panels get, so that the number of ticks does not change when they are laid out.
    panel.draw(figure.add_axes((0.14, 0.16, 0.83, 0.75)))
    return figure


def _margins(figure: Figure) -> Margins:
    """What the letters of the only axes need around them; long titles and labels do not count."""
    ax = figure.axes[0]
    renderer = png_canvas(figure).get_renderer()
    box = ax.get_window_extent()
    inked = ax.get_tightbbox(renderer, for_layout_only=True)
    if inked is None:
        return (0.0, 0.0, 0.0, 0.0)
    around = (box.x0 - inked.x0, box.y0 - inked.y0, inked.x1 - box.x1, inked.y1 - box.y1)
    left, bottom, right, top = (max(0.0, float(one)) / figure.dpi for one in around)
    return (left, bottom, right, top)


def _common(margins: Sequence[Margins], place: int, columns: int) -> Margins:
    row = [one for other, one in enumerate(margins) if other // columns == place // columns]
    column = [one for other, one in enumerate(margins) if other % columns == place % columns]
    left, right = max(one[0] for one in column), max(one[2] for one in column)
    bottom, top = max(one[1] for one in row), max(one[3] for one in row)
    return (left, bottom, right, top)


def _lay_out(figure: Figure, margins: Margins) -> None:
    width, height = figure.get_size_inches()
    left, bottom, right, top = (
        (one + PAD) / side for one, side in zip(margins, (width, height) * 2, strict=True)
    )
    across, up = max(1 - left - right, NARROWEST), max(1 - bottom - top, NARROWEST)
    figure.axes[0].set_position((min(left, 1 - across), min(bottom, 1 - up), across, up))


def _places(
    sizes: Sequence[tuple[float, float]], columns: int
) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Upper left corners of the panels and the size of the whole, in inches."""
    rows = -(-len(sizes) // columns)
    widths = [max(w for w, _ in sizes[column::columns]) for column in range(columns)]
    heights = [max(h for _, h in sizes[row * columns : (row + 1) * columns]) for row in range(rows)]
    corners = [
        (sum(widths[: place % columns]), sum(heights[: place // columns]))
        for place in range(len(sizes))
    ]
    return corners, (sum(widths), sum(heights))


def _legend(styles: Sequence[OptimizerStyle], width: float) -> Figure:
    handles = [legend_line(style) for style in styles]
    # An average letter is 0.075 inches wide, a line's sample with its gaps 0.6.
    widths = [0.075 * len(str(handle.get_label())) + 0.6 for handle in handles]
    columns = max(1, min(len(styles), int(width / (sum(widths) / len(widths)))))
    rows = -(-len(styles) // columns)
    figure = Figure(figsize=(width, LEGEND_ROW * rows + LEGEND_PAD))
    figure.legend(handles=handles, loc="center left", ncols=columns, borderpad=0.2)
    return figure


def _pasted(
    images: Sequence[NDArray[np.uint8]],
    places: Sequence[tuple[float, float]],
    width: float,
    height: float,
) -> NDArray[np.uint8]:
    """All images on one white sheet of so many inches."""
    sheet = np.full((round(PNG_DPI * height), round(PNG_DPI * width), 3), 255, dtype=np.uint8)
    for image, (x, y) in zip(images, places, strict=True):
        top, left = round(PNG_DPI * y), round(PNG_DPI * x)
        room = sheet[top : top + image.shape[0], left : left + image.shape[1]]
        room[:] = image[: room.shape[0], : room.shape[1]]
    return sheet
