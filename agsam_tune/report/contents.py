"""Everything that the template of the page names, gathered from the run's material.

In: the `Material` and the plates as they are shown. Out: the template's context. Must not import
torch, Ray or Optuna.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from agsam_tune.report import fixed, page, protocol, sections, tables, text
from agsam_tune.report.glossary import GLOSSARY, LENSES, LENSES_WITHOUT_RHO
from agsam_tune.report.material import Material
from agsam_tune.report.own_best import own_best_note
from agsam_tune.report.sharpness import sharpness_table
from agsam_tune.report.shown import Shown, legend
from agsam_tune.report.tables import Linked
from agsam_tune.report.trial_links import ALL_TRIALS, Behind, chosen
from agsam_tune.report.trial_table import trials_json


def figure_trials(material: Material, links: Behind, key: str) -> Linked | None:
    """The trials that a figure shows, or None where that cannot be said."""
    trials = links.figure(key, material.main_phases)
    n = int(chosen(material.trials, trials, material.chance).sum()) if trials else 0
    if not n:
        return None
    return Linked(value=text.count(n), trials=trials, what="The trials behind this figure")


def page_context(material: Material, links: Behind, shown: Mapping[str, Shown]) -> dict[str, Any]:
    """Everything the template names; `links` are the selections of the run's numbers."""
    context = _head(material, links, shown)
    context |= _figures(material, links, shown) | _tables(material, links)
    return context | {"contents": _sections(context, material)}


def _head(material: Material, links: Behind, shown: Mapping[str, Shown]) -> dict[str, Any]:
    return {
        "title": material.study.name,
        "question": page.question(material),
        "done": page.done(material),
        "verdict": page.verdict(material, links),
        "changed": page.changed(material),
        "cast": page.cast(material),
        "lenses": LENSES if material.has_rho else LENSES_WITHOUT_RHO,
        "facts": page.facts(material),
        "notices": page.notices(material),
        "power": sections.power_section(material),
        "claim_plate": shown.get("claim"),
        "confidence": f"{100 * material.study.analysis.confidence:g} %",
    }


def _figures(material: Material, links: Behind, shown: Mapping[str, Shown]) -> dict[str, Any]:
    return {
        "fixed": fixed.fixed_section(material, links),
        "fixed_only": material.fixed_only,
        "fixed_plate": shown.get("fixed"),
        "accuracy_plates": [shown[key] for key in ("accuracy", "misset") if key in shown],
        "surface_plates": _surface_plates(shown),
        "surface_quality": sections.surface_quality(material),
        "gap_plate": shown.get("gap"),
        "gap_missing": page.gap_missing(material),
        "distribution_plates": [shown[key] for key in ("distribution", "tuning") if key in shown],
        "tuning": sections.tuning_table(material, links),
        "indices_plate": shown.get("indices"),
        "range_plate": shown.get("range"),
        "range": sections.range_section(material, links),
        "learning_plate": shown.get("learning"),
    }


def _surface_plates(shown: Mapping[str, Shown]) -> list[Shown]:
    """Each surface with its difference beside it."""
    numbers = sorted(
        {int(key.partition("-")[2]) for key in shown if key.startswith(("surface-", "difference-"))}
    )
    keys = itertools.product(numbers, ("surface", "difference"))
    return [shown[f"{kind}-{n}"] for n, kind in keys if f"{kind}-{n}" in shown]


def _tables(material: Material, links: Behind) -> dict[str, Any]:
    titles = sections.lens_titles(material)
    pairs, pair_notes = tables.comparisons(material.summary, titles=titles, behind=links.comparison)
    return {
        "estimates": tables.estimates(
            material.summary,
            material.optimizers,
            bare=material.bare,
            titles=titles,
            behind=links.estimate,
        ),
        "own_best_note": own_best_note(material),
        "bare": [name for name in material.optimizers if name in material.bare],
        "comparisons": pairs,
        "comparison_notes": pair_notes,
        "legend": legend(material.styles),
        "headline": tables.HEADLINE,
        "phases": protocol.phases_table(material),
        "best": protocol.best_table(material, links),
        "sharpness": sharpness_table(material),
        "settings": protocol.settings_table(material),
        "spaces": protocol.spaces_table(material),
        "provenance": protocol.provenance_table(material),
        "glossary": GLOSSARY,
        "n_trials": text.count(len(material.trials)),
        "all_trials": ALL_TRIALS,
        # JSON without any `<`, `>` or `&`: it cannot leave its element.
        "trials_json": Markup(trials_json(material.trials, material.chance)),  # noqa: S704
        "study_hash": str(material.manifest.get("study_hash") or material.study.hash),
    }


def _sections(context: Mapping[str, Any], material: Material) -> list[tuple[str, str]]:
    """The sections that the page has, as (id, name)."""
    estimates = context["estimates"]
    sections_ = (
        ("settings", "Settings", context["fixed"]),
        ("accuracy", "Three lenses", context["accuracy_plates"]),
        ("surfaces", "Surfaces", context["surface_plates"]),
        ("gap", "The gap", context["gap_plate"] or context["gap_missing"]),
        ("good", "Good settings", context["distribution_plates"] or context["tuning"]),
        ("indices", "What matters", context["indices_plate"]),
        ("range", "The box", context["range_plate"] or context["range"]),
        ("estimates", "Estimates", estimates.groups or not material.fixed_only),
        ("comparisons", "Comparisons", context["comparisons"]),
        ("sharpness", "Sharpness", context["sharpness"]),
        ("learning", "Learning curves", True),
        ("protocol", "Protocol", True),
        ("trials", "The trials", True),
        ("reading", "How to read this", True),
    )
    return [(key, name) for key, name, there in sections_ if there]
