"""The page: a template filled with records and inline figures. Nothing in it leaves the file.

In: page records and SVG texts. Out: the HTML text. The template escapes everything but the SVGs
and the style sheet, which this package makes itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from agsam_tune.report.style import CSS_COLOURS, OptimizerStyle

TEMPLATES = "templates"


def render(context: Mapping[str, Any]) -> str:
    """The whole page from its context."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2")
    # Our own style sheet, not text from a file that a user hands in.
    css = Markup(_template("report.css"))  # noqa: S704
    return page.render(css=css, **context)


def swatch(style: OptimizerStyle) -> Markup:
    """An optimizer's line and marker as a small inline SVG, for legends and tables."""
    colour = CSS_COLOURS[style.colour]
    dashes = (
        "" if isinstance(style.dashes, str) else " ".join(f"{d * 1.6:g}" for d in style.dashes[1])
    )
    return Markup(
        '<svg class="swatch" viewBox="0 0 34 12" aria-hidden="true">'
        '<line x1="1" y1="6" x2="33" y2="6" stroke="{}" stroke-width="{}" stroke-dasharray="{}"/>'
        '<path d="{}" fill="{}" stroke="{}"/></svg>'
    ).format(colour, style.width, dashes, _marker(style.marker), colour, colour)


def _marker(marker: str) -> str:
    """The SVG path of a matplotlib marker, centred at (17, 6)."""
    if marker == "o":
        return "M13.4 6a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0z"
    if marker in ("|", "_"):
        return ""
    corners = {"s": (4, 45), "D": (4, 0), "^": (3, 90), "v": (3, 270), "h": (6, 0)}
    n, start = corners.get(marker, (4, 0))
    angles = [math.radians(start + 360 * i / n) for i in range(n)]
    places = [(17 + 4.2 * math.cos(a), 6 - 4.2 * math.sin(a)) for a in angles]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + "z"


def _template(name: str) -> str:
    return resources.files(__package__).joinpath(TEMPLATES, name).read_text(encoding="utf-8")
