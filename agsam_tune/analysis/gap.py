"""The gap between candidate and baseline, split by the control, as numbers and over rho.

In: a `Context`. Out: `summary.json`'s `gap`. Must not import torch, Ray or Optuna.

The control has the baseline's direction with the candidate's length of step: what it differs from
the baseline in is the unit of rho, and what the candidate differs from it in is the direction. So
on the points that all three have, total = candidate - baseline = direction_part + unit_part.
"""

from typing import Any

from agsam_tune.analysis import rho_lens
from agsam_tune.analysis.comparisons import DIFFERENT_BOXES, common_cells, same_settings
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import Estimate, difference, to_leaf
from agsam_tune.analysis.leaf import Unknown, null

__all__ = ["PARTS", "gap", "part_pairs"]

METRICS = ("mean_accuracy", "regret_sensitivity")
PARTS = ("total", "unit_part", "direction_part")


def part_pairs(candidate: str, baseline: str, control: str) -> dict[str, tuple[str, str]]:
    """Each part of the gap as the pair whose difference it is."""
    return {
        "total": (candidate, baseline),
        "unit_part": (control, baseline),
        "direction_part": (candidate, control),
    }


def gap(context: Context) -> dict[str, Any]:
    """The two metrics' gaps, each with its three parts as leaves."""
    study = context.study
    estimates = _estimates(context)
    if isinstance(estimates, Unknown):
        return {metric: dict.fromkeys(PARTS, null(estimates.reason)) for metric in METRICS}
    pairs = part_pairs(str(study.candidate), str(study.baseline), str(study.control))
    return {
        metric: {
            part: to_leaf(
                difference(estimates[one, metric], estimates[other, metric]),
                study.analysis.confidence,
            )
            for part, (one, other) in pairs.items()
        }
        for metric in METRICS
    }


def gap_reason(context: Context) -> Unknown | None:
    """Why there is no gap to split, if so."""
    study = context.study
    if study.candidate is None or study.baseline is None:
        return Unknown(reason="the study names no candidate and baseline")
    if study.control is None:
        return Unknown(reason="the study names no control")
    if study.phase("map") is None:
        return Unknown(reason="the study has no map phase")
    pairs = ((study.candidate, study.baseline), (study.control, study.baseline))
    if not all(same_settings(context, *pair) for pair in pairs):
        return DIFFERENT_BOXES
    return None


def _estimates(context: Context) -> dict[tuple[str, str], Estimate | Unknown] | Unknown:
    reason = gap_reason(context)
    if reason is not None:
        return reason
    study = context.study
    trio = (str(study.candidate), str(study.baseline), str(study.control))
    cells = common_cells([context.map_cells(name) for name in trio])
    found: dict[tuple[str, str], Estimate | Unknown] = {}
    for name, own in zip(trio, cells, strict=True):
        mean = rho_lens.mean_accuracy(own, context.chance)
        found[name, "mean_accuracy"] = mean
        found[name, "regret_sensitivity"] = rho_lens.regret(mean, context.best[name])
    return found
