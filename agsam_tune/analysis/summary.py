"""The whole analysis: a trials table in, `summary.json` out.

In: the trials table, the study, and two facts about the data. Out: a JSON-able dictionary without
NaN or infinity. Must not import torch, Ray or Optuna.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from agsam_tune.analysis import own_best_lens
from agsam_tune.analysis.best import Best, BestPoint
from agsam_tune.analysis.claim import claim
from agsam_tune.analysis.comparisons import compare, entries, same_settings
from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.distribution import distribution
from agsam_tune.analysis.estimate import to_leaf
from agsam_tune.analysis.fixed import fixed_contrasts, fixed_points, reference
from agsam_tune.analysis.gap import gap
from agsam_tune.analysis.leaf import Leaf, Unknown, finite, null
from agsam_tune.analysis.metrics import (
    BARE,
    Metrics,
    own_best_metrics,
    radius_fits,
    radius_metrics,
    rho_metrics,
)
from agsam_tune.analysis.power import power, power_sentence
from agsam_tune.analysis.profiles import gap_rows
from agsam_tune.analysis.range_curve import range_curve, range_sentence
from agsam_tune.analysis.rho_lens import NO_MAP
from agsam_tune.analysis.surface_metrics import surface_metrics
from agsam_tune.analysis.surfaces import Surfaces, fit_surfaces
from agsam_tune.analysis.tuning_curve import tuning_curve
from agsam_tune.study import Study

__all__ = ["analyse", "lens_summary", "summarise"]

_CURVE_POSITIONS = 25
NO_PAIR = "the study names no candidate and baseline"


def analyse(trials: pd.DataFrame, study: Study, *, chance: float, test_size: int) -> dict[str, Any]:
    """Every estimate of the report (docs/design.md, Estimates).

    Args:
        trials: the trials table, one row a trial.
        study: what was run.
        chance: the largest class's share of the test split, in [0, 1].
        test_size: examples in the test split; 0 where it is not known.

    Returns:
        the content of `summary.json`. A leaf is `{"value", "low", "high", "n", "method"}` or
        `{"value": null, "reason"}`; accuracies are fractions; every metric has its key for every
        optimizer.

    Raises:
        ValueError: if a column is missing or a trial's key comes twice.
    """
    context = make_context(trials, study, chance=chance)
    return summarise(context, fit_surfaces(context), test_size=test_size)


def summarise(context: Context, surfaces: Surfaces, *, test_size: int) -> dict[str, Any]:
    """What `analyse` returns, from what a report shows besides."""
    study = context.study
    summary = lens_summary(context, test_size=test_size)
    shares = surface_metrics(context, surfaces)
    for name, own in summary["optimizers"].items():
        own["metrics"]["rho"] |= shares[name]
        own["metrics"]["own_best"]["tuning_curve"] = tuning_curve(context, name)
        own["surface"] = dict(surfaces.quality[name])
        own["distribution"] = distribution(context, name)
    rows, found = range_curve(context, summary["comparisons"]), power(context)
    return summary | {
        "range_curve": rows,
        "range_sentence": range_sentence(rows, study.candidate or "", study.baseline or ""),
        "power": found,
        "power_sentence": power_sentence(found),
    }


def lens_summary(context: Context, *, test_size: int) -> dict[str, Any]:
    """What the verdict rests on: the three lenses, comparisons, the gap and the claim."""
    study = context.study
    points = context.best_points
    comparisons = [*compare(context), *_fixed_comparisons(context)]
    optimizers: dict[str, dict[str, Any]] = {
        name: {
            "best_point": _point(points.get(name)),
            "metrics": _metrics(context, name),
            "points": fixed_points(context, name),
        }
        for name in study.optimizers
    }
    split = _gap(context)
    return {
        "study": study.name,
        "task": study.task,
        "n_trials": context.table.n_trials,
        "n_diverged": context.table.n_diverged,
        "n_failed": context.table.n_failed,
        "n_raised": context.table.n_raised,
        "chance": float(context.chance),
        "test_error": _test_error(context, test_size),
        "confidence": study.analysis.confidence,
        "margin": study.analysis.margin,
        "rho_box": {name: list(box) for name, box in context.shared_box.items()},
        "optimizers": optimizers,
        "comparisons": comparisons,
        "gap": split,
        "reference": reference(context),
        "claim": claim(
            comparisons,
            study.candidate,
            study.baseline,
            gap=split["mean_accuracy"],
            best={
                name: own["metrics"]["own_best"]["best_accuracy"]
                for name, own in optimizers.items()
            },
        ),
    }


def _metrics(context: Context, optimizer: str) -> dict[str, dict[str, Leaf]]:
    confidence = context.study.analysis.confidence
    rho = rho_metrics(
        context, optimizer, context.map_cells(optimizer), _rho_opponent(context, optimizer)
    )
    misset = context.table.get(optimizer, "misset")
    own_best = own_best_metrics(context, optimizer, misset, _misset_opponent(context, optimizer))
    radius = _radius(context, optimizer)
    lenses = {
        lens: {key: to_leaf(estimate, confidence) for key, estimate in metrics.items()}
        for lens, metrics in (("rho", rho), ("own_best", own_best), ("radius", radius))
    }
    lenses["own_best"]["tolerance_decades"] = _decades(context, optimizer)
    return lenses


def _gap(context: Context) -> dict[str, Any]:
    """The gap's parts, and under "curve" the same along rho."""
    rows = gap_rows(context, _CURVE_POSITIONS)
    found = gap(context)
    for metric, parts in found.items():
        own = [row for row in rows if row["metric"] == metric]
        parts["curve"] = [_json_row(row) for row in own]
    return found


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: finite(row[key]) for key in ("rho", "difference", "low", "high")}
    return {"part": row["part"], **numbers, "n": row["n"]}


