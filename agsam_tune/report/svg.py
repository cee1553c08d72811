"""matplotlib figures to SVG and PNG, byte for byte the same each time.

In: a `Figure` drawn in the colours of `style`. Out: SVG for the inside of an HTML page (colours
become CSS variables, ids get the figure's name), and SVG and PNG files on white paper. Never
pyplot: a `Figure` belongs to whoever made it and leaves no global state.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from agsam_tune.report.style import CSS_COLOURS, MATPLOTLIB

PNG_DPI = 180
RASTER_DPI = 150
"""Of what an SVG holds as an image: clouds of thousands of points, surfaces."""

_NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
_TAG = re.compile(r"<[^>]+>")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_COLOUR = re.compile("|".join(CSS_COLOURS))
_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@contextmanager
def drawing(name: str = "agsam-tune") -> Iterator[None]:
    """The report's matplotlib settings, for making and saving figures; `name` salts the SVG ids."""
    settings: Any = {**MATPLOTLIB, "svg.hashsalt": name}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Names may be in any script. In an SVG they are text, which a browser has letters for.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One figure as SVG: what is inside of its `<svg>`, in points; ids begin with its name."""

    width: float
    height: float
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A drawing on a sheet, its upper left corner in points."""

    drawing: Drawing
    left: float
    top: float


def svg_drawing(figure: Figure, name: str) -> Drawing:
    """Draws the figure as it is laid out.

    `name` (letters, digits, `-`) prefixes every id, so that figures on one page do not clash.
    """
    buffer = io.BytesIO()
    figure.set_dpi(RASTER_DPI)
    figure.set_facecolor("none")
    # matplotlib's canvases have no annotations.
    canvas: Any = FigureCanvasSVG(figure)
    with drawing(name):
        canvas.print_svg(buffer, metadata=dict(_METADATA))
    text = buffer.getvalue().decode()
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", _prefix_ids(body, name), flags=re.DOTALL)
    width, height = figure.get_size_inches()
    return Drawing(width=72 * float(width), height=72 * float(height), body=_rounded(body).strip())


def page_svg(one: Drawing, *, label: str) -> str:
    """An `<svg>` element for an HTML page, in the page's colours; `label` is for screen readers."""
    return (
        f'<svg role="img" aria-label="{_attribute(label)}" {_NAMESPACES} '
        f'viewBox="0 0 {one.width:g} {one.height:g}" version="1.1">'
        f"{_in_css_colours(one.body)}</svg>"
    )


def joined_svg(drawings: Sequence[Placed], *, width: float, height: float) -> bytes:
    """Drawings on one sheet of white paper, as an SVG file; sizes in points."""
    parts = [
        f'<g transform="translate({one.left:g} {one.top:g})">\n{one.drawing.body}\n</g>'
        for one in drawings
    ]
    return "\n".join(
        (
            '<?xml version="1.0" encoding="utf-8" standalone="no"?>',
            f'<svg {_NAMESPACES} width="{width:g}pt" height="{height:g}pt" '
            f'viewBox="0 0 {width:g} {height:g}" version="1.1">',
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        )
    ).encode()


def png_canvas(figure: Figure) -> Any:
    """What draws the figure as a PNG; kept with it, since it remembers how wide each text is."""
    figure.set_dpi(PNG_DPI)
    return figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """The figure on white paper, (height, width, 3), PNG_DPI dots per inch."""
    canvas = png_canvas(figure)
    figure.set_facecolor("white")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def png_bytes(image_HW3: NDArray[np.uint8]) -> bytes:
    """An image as a PNG file of PNG_DPI dots per inch, without a date or a program's name.

    ISO/IEC 15948:2004: 8 bits a channel, and no row is filtered: flat colours pack as well so, at a
    fifth of the time that it takes to look for the best filter of each row.
    """
    height, width, _ = image_HW3.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
    rows[:, 1:] = image_HW3.reshape(height, -1)
    per_metre = round(PNG_DPI / 0.0254)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
        (b"IDAT", zlib.compress(rows.tobytes(), 3)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file: its length, name and data, and a checksum of the last two."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _prefix_ids(text: str, name: str) -> str:
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)


def _rounded(text: str) -> str:
    """Coordinates to a hundredth of a point, small ones (scales of images) to a ten-thousandth.

    The rest is invisible. Text between tags is left alone: a label 0.00512 must stay 0.00512.
    """
    return _TAG.sub(lambda tag: _LONG_NUMBER.sub(_shorter, tag.group()), text)


def _shorter(number: re.Match[str]) -> str:
    value = float(number.group())
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _in_css_colours(text: str) -> str:
    """Tags in the page's colours; text between tags is left alone."""
    return _TAG.sub(lambda tag: _COLOUR.sub(_css_colour, tag.group()), text)


def _css_colour(colour: re.Match[str]) -> str:
    return CSS_COLOURS[colour.group()]


def _attribute(text: str) -> str:
    for raw, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(raw, escaped)
    return text
