"""matplotlib figures to SVG and PNG, byte for byte the same each time.

In: a `Figure` drawn in the colours of `style`. Out: SVG for the inside of an HTML page (colours
become CSS variables, ids get the figure's name), and SVG and PNG files on white paper. Never
pyplot: a `Figure` belongs to whoever made it and leaves no global state.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from agsam_tune.report.style import CSS_COLOURS, MATPLOTLIB

PNG_DPI = 180
RASTER_DPI = 150
"""Of what an SVG holds as an image: clouds of thousands of points, surfaces."""

_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@contextmanager
def drawing(name: str = "agsam-tune") -> Iterator[None]:
    """The report's matplotlib settings, for making and saving figures; `name` salts the SVG ids."""
    settings: Any = {**MATPLOTLIB, "svg.hashsalt": name}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Of panels whose labels leave no room, such as those of runs that are all at chance.
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        yield


def inline_svg(figure: Figure, name: str, *, label: str) -> str:
    """The figure as an `<svg>` element for an HTML page.

    `name` (letters, digits, `-`) prefixes every id, so that figures on one page do not clash;
    `label` is what a screen reader says (escaped here).
    """
    text = _svg_text(figure, name, facecolor="none")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = _prefix_ids(text, name)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", lambda tag: _restyle(tag.group()), text)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(label)}"', 1).strip()


def svg_file(figure: Figure, name: str) -> bytes:
    """The figure as an SVG file on white paper."""
    return _svg_text(figure, name, facecolor="white").encode()


def png_file(figure: Figure) -> bytes:
    """The figure as a PNG file on white paper, 180 dots per inch."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    with drawing():
        figure.savefig(
            buffer, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None}
        )
    return buffer.getvalue()


def _svg_text(figure: Figure, name: str, *, facecolor: str) -> str:
    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    metadata: dict[str, Any] = dict(_METADATA)
    with drawing(name):
        figure.savefig(buffer, format="svg", dpi=RASTER_DPI, facecolor=facecolor, metadata=metadata)
    return buffer.getvalue().decode()


def _prefix_ids(text: str, name: str) -> str:
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)


def _restyle(tag: str) -> str:
    """One tag with CSS colours, and coordinates to a hundredth of a point (the rest is invisible).

    Text between tags is left alone: a label 0.005 must stay 0.005.
    """
    for colour, css in CSS_COLOURS.items():
        tag = tag.replace(colour, css)
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number.group()):.2f}", tag)


def _attribute(text: str) -> str:
    for raw, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(raw, escaped)
    return text
