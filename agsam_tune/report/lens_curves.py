"""The curves behind the lens figures, as the figures want them.

In: the `Context` and the trials table. Out: frames with the columns optimizer, x, value, low, high
(fractions; NaN where there is no interval). The estimates are those of `agsam_tune.analysis`; this
module renames and selects. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from agsam_tune.analysis import profiles
from agsam_tune.analysis.context import Context
from agsam_tune.report.frames import point_means

COLUMNS = ["optimizer", "x", "value", "low", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LensCurves:
    """Everything the lens figures show.

    Attributes:
        references: optimizer without hyperparameters → its accuracy.
        rho: against rho, the other hyperparameters averaged over the search space.
        radius, radius_points: against the measured radius: the fit, and the map's points.
        factors: kind of mis-setting ("rho", …, "all") → accuracy against the factor.
        draws: the single draws of "all".
        gap: columns part, x (rho), value, low, high of the mean accuracy's gap.
    """

    references: Mapping[str, float]
    rho: pd.DataFrame
    radius: pd.DataFrame
    radius_points: pd.DataFrame
    factors: Mapping[str, pd.DataFrame]
    draws: pd.DataFrame
    gap: pd.DataFrame


def lens_curves(context: Context, trials: pd.DataFrame) -> LensCurves:
    """All curves of one run."""
    study = context.study
    has_rho = "rho" in study.hyperparameters
    around = profiles.around_own_best(context)
    around = around.rename(columns={"accuracy": "value", "ran": "x"})
    lines = profiles.reference_lines(context)
    rho = profiles.accuracy_along(context) if has_rho else around.iloc[:0]
    radius = profiles.accuracy_along_radius(context)
    gap = profiles.gap_along(context) if has_rho else None
    return LensCurves(
        references={
            str(n): float(a) for n, a in zip(lines["optimizer"], lines["accuracy"], strict=True)
        },
        rho=_renamed(rho),
        radius=_renamed(radius),
        radius_points=_radius_points(trials, context.chance),
        factors={kind: _along_factors(around, kind) for kind in [*study.hyperparameters, "all"]},
        draws=around[around["kind"] == "all"][COLUMNS],
        gap=_gap(gap),
    )


def _along_factors(around: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One kind of mis-setting with the own best at factor 1; the mean over draws for "all"."""
    off = around[around["kind"] == kind]
    best = around[(around["kind"] == "best") & around["optimizer"].isin(set(off["optimizer"]))]
    if kind == "all" and not off.empty:
        # The mean over draws has no interval here: the draws themselves are shown beside it.
        off = off.groupby(["optimizer", "x"], sort=True, as_index=False)[["value"]].mean()
        off = off.assign(low=float("nan"), high=float("nan"))
    if off.empty:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat([best[COLUMNS], off[COLUMNS]], ignore_index=True)


def _radius_points(trials: pd.DataFrame, chance: float) -> pd.DataFrame:
    points = point_means(trials, ["map"], chance)
    points = points[points["radius"] > 0]
    return points.assign(x=points["radius"], value=points["accuracy"])[["optimizer", "x", "value"]]


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"accuracy": "value"})[COLUMNS]


def _gap(frame: pd.DataFrame | None) -> pd.DataFrame:
    columns = ["part", "x", "value", "low", "high"]
    if frame is None or frame.empty:
        return pd.DataFrame(columns=columns)
    frame = frame[frame["metric"] == "mean_accuracy"]
    return frame.rename(columns={"rho": "x", "difference": "value"})[columns]
