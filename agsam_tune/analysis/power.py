"""The smallest difference that a study could have found, for what its claim rests on.

In: a `Context`. Out: `summary.json`'s `power`, and a sentence on it. Must not import torch, Ray or
Optuna.

"No difference found" says little where only a large one could have been found. With an error of
standard deviation s on d degrees of freedom a true difference of (t_{1-p/2} + t_{power}) s is
found, at significance p, with about that power (H. Bloom, "Minimum detectable effects", Evaluation
Review 19, 1995). The error here is a sum of independent parts, whose quantiles are joined as those
of the intervals are (`intervals.py`): the smallest difference is the half width at the study's
confidence plus the half width at confidence 2 power - 1, which errors in one direction exceed with
probability 1 - power. Intervals that more than cover make it a little too large: the study would
then find such a difference more often than it promises.

It is that of one comparison, before Holm's correction within its lens. It is estimated from the
same trials: with few replicates and seeds it is as uncertain as a standard deviation on so few
degrees of freedom.
"""

from collections.abc import Mapping
from typing import Any

from agsam_tune.analysis.comparisons import contrasts
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import Estimate
from agsam_tune.analysis.intervals import half_width
from agsam_tune.analysis.leaf import Unknown, null
from agsam_tune.words import percentage_points

__all__ = ["POWER", "power", "power_sentence"]

#: The usual probability with which a study should find what it looks for.
POWER = 0.8

_METRIC = "regret_sensitivity"

_WHERE = {
    "rho": "at the same settings",
    "own_best": "around each one's own best",
    "radius": "at the same measured radius",
}


def power(context: Context) -> dict[str, dict[str, Any]]:
    """For each lens the smallest difference in `regret_sensitivity` that would have been found.

    Returns:
        lens -> "metric", "smallest_difference" (fraction), "power" (0.8), "half_width" (of the
        interval), "margin" (the study's), "half_width_in_margins", "can_show_equivalence" (whether
        the half width is below the margin, so that an interval can lie inside +- it) and "method";
        or null with the reason. Empty without a candidate and a baseline.
    """
    study = context.study
    if study.candidate is None or study.baseline is None:
        return {}
    return {
        contrast.lens: _of(contrast.estimate, study.analysis.confidence, study.analysis.margin)
        for contrast in contrasts(context, study.candidate, study.baseline)
        if contrast.metric == _METRIC
    }


def _of(estimate: Estimate | Unknown, confidence: float, margin: float) -> dict[str, Any]:
    if isinstance(estimate, Unknown):
        return null(estimate.reason)
    parts = estimate.components(confidence)
    if isinstance(parts, Unknown):
        return null(parts.reason)
    half = half_width(parts, confidence)
    return {
        "metric": _METRIC,
        "smallest_difference": half + half_width(parts, 2 * POWER - 1),
        "power": POWER,
        "half_width": half,
        "margin": margin,
        "half_width_in_margins": half / margin,
        "can_show_equivalence": half < margin,
        "method": estimate.method,
    }


def power_sentence(found: Mapping[str, Mapping[str, Any]]) -> str:
    """In plain words what could have been found, and where equivalence could have been shown.

    Args:
        found: what `power` returns, or the same read from `summary.json`.

    Returns:
        one or two sentences; "" where nothing is known of any lens.
    """
    known = {lens: own for lens, own in found.items() if "smallest_difference" in own}
    if not known:
        return ""
    least = [
        f"{percentage_points(own['smallest_difference'])} {_WHERE[lens]}"
        for lens, own in known.items()
    ]
    first = next(iter(known.values()))
    text = (
        f"With a probability of {100 * first['power']:.0f} % this study would have found a "
        f"difference in lost accuracy of {_and(least)}."
    )
    margin = f"the margin of {percentage_points(first['margin'])}"
    able = [_WHERE[lens] for lens, own in known.items() if own["can_show_equivalence"]]
    if len(able) == len(known):
        return f"{text} Its intervals are narrow enough to show differences below {margin}."
    if able:
        return f"{text} It could have shown the two to be equal within {margin} only {_and(able)}."
    return f"{text} Nowhere are its intervals narrow enough to show the two equal within {margin}."


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
