"""Plates on their way onto a page: their files written, their panels as markup.

In: a `Plate` and the styles of optimizers. Out: SVG and PNG files, and the record that a template
shows. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from agsam_tune.atomic import replace_file
from agsam_tune.report.figures.panel import shorten
from agsam_tune.report.figures.plates import Plate
from agsam_tune.report.figures.sheet import draw_sheet
from agsam_tune.report.html import swatch
from agsam_tune.report.style import OptimizerStyle
from agsam_tune.report.tables import Linked

__all__ = ["Legend", "Shown", "legend", "show_plate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """One optimizer in a legend of the page."""

    name: str
    swatch: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A plate as the page shows it; `behind` leads to the trials that it shows."""

    key: str
    caption: str
    columns: int
    legend: tuple[Legend, ...]
    svgs: tuple[Markup, ...]
    behind: Linked | None = None


def legend(styles: Mapping[str, OptimizerStyle]) -> tuple[Legend, ...]:
    """All optimizers in the report's order."""
    return tuple(Legend(name=shorten(name), swatch=swatch(style)) for name, style in styles.items())


def show_plate(
    plate: Plate,
    styles: Mapping[str, OptimizerStyle],
    figures: Path,
    behind: Linked | None = None,
) -> Shown:
    """Writes the plate's files into the folder `figures`; returns what a page needs of it."""
    named = styles if plate.legend else {}
    sheet = draw_sheet(
        plate.panels, key=plate.key, columns=plate.columns, legend=tuple(named.values())
    )
    replace_file(figures / f"{plate.key}.svg", sheet.svg)
    replace_file(figures / f"{plate.key}.png", sheet.png)
    return Shown(
        key=plate.key,
        caption=plate.caption,
        columns=plate.columns,
        legend=legend(named),
        # matplotlib escapes the texts of an SVG, `page_svg` its label: markup of our own.
        svgs=tuple(Markup(svg) for svg in sheet.inline),  # noqa: S704
        behind=behind,
    )
