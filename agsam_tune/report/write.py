"""Writes the report: figures as files, the page with the same figures inside.

In: a run's tables, summary, manifest and study. Out: `report.html` and `figures/` in the run's
folder, each file replaced whole. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from agsam_tune.analysis.surfaces import Surfaces
from agsam_tune.atomic import replace_file
from agsam_tune.report import fixed, page, tables, text
from agsam_tune.report.figures.all_plates import PLATE_KEY, all_plates
from agsam_tune.report.figures.panel import Panel, alone, shorten, together
from agsam_tune.report.figures.plates import Plate
from agsam_tune.report.html import render, swatch
from agsam_tune.report.material import Material, gather
from agsam_tune.report.own_best import own_best_note
from agsam_tune.report.sharpness import sharpness_table
from agsam_tune.report.svg import drawing, inline_svg, png_file, svg_file
from agsam_tune.study import Study

REPORT = "report.html"
FIGURES = "figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """One optimizer in a legend of the page."""

    name: str
    swatch: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A plate as the page shows it."""

    key: str
    caption: str
    columns: int
    legend: tuple[Legend, ...]
    svgs: tuple[Markup, ...]
    strip: Markup | None


def write_report(
    folder: Path,
    *,
    summary: Mapping[str, Any],
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    manifest: Mapping[str, Any],
    study: Study,
    surfaces: Surfaces | None = None,
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
    )
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    with drawing():
        made = all_plates(material)
        shown = {plate.key: _show(plate, material, figures) for plate in made}
    _remove_stale(figures, set(shown))
    replace_file(folder / REPORT, render(_context(material, shown)).encode())


def _remove_stale(figures: Path, keys: set[str]) -> None:
    """Removes figures of an earlier report that this one does not have; nothing of others."""
    for path in figures.iterdir():
        own = path.suffix in (".svg", ".png") and PLATE_KEY.fullmatch(path.stem)
        if own and path.stem not in keys:
            path.unlink()


def _show(plate: Plate, material: Material, figures: Path) -> Shown:
    """Writes the plate's files and returns what the page needs of it."""
    styles = tuple(material.styles.values()) if plate.legend else ()
    whole = together(plate.panels, columns=plate.columns, legend=styles, scale=plate.scale)
    replace_file(figures / f"{plate.key}.svg", svg_file(whole, plate.key))
    replace_file(figures / f"{plate.key}.png", png_file(whole))
    return Shown(
        key=plate.key,
        caption=plate.caption,
        columns=plate.columns,
        legend=_legend(material) if plate.legend else (),
        svgs=tuple(
            _inline(panel, f"{plate.key}-{place}") for place, panel in enumerate(plate.panels, 1)
        ),
        strip=_inline(plate.strip, f"{plate.key}-scale") if plate.strip else None,
    )


def _inline(panel: Panel, name: str) -> Markup:
    # matplotlib escapes the texts of an SVG, `inline_svg` its label: this is markup of our own.
    return Markup(inline_svg(alone(panel), name, label=panel.alt))  # noqa: S704


def _legend(material: Material) -> tuple[Legend, ...]:
    return tuple(
        Legend(name=shorten(name), swatch=swatch(style)) for name, style in material.styles.items()
    )


def _context(material: Material, shown: Mapping[str, Shown]) -> dict[str, Any]:
    """Everything the template names."""
    compared, compared_notes = tables.comparisons(material.summary)
    section = fixed.fixed_section(material)
    context: dict[str, Any] = {
        "title": material.study.name,
        "verdict": page.verdict(material),
        "facts": page.facts(material),
        "notices": page.notices(material),
        "claim_plate": shown.get("claim"),
        "fixed": section,
        "fixed_only": material.fixed_only,
        "fixed_plate": shown.get("fixed"),
        "accuracy_plates": [shown[key] for key in ("accuracy", "misset") if key in shown],
        "surface_plates": [one for key, one in shown.items() if key.startswith("surface")],
        "gap_plate": shown.get("gap"),
        "gap_missing": page.gap_missing(material),
        "estimates": tables.estimates(material.summary, material.optimizers, bare=material.bare),
        "own_best_note": own_best_note(material),
        "bare": [name for name in material.optimizers if name in material.bare],
        "comparisons": compared,
        "comparison_notes": compared_notes,
        "learning_plate": shown.get("learning"),
        "legend": _legend(material),
        "headline": tables.HEADLINE,
        "confidence": f"{100 * material.study.analysis.confidence:g} %",
        "phases": page.phases_table(material),
        "best": page.best_table(material),
        "sharpness": sharpness_table(material),
        "settings": page.settings_table(material),
        "spaces": page.spaces_table(material),
        "provenance": page.provenance_table(material),
        "glossary": page.GLOSSARY,
        "n_trials": text.count(len(material.trials)),
        "study_hash": str(material.manifest.get("study_hash") or material.study.hash),
    }
    return context | {"contents": _contents(context, material)}


def _contents(context: Mapping[str, Any], material: Material) -> list[tuple[str, str]]:
    """The sections that the page has, as (id, name)."""
    estimates = context["estimates"]
    sections = (
        ("settings", "Settings", context["fixed"]),
        ("accuracy", "Three lenses", context["accuracy_plates"]),
        ("surfaces", "Surfaces", context["surface_plates"]),
        ("gap", "The gap", context["gap_plate"] or context["gap_missing"]),
        ("estimates", "Estimates", estimates.groups or not material.fixed_only),
        ("comparisons", "Comparisons", context["comparisons"]),
        ("sharpness", "Sharpness", context["sharpness"]),
        ("learning", "Learning curves", True),
        ("protocol", "Protocol", True),
        ("reading", "How to read this", True),
    )
    return [(key, name) for key, name, there in sections if there]
