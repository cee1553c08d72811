"""Writes the report: figures as files, the page with the same figures inside.

In: a run's tables, summary, manifest and study. Out: `report.html` and `figures/` in the run's
folder, each file replaced whole. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from agsam_tune.analysis.context import Context
from agsam_tune.analysis.surfaces import Surfaces
from agsam_tune.atomic import replace_file
from agsam_tune.report.contents import figure_trials, page_context
from agsam_tune.report.figures.all_plates import PLATE_KEY, all_plates
from agsam_tune.report.html import render
from agsam_tune.report.material import gather
from agsam_tune.report.shown import show_plate
from agsam_tune.report.svg import drawing
from agsam_tune.report.trial_links import behind
from agsam_tune.study import Study

REPORT = "report.html"
FIGURES = "figures"


def write_report(
    folder: Path,
    *,
    summary: Mapping[str, Any],
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    manifest: Mapping[str, Any],
    study: Study,
    surfaces: Surfaces | None = None,
    context: Context | None = None,
) -> None:
    """Writes `report.html` and `figures/*.svg`, `figures/*.png` into a run's folder.

    Args:
        folder: the run's folder; made if it does not exist.
        summary: what `agsam_tune.analysis.analyse` says (`summary.json`).
        trials: the table of `trials.parquet`.
        curves: learning curves, one row a trial and epoch; may be empty.
        manifest: the contents of `manifest.json`.
        study: the study.
        surfaces: the fitted surfaces; without them the report has none.
        context: the trials as the analysis reads them, where it is at hand.

    The same arguments give the same bytes. Parts that the run lacks are named in the report.

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
        context=context,
    )
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    links = behind(material)
    with drawing():
        shown = {
            plate.key: show_plate(
                plate, material.styles, figures, behind=figure_trials(material, links, plate.key)
            )
            for plate in all_plates(material)
        }
    _remove_stale(figures, set(shown))
    replace_file(folder / REPORT, render(page_context(material, links, shown)).encode())


def _remove_stale(figures: Path, keys: set[str]) -> None:
    """Removes figures of an earlier report that this one does not have; nothing of others."""
    for path in figures.iterdir():
        own = path.suffix in (".svg", ".png") and PLATE_KEY.fullmatch(path.stem)
        if own and path.stem not in keys:
            path.unlink()
