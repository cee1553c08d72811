"""The page of a study: which sections there are, and what is in them.

In: the `Material` and the figures as they are drawn. Out: a `Page`. Must not import torch, Ray,
Optuna or matplotlib.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pandas as pd

from agsam_tune.report import lens_tables, more_tables, protocol, text
from agsam_tune.report.blocks import (
    Badge,
    Block,
    Cell,
    Figure,
    Number,
    Page,
    Prose,
    Section,
    Table,
    section,
    table,
)
from agsam_tune.report.figures.plates import CURVES_OF_LENS, curves_of
from agsam_tune.report.links import ALL_TRIALS, selection
from agsam_tune.report.material import Material
from agsam_tune.report.sharpness import sharpness_table
from agsam_tune.study import analysis_changes_text

__all__ = ["page_of"]

_MOST_REASONS, _LONGEST_REASON = 5, 300

Figures = Mapping[str, Figure]
"""Figures by their keys."""


def page_of(material: Material, figures: Figures) -> Page:
    """The page; the same record and figures give the same page."""
    summary = material.summary
    made = [
        section(
            "lenses",
            "The lenses",
            [
                figures.get("verdict"),
                lens_tables.verdicts_table(material),
                lens_tables.needed_table(material),
            ],
        ),
        section(
            "design",
            "The design",
            [more_tables.design_table(material), more_tables.counts_table(material)],
        ),
        *(_lens(material, figures, lens) for lens in text.LENSES),
        section("gap", "The gap", [figures.get("gap"), more_tables.gap_table(material)]),
        section(
            "surfaces",
            "Surfaces",
            [*_numbered(figures, "surface"), more_tables.surfaces_table(material)],
        ),
        section(
            "importance",
            "What matters",
            [*_importances(material), more_tables.effective_table(material)],
        ),
        section("tuning", "Tuning", [figures.get("tuning"), more_tables.tuning_table(material)]),
        section("published", "Published numbers", [more_tables.published_table(material)]),
        section("sharpness", "Sharpness", [sharpness_table(material)]),
        section("learning", "Learning curves", [figures.get("learning")]),
        section(
            "protocol",
            "Protocol",
            [
                protocol.phases_table(material),
                protocol.settings_table(material),
                protocol.spaces_table(material),
                protocol.provenance_table(material),
            ],
        ),
        section("trials", "The trials", _trials(material)),
    ]
    verdict = summary.claim.verdict
    return Page(
        title=summary.study,
        subtitle="hyperparameter robustness study",
        badge=Badge(key=verdict, words=text.VERDICTS[verdict]),
        # The badge says the verdict.
        headline=summary.claim.text.removeprefix(f"{text.VERDICTS[verdict]}: "),
        because=tuple(summary.claim.because),
        notices=tuple(_notices(material)),
        sections=tuple(one for one in made if one is not None),
        footer=(
            f"Made by agsam-tune from {text.count(len(material.trials))} trials. Every number is "
            "in summary.json, every trial in trials.parquet, the figures in figures/."
        ),
    )


def _lens(material: Material, figures: Figures, lens: str) -> Section | None:
    """One lens: its curves, the optimizers' numbers, and the comparisons besides."""
    kinds = CURVES_OF_LENS.get(lens, ())
    curves = curves_of(material, kinds)
    blocks: list[Block | None] = [figures.get(f"curve-{kind}") for kind in kinds]
    if lens == "around_best":
        blocks.append(lens_tables.own_best_table(material))
    if lens == "fixed":
        blocks.append(lens_tables.fixed_table(material))
    blocks += [
        lens_tables.metrics_table(material, lens),
        lens_tables.other_comparisons_table(material, lens),
        lens_tables.windows_table(curves),
        *lens_tables.curve_folds(material, curves),
    ]
    return section(lens.replace("_", "-"), text.LENSES[lens], blocks)


def _importances(material: Material) -> Iterator[Block]:
    """The shares in each sense, and why the senses differ."""
    made = more_tables.importance_table(material)
    if made is not None:
        yield from (made, Prose(lines=(text.WHY_METHODS_DIFFER,)))


def _numbered(figures: Figures, kind: str) -> list[Figure]:
    keys = sorted(
        (key for key in figures if key.startswith(f"{kind}-")),
        key=lambda key: int(key.rpartition("-")[2]),
    )
    return [figures[key] for key in keys]


def _trials(material: Material) -> Iterator[Prose | Table | None]:
    yield Prose(
        lines=(
            "A number with a dotted line under it leads to the trials that it was computed from. "
            "In a browser that runs no scripts the links end here, and the trials are in "
            "trials.parquet beside this page, one row each.",
        )
    )
    trials = material.trials
    of_phase = trials["phase"].value_counts(sort=False)
    rows: list[tuple[Cell, ...]] = [
        (str(phase), _number(int(n), selection({"phase": phase}), f"Trials of phase {phase}"))
        for phase, n in of_phase.items()
    ]
    rows.append(("all", _number(len(trials), ALL_TRIALS, "All trials")))
    yield table("Trials by phase", ("phase", "trials"), rows)


def _number(n: int, behind: str, what: str) -> Number:
    return Number(value=text.count(n), trials=behind if n else "", what=what)


def _notices(material: Material) -> Iterator[str]:
    """What a reader must know besides; nothing is left out silently."""
    summary = material.summary
    if summary.changed:
        changes = [change.model_dump() for change in summary.changed]
        yield f"Analysed with other settings than the run's: {analysis_changes_text(changes)}."
    yield from summary.notes
    yield from (str(note) for note in material.imported.get("notes", ()))
    raised = material.trials[material.trials["state"] != "COMPLETE"]
    if len(raised):
        names = ", ".join(sorted(set(raised["optimizer"])))
        n, verb = text.counted(len(raised), "trial"), "is" if len(raised) == 1 else "are"
        yield f"{n} raised an error and {verb} in no estimate ({names})."
        yield from _reasons(raised)
    if material.manifest.get("foreign_code"):
        yield "The task or an optimizer comes from code that is not part of agsam-tune."


def _reasons(raised: pd.DataFrame) -> Iterator[str]:
    """What failed trials raised: each message once, with how often, the most frequent first."""
    if "error" not in raised:  # a table from before there was the column
        return
    lines = [" ".join(str(error).split()) for error in raised["error"]]
    counts = Counter(line for line in lines if line).most_common()
    yield from (f"{text.count(n)} × {_quoted(line)}" for line, n in counts[:_MOST_REASONS])
    if rest := counts[_MOST_REASONS:]:
        n = sum(n for _, n in rest)
        words = "another message" if len(rest) == 1 else f"{text.count(len(rest))} other messages"
        yield f"{text.count(n)} × {words}, in the column error of the trials."


def _quoted(line: str) -> str:
    """What somebody's code said, without control characters, and not longer than a few lines."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return shown if len(shown) <= _LONGEST_REASON else f"{shown[:_LONGEST_REASON]}…"
