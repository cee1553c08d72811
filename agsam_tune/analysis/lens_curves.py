"""The curves of the lenses, for figures.

In: `Data`. Out: rows of the record. Must not import torch, Ray or Optuna.

Bands are pointwise, at the study's confidence, from the curves without each replicate.

Shapes: R replicates, G points of the grid.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from agsam_tune.analysis.around import misset_of
from agsam_tune.analysis.data import LENGTH, Data
from agsam_tune.analysis.lenses.estimates import mean_estimate
from agsam_tune.analysis.measured import key_curve
from agsam_tune.analysis.metrics import scale_of
from agsam_tune.analysis.reach import Reach
from agsam_tune.analysis.record import Curve
from agsam_tune.study import MISSET_FACTORS

__all__ = ["lens_curves"]

_DRAWN: tuple[Literal["key", "off", "radius"], ...] = ("key", "off", "radius")


def lens_curves(data: Data, optimizer: str, reach: Reach) -> list[Curve]:
    """The score against the key, with everything off, and against the length of steps."""
    found = []
    for phase in _DRAWN:
        curve = _curve(data, optimizer, phase, reach)
        if curve is not None:
            found.append(curve)
    return found + _misset_curves(data, optimizer, reach)


def _curve(
    data: Data, optimizer: str, phase: Literal["key", "off", "radius"], reach: Reach
) -> Curve | None:
    drawn = key_curve(data, optimizer, phase)
    if drawn is None:
        return None
    mean_G, half_G = drawn.curve_G, drawn.band_G(data.study.analysis.confidence)
    if np.isnan(half_G).any():  # A band of no width would look certain.
        return None
    window = None
    if phase == "off" and (scale := scale_of(data, optimizer, reach)) is not None:
        centre = float(np.mean(scale.placements))
        factor = data.study.factor
        window = (10**centre / factor, 10**centre * factor)
    return Curve(
        kind=phase,
        hyperparameter="radius" if phase == "radius" else data.study.key or LENGTH,
        x=tuple((10**drawn.grid_G).tolist()),
        mean=tuple(mean_G.tolist()),
        low=tuple((mean_G - half_G).tolist()),
        high=tuple((mean_G + half_G).tolist()),
        window=window,
    )


def _misset_curves(data: Data, optimizer: str, reach: Reach) -> list[Curve]:
    """The score where one hyperparameter alone is off, against the factor that it is off by."""
    misset = misset_of(data, optimizer, reach.own.get(optimizer))
    if misset is None:
        return []
    found = []
    for name in data.study.search_spaces[optimizer].names:
        rows = []
        for factor in MISSET_FACTORS:
            own = misset.trainings.only(misset.alone[name, factor])
            members_R, place_N = np.unique(own.replicate_N, return_inverse=True)
            if len(members_R) < 2:
                continue
            mean = mean_estimate(place_N.astype(np.int64), own.score_N, replicates=len(members_R))
            interval = mean.interval(1 - data.study.analysis.confidence)
            rows.append((factor, mean.value, interval.low, interval.high))
        if rows:
            x, value, low, high = zip(*rows, strict=True)
            found.append(
                Curve(kind="misset", hyperparameter=name, x=x, mean=value, low=low, high=high)
            )
    return found
