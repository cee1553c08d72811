"""Candidate minus baseline in every metric and lens, with p-values and verdicts.

In: a `Context`. Out: the entries of `summary.json`'s `comparisons`. Must not import torch, Ray or
Optuna.

Both optimizers have the same points, seeds, initial weights and batches, so the difference is
taken within replicates (or draws) and seeds; cells that only one of them has are left out. Only
the metrics named here are tested, for each one costs power: p-values are corrected within a lens
after Holm. Intervals are not corrected.

The verdict, in this order:

1. `equivalent`, where the interval lies inside +- the study's margin: a difference that is real
   but smaller than the margin is of no practical importance (the usual reading of equivalence and
   non-inferiority designs; for tuning, J. Weerts et al., 2020). Only for metrics in units of
   accuracy, which the margin is in; shares and probabilities can be won but not be equivalent;
2. `candidate` or `baseline`, where Holm's p-value is below 1 - confidence, by the metric's good
   direction;
3. `undecided`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis import own_best_lens
from agsam_tune.analysis.context import Context, held
from agsam_tune.analysis.estimate import Estimate, difference
from agsam_tune.analysis.intervals import half_width, holm, p_value
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.metrics import (
    best_accuracy_estimate,
    doubled_win,
    radius_fits,
    radius_metrics,
    rho_metrics,
)
from agsam_tune.analysis.table import Cells
from agsam_tune.study import AnalysisSettings

__all__ = [
    "Contrast",
    "common_cells",
    "compare",
    "contrasts",
    "entries",
    "entry_of",
    "judged",
    "same_settings",
]

#: Metrics of which less is better.
LESS_IS_BETTER = ("regret", "failure_rate", "misset_penalty", "loss")

#: Metrics in units of accuracy, which the margin of equivalence is in.
IN_ACCURACY = ("regret", "mean_accuracy", "best_accuracy", "misset_penalty", "accuracy")

#: Not tested: the same difference as that of `mean_accuracy`.
NOT_TESTED = ("regret_common_best",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One difference that is tested, or why it is not known."""

    lens: str
    metric: str
    estimate: Estimate | Unknown
    labels: Mapping[str, object]


def compare(context: Context) -> list[dict[str, Any]]:
    """All entries for the study's candidate and baseline; none where it names no pair."""
    study = context.study
    if study.candidate is None or study.baseline is None:
        return []
    found = contrasts(context, study.candidate, study.baseline)
    return entries(found, study.candidate, study.baseline, context)


@held
def contrasts(context: Context, candidate: str, baseline: str) -> tuple[Contrast, ...]:
    """The differences of two optimizers in the rho, own_best and radius lens."""
    phases = {phase.name for phase in context.study.phases}
    found: list[Contrast] = []
    if "map" in phases:
        found += _rho(context, candidate, baseline)
    if "map" in phases or "misset" in phases:
        found += _own_best(context, candidate, baseline)
    if "map" in phases:
        found += _radius(context, candidate, baseline)
    return tuple(found)


def entries(
    found: Sequence[Contrast], candidate: str, baseline: str, context: Context
) -> list[dict[str, Any]]:
    """Contrasts as JSON-able entries, with Holm's correction within each lens."""
    settings = context.study.analysis
    rows = [entry_of(contrast, candidate, baseline, settings.confidence) for contrast in found]
    return judged(rows, "lens", settings)


def judged(
    rows: list[dict[str, Any]], within: str, settings: AnalysisSettings
) -> list[dict[str, Any]]:
    """The rows with p-values Holm-corrected among those alike in `within`, and verdicts."""
    for group in dict.fromkeys(row[within] for row in rows):
        known = [r for r in rows if r[within] == group and r["p_value"] is not None]
        adjusted = holm([row["p_value"] for row in known])
        for row, p in zip(known, adjusted, strict=True):
            row["p_value"] = p
    for row in rows:
        row["verdict"] = _verdict(row, settings.margin, settings.confidence)
    return rows


def same_settings(context: Context, one: str, other: str) -> bool:
    """Whether the same point means the same value of every hyperparameter that both have.

    That is so where the ranges are the same and, for trials that were made elsewhere, where the
    values at the points that both have finished are.
    """
    ours, theirs = (context.study.search_spaces[name].ranges for name in (one, other))
    shared = [name for name in ours if name in theirs]
    same_ranges = all(
        (ours[name].low, ours[name].high, ours[name].log)
        == (theirs[name].low, theirs[name].high, theirs[name].log)
        for name in shared
    )
    cells = [context.table.get(name, "map") for name in (one, other)]
    if not same_ranges or cells[0] is None or cells[1] is None:
        return same_ranges
    pairs = [(cells[0].settings[name], cells[1].settings[name]) for name in shared]
    return all(_agree(a, b) for a, b in pairs if a.shape == b.shape)


