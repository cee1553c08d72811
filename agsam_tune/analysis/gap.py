"""The gap between candidate and baseline at the same settings, split by the control.

In: `Data`. Out: rows of the record's `gap`, and how long the control's steps were. Must not
import torch, Ray or Optuna.

The control has the baseline's direction with the candidate's length of step: what it differs from
the baseline in is the unit of the key, and what the candidate differs from it in is the
direction. So on the points of the map that all three have, total = direction_part + unit_part.
The regret is from what each one's own map offers, chosen by validation score in each replicate:
the control has no phase `key`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agsam_tune.analysis.claim import Wording
from agsam_tune.analysis.data import Data
from agsam_tune.analysis.lenses.estimates import Estimate, mean_estimate
from agsam_tune.analysis.measured import mean_of
from agsam_tune.analysis.own_best import own_bests
from agsam_tune.analysis.pairing import common_data
from agsam_tune.analysis.quantities import Quantity, comparison
from agsam_tune.analysis.record import Comparison

__all__ = ["gap_note", "gap_rows", "gap_sentence"]


def gap_rows(data: Data) -> list[Comparison]:
    """total, unit_part and direction_part of `mean_score` and `regret`; [] without a control."""
    names = _three(data)
    if names is None:
        return []
    common = common_data(data, names, ("map",))
    if any(common.get(name, "map") is None for name in names):
        return []
    candidate, baseline, control = names
    parts = {
        "total": (candidate, baseline),
        "unit_part": (control, baseline),
        "direction_part": (candidate, control),
    }
    rows = []
    for metric in ("mean_score", "regret"):
        own = {name: _quantity(common, name, metric) for name in names}
        for part, (one, other) in parts.items():
            first, second = own[one], own[other]
            if first is None or second is None:
                continue
            row = comparison(
                first,
                second,
                (one, other),
                paired=True,
                confidence=data.study.analysis.confidence,
                metric=f"{metric}.{part}",
            )
            rows.append(row)
    return rows


def gap_note(data: Data) -> str | None:
    """How long the control's steps were beside the candidate's, where both are known.

    It takes the candidate's length along its own trajectory, so the lengths differ.
    """
    names = _three(data)
    if names is None:
        return None
    candidate, _, control = names
    common = common_data(data, names, ("map",))
    ours, theirs = common.get(control, "map"), common.get(candidate, "map")
    if ours is None or theirs is None:
        return None
    known_N = (ours.radius_N > 0) & (theirs.radius_N > 0)
    if not known_N.any():
        return None
    ratio_N = ours.radius_N[known_N] / theirs.radius_N[known_N]
    low, middle, high = np.quantile(ratio_N, (0.05, 0.5, 0.95))
    return (
        f"On the same points of the map the steps of {control} measure {middle:.2g} times those "
        f"of {candidate} in the middle, {low:.2g} to {high:.2g} times in nine of ten."
    )


def gap_sentence(rows: Sequence[Comparison], wording: Wording) -> str | None:
    """How much of the difference at the same settings is the unit of the key."""
    parts = {row.metric: row for row in rows}
    total = parts.get("mean_score.total")
    if total is None or total.estimate is None:
        return None
    unit, direction = (parts[f"mean_score.{part}"] for part in ("unit_part", "direction_part"))
    points = " points" if wording.points else ""
    return (
        f"Of {wording.signed(total.estimate)}{points} of mean score between them at the same "
        f"settings ({total.candidate} − {total.baseline}) {_with_interval(unit, wording)} are the "
        f"unit of the key and {_with_interval(direction, wording)} the direction of the step."
    )


def _with_interval(row: Comparison, wording: Wording) -> str:
    value = wording.signed(row.estimate or 0.0)
    if row.low is None or row.high is None:
        return value
    return f"{value} ({wording.signed(row.low)} to {wording.signed(row.high)})"


def _three(data: Data) -> tuple[str, str, str] | None:
    study = data.study
    if study.candidate is None or study.baseline is None or study.control is None:
        return None
    if study.control in (study.candidate, study.baseline) or not data.facts.paired:
        return None
    return study.candidate, study.baseline, study.control


def _quantity(data: Data, optimizer: str, metric: str) -> Quantity | None:
    own = data.get(optimizer, "map")
    if own is None:
        return None
    estimate: Estimate | None = mean_of(data, optimizer, own, own.score_N)
    if metric == "regret" and estimate is not None:
        chosen = own_bests(data, optimizer, ("map",))
        if chosen is None:
            return None
        best = mean_estimate(
            chosen.replicate_R, chosen.score_R, replicates=data.replicates[optimizer]
        )
        estimate = best - estimate
    return Quantity(lens="same_setting", metric=metric, estimate=estimate, trainings=len(own))
