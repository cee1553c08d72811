"""Writes the report on several tasks together: figures as files, and one page with them inside.

In: the comparison's summary. Out: `report.html` and `figures/` in its folder, each file replaced
whole. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agsam_tune.atomic import replace_file
from agsam_tune.report import across_tables
from agsam_tune.report.across_figures import across_plates
from agsam_tune.report.html import render
from agsam_tune.report.shown import Shown, show_plate
from agsam_tune.report.style import OptimizerStyle, optimizer_styles
from agsam_tune.report.svg import drawing

__all__ = ["write_comparison"]

#: The names of all figures that a comparison may have.
KEYS = ("differences", "plane", "tuning")

_WORDS = {
    "supported": "Supported on average",
    "contradicted": "Contradicted on average",
    "mixed": "Mixed on average",
    "undecided": "Undecided on average",
}


def write_comparison(folder: Path, summary: Mapping[str, Any]) -> None:
    """Writes `report.html` and `figures/*.svg`, `figures/*.png` into the comparison's folder.

    Args:
        folder: where to write; made if it does not exist.
        summary: what `agsam_tune.analysis.across.compare_tasks` says.

    The same summary gives the same bytes.

    Raises:
        OSError: if the folder cannot be written to.
    """
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    styles = _styles(summary)
    with drawing():
        shown = {
            plate.key: show_plate(plate, styles, figures)
            for plate in across_plates(summary, styles)
        }
    for key in KEYS:
        if key not in shown:
            for ending in ("svg", "png"):
                (figures / f"{key}.{ending}").unlink(missing_ok=True)
    page = render(_context(summary, shown), template="across.html.j2")
    replace_file(folder / "report.html", page.encode())


def _styles(summary: Mapping[str, Any]) -> dict[str, OptimizerStyle]:
    """As in the tasks' own reports: the roles decide, then the order."""
    names = dict.fromkeys(name for task in summary["tasks"] for name in task["optimizers"])
    return optimizer_styles(
        tuple(names),
        candidate=summary["candidate"],
        baseline=summary["baseline"],
        control=summary["control"],
    )


def _context(summary: Mapping[str, Any], shown: Mapping[str, Shown]) -> dict[str, Any]:
    """Everything the template names."""
    claim = summary["claim"]
    has_claim = summary["candidate"] is not None
    return {
        "title": across_tables.title(summary),
        "text": claim["text"],
        "key": claim["verdict"] if has_claim else "none",
        "word": _WORDS[claim["verdict"]] if has_claim else "No claim",
        "because": claim["because"],
        "facts": across_tables.facts(summary),
        "confidence": f"{100 * summary['confidence']:g} %",
        "verdicts": across_tables.verdicts_grid(summary),
        "performance": across_tables.performance_grid(summary),
        "tuning": across_tables.tuning_grid(summary),
        "worth": across_tables.worth_grid(summary),
        "glossary": across_tables.GLOSSARY,
        **{f"{key}_plate": shown.get(key) for key in KEYS},
    }
