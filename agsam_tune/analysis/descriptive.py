"""What is said of one optimizer besides the lenses: its surface, what matters, its curves.

In: a `Data` and its `Surfaces`. Out: one `Described`, whose parts are rows of the record. Must not
import torch, Ray or Optuna.

Curves are those of `lenses/curves.py`, local-linear with one width for all, with pointwise
jackknife bands over replicates. A hyperparameter that is not logarithmic is stretched so that its
range counts as three decades.

Shapes: N trainings, G points of a curve, R replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.analysis.effective_number import effective_number
from agsam_tune.analysis.importance import importances
from agsam_tune.analysis.indices import sobol_indices
from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.record import Curve, EffectiveNumber, Importance, SurfaceQuality
from agsam_tune.analysis.surface_fit import no_surface
from agsam_tune.analysis.surfaces import Surfaces
from agsam_tune.analysis.unit_cube import Axis, axis_of

__all__ = ["Described", "describe", "map_curves"]

Array = NDArray[np.float64]

#: Points at which a curve is given.
POSITIONS = 41

#: Decades that the range of a hyperparameter counts as that is not logarithmic.
_DECADES = 3.0

#: Of the measured radii, the share at each end that the curve leaves out.
_TAIL = 0.02

#: Most groups of replicates that are left out in turn: a table may have thousands.
_MOST_GROUPS = 256

#: Fewer trainings bear no curve.
_LEAST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One optimizer.

    Attributes:
        surface: how good its surface is.
        importance: in three senses, see `importance` and `indices`.
        effective_number: of hyperparameters.
        curves: of the map along each hyperparameter (`map`) and along the measured radius
            (`range`).
    """

    surface: SurfaceQuality
    importance: tuple[Importance, ...]
    effective_number: EffectiveNumber
    curves: tuple[Curve, ...]


def describe(data: Data, optimizer: str, surfaces: Surfaces | None) -> Described:
    """All of the map of one optimizer that no verdict is made of.

    Args:
        surfaces: of `fit_surfaces`; without them nothing is said of surface and Sobol indices.
    """
    space, study = data.study.search_spaces[optimizer], data.study
    if not space.names:
        reason = "the optimizer has no hyperparameters"
        return Described(
            surface=no_surface(reason),
            importance=(),
            effective_number=EffectiveNumber(value=None, reason=reason),
            curves=(),
        )
    axes = [axis_of(name, own) for name, own in space.ranges.items()]
    trainings = data.every(optimizer, "map")
    confidence = study.analysis.confidence
    fit = None if surfaces is None else surfaces.fits.get(optimizer)
    found = importances(trainings, axes, confidence=confidence, seed=study.seed)
    if fit is not None:
        found += sobol_indices(fit, confidence=confidence)
    return Described(
        surface=no_surface("no surface was fitted")
        if surfaces is None
        else surfaces.quality[optimizer],
        importance=found,
        effective_number=effective_number(trainings, confidence=confidence),
        curves=map_curves(data, optimizer),
    )


def map_curves(data: Data, optimizer: str) -> tuple[Curve, ...]:
    """The map's mean score along each hyperparameter (`map`) and the measured radius (`range`)."""
    first, confidence = data.get(optimizer, "map"), data.study.analysis.confidence
    if first is None or not len(first):
        return ()
    ranges = data.study.search_spaces[optimizer].ranges
    found = [_along(axis_of(name, own), first, confidence) for name, own in ranges.items()]
    return tuple(one for one in (*found, _along_radius(first, confidence)) if one is not None)


def _along(axis: Axis, own: PhaseData, confidence: float) -> Curve | None:
    width = float(np.log10(axis.high / axis.low)) if axis.log else _DECADES
    return _curve(
        ("map", axis.name),
        own,
        axis.unit(own.settings[axis.name]) * width,
        (0.0, width),
        lambda x_G: axis.values(x_G / width),
        confidence,
    )


def _along_radius(own: PhaseData, confidence: float) -> Curve | None:
    """Of the trainings that took a step: the association, which no experiment bears out."""
    stepped = own.only(np.isfinite(own.radius_N) & (own.radius_N > 0))
    if len(stepped) < _LEAST:
        return None
    x_N = np.log10(stepped.radius_N)
    low, high = np.quantile(x_N, [_TAIL, 1 - _TAIL])
    if not low < high:
        return None
    ends = float(low), float(high)
    return _curve(("range", "radius"), stepped, x_N, ends, lambda x_G: 10**x_G, confidence)


def _curve(
    names: tuple[str, str],
    own: PhaseData,
    x_N: Array,
    ends: tuple[float, float],
    values: Callable[[Array], Array],
    confidence: float,
) -> Curve | None:
    """A curve over [low, high]; None where there are too few trainings or replicates for bands."""
    group_N = own.replicate_N % _MOST_GROUPS
    present = np.unique(group_N)
    if len(own) < _LEAST or len(present) < 2:
        return None
    replicate_N = np.searchsorted(present, group_N)
    curve = KeyCurve(
        replicate_N, x_N, own.score_N, low=ends[0], high=ends[1], replicates=len(present)
    )
    shown = np.unique(np.linspace(0, len(curve.grid_G) - 1, POSITIONS).round().astype(int))
    mean_G, half_G = curve.curve_G[shown], curve.band_G(confidence)[shown]
    return Curve.model_validate(
        {
            "kind": names[0],
            "hyperparameter": names[1],
            "x": values(curve.grid_G[shown]).tolist(),
            "mean": mean_G.tolist(),
            "low": (mean_G - half_G).tolist(),
            "high": (mean_G + half_G).tolist(),
        }
    )
