"""Writes reports: figures as files, one page with the same figures inside.

In: a run's record, tables, manifest and study. Out: `report.html` and `figures/` in a folder, each
file replaced whole. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from agsam_tune.analysis.record import Summary
from agsam_tune.atomic import replace_file
from agsam_tune.report.blocks import Figure, Legend
from agsam_tune.report.contents import page_of
from agsam_tune.report.figures.panel import shorten
from agsam_tune.report.figures.plates import PLATE_KEY, Plate, all_plates
from agsam_tune.report.figures.sheet import draw_sheet
from agsam_tune.report.html import render, swatch
from agsam_tune.report.material import gather
from agsam_tune.report.style import OptimizerStyle
from agsam_tune.report.svg import drawing
from agsam_tune.report.trial_table import trials_json
from agsam_tune.study import Study

if TYPE_CHECKING:
    from agsam_tune.analysis.surfaces import Surfaces

REPORT = "report.html"
FIGURES = "figures"


def write_report(
    folder: Path,
    *,
    summary: Summary,
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    manifest: Mapping[str, Any],
    study: Study,
    surfaces: Surfaces | None = None,
) -> None:
    """Writes `report.html` and `figures/*.svg`, `figures/*.png` into a run's folder.

    Args:
        folder: the run's folder; made if it does not exist.
        summary: the analysis's record, every number of which is on the page.
        trials: the table of `trials.parquet`.
        curves: learning curves, one row a trial and epoch; may be empty.
        manifest: the contents of `manifest.json`.
        study: the study.
        surfaces: the fitted surfaces; without them figures have the map's trainings alone.

    The same arguments give the same bytes. What the study does not have is left out.

    Raises:
        OSError: if the folder cannot be written to.
    """
    material = gather(
        summary=summary,
        trials=trials,
        curves=curves,
        manifest=manifest,
        study=study,
        surfaces=surfaces,
    )
    with drawing():
        figures = draw_figures(folder, all_plates(material), material.styles, PLATE_KEY)
    data = trials_json(material.trials, material.threshold)
    page = render(page_of(material, figures), trials_json=data)
    replace_file(folder / REPORT, page.encode())


def draw_figures(
    folder: Path,
    plates: Sequence[Plate],
    styles: Mapping[str, OptimizerStyle],
    keys: re.Pattern[str],
) -> dict[str, Figure]:
    """Writes the plates' files below `figures/` of the folder; returns what the page shows.

    Figures of an earlier report, called as `keys` says, are removed; nothing of others.

    Must be called within `svg.drawing`.
    """
    place = folder / FIGURES
    place.mkdir(parents=True, exist_ok=True)
    made = {plate.key: _drawn(place, plate, styles) for plate in plates}
    for path in place.iterdir():
        own = path.suffix in (".svg", ".png") and keys.fullmatch(path.stem)
        if own and path.stem not in made:
            path.unlink()
    return made


def _drawn(place: Path, plate: Plate, styles: Mapping[str, OptimizerStyle]) -> Figure:
    named = {name: styles[name] for name in plate.legend}
    sheet = draw_sheet(
        plate.panels, key=plate.key, columns=plate.columns, legend=tuple(named.values())
    )
    replace_file(place / f"{plate.key}.svg", sheet.svg)
    replace_file(place / f"{plate.key}.png", sheet.png)
    return Figure(
        key=plate.key,
        caption=plate.caption,
        columns=plate.columns,
        legend=tuple(Legend(name=shorten(n), swatch=swatch(style)) for n, style in named.items()),
        # matplotlib escapes the texts of an SVG, `page_svg` its label: markup of our own.
        svgs=tuple(Markup(svg) for svg in sheet.inline),  # noqa: S704
    )