def _agree(a_P: NDArray[np.float64], b_P: NDArray[np.float64]) -> bool:
    both = np.isfinite(a_P) & np.isfinite(b_P)
    return bool(np.allclose(a_P[both], b_P[both], rtol=1e-9, atol=0.0))


def common_cells(cells: Sequence[Cells | None]) -> list[Cells | None]:
    """The same tables without the cells that one of them lacks."""
    present = [c.present_PS for c in cells if c is not None]
    if len(present) < len(cells) or len({p.shape for p in present}) > 1:
        return list(cells)
    both = present[0].copy()
    for other in present[1:]:
        both &= other
    return [c if c is None else c.only(both) for c in cells]


DIFFERENT_BOXES = Unknown(
    reason="the ranges of the hyperparameters differ: a point is not the same setting for both"
)


def _rho(context: Context, candidate: str, baseline: str) -> list[Contrast]:
    cells: list[Cells | None] = [context.map_cells(name) for name in (candidate, baseline)]
    paired = same_settings(context, candidate, baseline)
    if paired:
        cells = common_cells(cells)
    opponent = cells[1] if paired else DIFFERENT_BOXES
    ours = rho_metrics(context, candidate, cells[0], opponent)
    theirs = rho_metrics(context, baseline, cells[1], Unknown(reason="the baseline itself"))
    return [
        Contrast(
            lens="rho",
            metric=metric,
            estimate=doubled_win(ours[metric])
            if metric == "win_probability"
            else difference(ours[metric], theirs[metric]),
            labels={},
        )
        for metric in ours
        if metric not in NOT_TESTED
    ]


def _own_best(context: Context, candidate: str, baseline: str) -> list[Contrast]:
    best = difference(
        best_accuracy_estimate(context, candidate), best_accuracy_estimate(context, baseline)
    )
    cells = common_cells([context.table.get(name, "misset") for name in (candidate, baseline)])
    layout, chance = context.layout, context.chance
    ours, theirs = (context.choices.get(name) for name in (candidate, baseline))
    regret = difference(
        own_best_lens.regret(cells[0], layout, chance, choices=ours),
        own_best_lens.regret(cells[1], layout, chance, choices=theirs),
    )
    both = None if ours is None or theirs is None else (ours, theirs)
    win = doubled_win(own_best_lens.win_probability(cells[0], cells[1], layout, both))
    found = {"best_accuracy": best, "regret_sensitivity": regret, "win_probability": win}
    return [
        Contrast(lens="own_best", metric=metric, estimate=estimate, labels={})
        for metric, estimate in found.items()
    ]


def _radius(context: Context, candidate: str, baseline: str) -> list[Contrast]:
    fits = radius_fits(context, candidate, baseline)
    ours, theirs = (radius_metrics(context, fit) for fit in fits)
    return [
        Contrast(
            lens="radius",
            metric=metric,
            estimate=difference(ours[metric], theirs[metric]),
            labels={},
        )
        for metric in ours
    ]


def entry_of(
    contrast: Contrast, candidate: str, baseline: str, confidence: float
) -> dict[str, Any]:
    """A contrast with its interval and uncorrected p-value, or with the reason for none."""
    row: dict[str, Any] = {
        "candidate": candidate,
        "baseline": baseline,
        "lens": contrast.lens,
        "metric": contrast.metric,
        "difference": None,
        "low": None,
        "high": None,
        "p_value": None,
        "verdict": "undecided",
        **contrast.labels,
    }
    estimate = contrast.estimate
    parts = estimate if isinstance(estimate, Unknown) else estimate.components(confidence)
    if isinstance(estimate, Unknown) or isinstance(parts, Unknown):
        return row | {"reason": parts.reason if isinstance(parts, Unknown) else ""}
    half = half_width(parts, confidence)
    return row | {
        "difference": estimate.value,
        "low": max(estimate.value - half, min(estimate.low, estimate.value)),
        "high": min(estimate.value + half, max(estimate.high, estimate.value)),
        "p_value": p_value(parts, estimate.value),
        "n": estimate.n,
        "method": estimate.method,
    }


def _verdict(row: Mapping[str, Any], margin: float, confidence: float) -> str:
    if row["p_value"] is None:
        return "undecided"
    if row["metric"].startswith(IN_ACCURACY) and -margin < row["low"] and row["high"] < margin:
        return "equivalent"
    if row["p_value"] >= 1.0 - confidence:
        return "undecided"
    less = row["metric"].startswith(LESS_IS_BETTER)
    return "candidate" if (row["difference"] < 0) == less else "baseline"