def _rho_opponent(context: Context, optimizer: str) -> Any:
    baseline = _opponent(context, optimizer)
    if isinstance(baseline, Unknown):
        return baseline
    if not same_settings(context, optimizer, baseline):
        return Unknown(
            reason="its ranges differ from the baseline's: points are not the same settings"
        )
    return context.map_cells(baseline) or Unknown(reason=NO_MAP)


def _misset_opponent(context: Context, optimizer: str) -> Any:
    baseline = _opponent(context, optimizer)
    if isinstance(baseline, Unknown):
        return baseline
    return context.table.get(baseline, "misset") or Unknown(reason=own_best_lens.NO_MISSET)


def _opponent(context: Context, optimizer: str) -> str | Unknown:
    baseline = context.study.baseline
    if baseline is None:
        return Unknown(reason=NO_PAIR)
    if optimizer == baseline:
        return Unknown(reason="it is the baseline that the others are compared with")
    return baseline


def _radius(context: Context, optimizer: str) -> Metrics:
    """On the window shared with the baseline; the baseline's is shared with the candidate."""
    study = context.study
    if study.baseline is None or study.candidate is None:
        return radius_metrics(context, Unknown(reason=NO_PAIR))
    other = study.candidate if optimizer == study.baseline else study.baseline
    if context.is_bare(optimizer):
        return radius_metrics(context, BARE)
    return radius_metrics(context, radius_fits(context, optimizer, other)[0])


def _decades(context: Context, optimizer: str) -> Leaf:
    if context.is_bare(optimizer):
        return null(BARE.reason)
    if "rho" not in context.study.search_spaces[optimizer].names:
        return null("the optimizer has no rho")
    cells = context.table.get(optimizer, "misset")
    return own_best_lens.tolerance_decades(
        cells, context.layout, context.chance, confidence=context.study.analysis.confidence
    )


def _fixed_comparisons(context: Context) -> list[dict[str, Any]]:
    study = context.study
    if study.candidate is None or study.baseline is None:
        return []
    pairs = [(study.candidate, study.baseline)]
    if study.control is not None:
        pairs += [(study.candidate, study.control), (study.control, study.baseline)]
    rows: list[dict[str, Any]] = []
    for one, other in pairs:
        rows += entries(fixed_contrasts(context, one, other), one, other, context)
    return rows


def _point(point: BestPoint | None) -> Mapping[str, Any] | Leaf:
    if point is None:
        return null("no finished trial of map or tune on an even seed")
    return {
        "phase": point.phase,
        "point": point.point,
        "hyperparameters": dict(point.hyperparameters),
        "val_accuracy": point.val_accuracy,
    }


def _test_error(context: Context, test_size: int) -> float | None:
    """The binomial standard error of the best accuracy on this test split."""
    known = [best.value for best in context.best.values() if isinstance(best, Best)]
    for (_, phase), cells in context.table.cells.items():
        if phase == "fixed":
            known.append(float(np.nanmax(np.nanmean(cells.accuracy_PS, axis=1))))
    if not known or test_size < 1:
        return None
    share = float(np.clip(max(known), 0.0, 1.0))
    return float(np.sqrt(share * (1 - share) / test_size))
