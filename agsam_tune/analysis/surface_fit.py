"""One surface: a Gaussian process of the map's scores, judged by what it predicts.

In: the trainings of a `map` and the box. Out: a `Fit` with its quality, or why there is none. Must
not import pandas, torch, Ray or Optuna.

Every point has one training, and every fourth a second one with another seed. Their differences
measure the noise where they are (half the square of each), and a point's noise is the mean of its
neighbours' and, a little, of all. A noise that is fitted with the rest called a third of the
variance noise where there was none: a cliff between two points looks like noise. Only where there
are no second seeds is one noise fitted for all.

How good the surface is, is judged by predicting replicates from the others. Where it is missed by
more than expected, all posterior variances are scaled up so that the standardised errors have mean
square 1 (F. Bachoc, "Cross validation and maximum likelihood estimations of hyper-parameters of
Gaussian processes with model misspecification", 2013).

Shapes: P points, H hyperparameters, M points with a second seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import PhaseData
from agsam_tune.analysis.gaussian_process import LeftOut, Process, condition, fit_sizes
from agsam_tune.analysis.record import SurfaceQuality
from agsam_tune.analysis.unit_cube import Axis

__all__ = ["NO_MAP", "Fit", "SurfaceData", "fit_surface", "no_surface", "read_map"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

NO_MAP = "no trainings of the phase map"

#: Fewer points say little about a surface, and less about how good it is.
LEAST_POINTS = 16
#: Of the variance that is not noise, the least share that a usable surface predicts.
LEAST_EXPLAINED = 0.8
LEAST_COVERAGE = 0.85

#: Most points that the kernel's parameters are fitted to, and that the surface is made from: the
#: time grows with their cubes, 80 times and once.
_MOST_FITTED = 128
_MOST_POINTS = 768

#: Fewest replicates to leave out whole; with fewer, too little would be left.
_LEAST_FOLDS = 4

#: Over what distance noise is averaged, in sides of the cube, and what the mean of all counts.
_NOISE_WIDTH, _NOISE_PRIOR = 0.2, 1.0

_NORMAL_95 = 1.959963984540054
_ONE_SIDED_95 = 1.6448536269514722


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceData:
    """What a surface is fitted to.

    Attributes:
        axes: the hyperparameters.
        unit_PH: the points of the first seeds, in the unit cube.
        score_P: their scores.
        replicate_P: their replicates.
        noise_P: variance of one training's score; None where no point has a second seed.
        noise: the mean of the same over the points that were measured.
    """

    axes: tuple[Axis, ...]
    unit_PH: Array
    score_P: Array
    replicate_P: Whole
    noise_P: Array | None
    noise: float | None

    @property
    def noise_share(self) -> float | None:
        """Of the variance of single trainings over the box, what seeds make."""
        whole = float(self.score_P.var(ddof=1)) if len(self.score_P) > 1 else 0.0
        if self.noise is None or whole <= 0:
            return None
        return min(self.noise / whole, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A usable surface.

    Attributes:
        axes: the hyperparameters, in the order of the process's coordinates.
        left_out: its points predicted from other replicates.
        inflation: what posterior variances are multiplied by, at least 1.
        unexplained: of the variance that is not noise, the share that is not predicted, in [0, 1].
        noise_P: variance of one training's score at the points.
    """

    axes: tuple[Axis, ...]
    process: Process
    left_out: LeftOut
    inflation: float
    unexplained: float
    noise_P: Array

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)


def no_surface(reason: str) -> SurfaceQuality:
    """The quality of what could not be fitted."""
    return SurfaceQuality(fitted=False, reason=reason)


def read_map(trainings: PhaseData | None, axes: Sequence[Axis]) -> SurfaceData | None:
    """The first seeds' scores in the unit cube, with the noise that the second ones measure.

    None without hyperparameters or trainings. Points beyond `_MOST_POINTS` are left out, whole
    replicates at a time.
    """
    if trainings is None or not axes or not len(trainings):
        return None
    first = trainings.first_seeds
    first = first.only(_subset(first.replicate_N, _MOST_POINTS))
    unit_PH = np.stack([axis.unit(first.settings[axis.name]) for axis in axes], axis=1)
    unit_MH, variance_M = _measured(trainings, axes)
    measured = len(variance_M) > 1
    return SurfaceData(
        axes=tuple(axes),
        unit_PH=unit_PH,
        score_P=first.score_N,
        replicate_P=first.replicate_N,
        noise_P=_noise_at(unit_PH, unit_MH, variance_M) if measured else None,
        noise=float(variance_M.mean()) if measured else None,
    )


def fit_surface(
    own: SurfaceData | None, *, margin: float | None
) -> tuple[SurfaceQuality, Fit | None]:
    """The surface, and how good it is; without the surface where it is not usable.

    It is usable if it predicts at least four fifths of the variance that is not noise, or if its
    error beyond noise is surely (95 %, one-sided) within the margin, as where the surface is flat;
    and if its 95 % intervals cover at least 85 % of trainings left out.

    Args:
        own: the data, or None where there are none.
        margin: differences up to it count as none; None asks for coverage alone, as of a
            difference, whose bands say how little is known.
    """
    if own is None:
        return no_surface(NO_MAP), None
    if len(own.score_P) < LEAST_POINTS:
        found = len(own.score_P)
        return no_surface(f"{found} points; a surface needs at least {LEAST_POINTS}"), None
    known_P = np.zeros(len(own.score_P)) if own.noise_P is None else own.noise_P
    few = np.flatnonzero(_subset(own.replicate_P, _MOST_FITTED))
    sizes = fit_sizes(own.unit_PH[few], own.score_P[few], known_P[few], nugget=own.noise_P is None)
    process = condition(own.unit_PH, own.score_P, known_P, sizes)
    folds = len(np.unique(own.replicate_P))
    group_P = own.replicate_P if folds >= _LEAST_FOLDS else np.arange(len(own.score_P))
    return _judged(own, process, process.left_out(group_P), known_P + sizes.nugget, margin)


def _judged(
    own: SurfaceData, process: Process, left_out: LeftOut, noise_P: Array, margin: float | None
) -> tuple[SurfaceQuality, Fit | None]:
    error_P = own.score_P - left_out.mean_P
    square_P, spread = error_P**2, float(own.score_P.var())
    inflation = max(1.0, float(np.mean(square_P / left_out.variance_P)))
    inside_P = np.abs(error_P) <= _NORMAL_95 * np.sqrt(inflation * left_out.variance_P)
    beyond_P = square_P - noise_P
    signal = spread - float(noise_P.mean())
    # What it misses, as the trainings show and as it says itself: either may be too small by luck.
    expected = inflation * float(np.mean(left_out.variance_P - noise_P))
    missed = max(float(beyond_P.mean()), expected)
    unexplained = float(np.clip(missed / signal, 0, 1)) if signal > 0 else 1.0
    reason = None
    if margin is not None and unexplained > 1 - LEAST_EXPLAINED and _surely(beyond_P) > margin:
        reason = (
            f"of what is not noise it predicts {1 - unexplained:.0%} of the variance in replicates "
            f"left out, fewer than {LEAST_EXPLAINED:.0%}"
        )
    elif inside_P.mean() < LEAST_COVERAGE:
        reason = (
            f"its 95 % intervals cover only {inside_P.mean():.0%} of trainings left out: scores "
            "change too suddenly for a smooth surface"
        )
    quality = SurfaceQuality(
        fitted=reason is None,
        r2=float(1 - square_P.mean() / spread) if spread > 0 else None,
        noise_share=own.noise_share,
        reason=reason,
    )
    if reason is not None:
        return quality, None
    return quality, Fit(
        axes=own.axes,
        process=process,
        left_out=left_out,
        inflation=inflation,
        unexplained=unexplained,
        noise_P=noise_P,
    )


def _surely(beyond_P: Array) -> float:
    """The upper 95 % limit of the root mean squared error beyond noise."""
    limit = float(beyond_P.mean() + _ONE_SIDED_95 * beyond_P.std() / np.sqrt(len(beyond_P)))
    return float(np.sqrt(max(limit, 0.0)))


def _measured(trainings: PhaseData, axes: Sequence[Axis]) -> tuple[Array, Array]:
    """Where there are two seeds (M, H), and half the squared difference of their scores (M,)."""
    first, second = trainings.two_seeds
    unit_MH = np.stack([axis.unit(first.settings[axis.name]) for axis in axes], axis=1)
    return unit_MH, (first.score_N - second.score_N) ** 2 / 2


def _noise_at(unit_PH: Array, unit_MH: Array, variance_M: Array) -> Array:
    """A kernel mean of the measured variances, drawn a little towards the mean of all."""
    gap_PM = np.sum((unit_PH[:, None] - unit_MH) ** 2, axis=2) / _NOISE_WIDTH**2
    weight_PM = np.exp(-0.5 * gap_PM)
    total_P = weight_PM @ variance_M + _NOISE_PRIOR * variance_M.mean()
    return np.asarray(total_P / (weight_PM.sum(axis=1) + _NOISE_PRIOR))


def _subset(replicate_P: Whole, most: int) -> NDArray[np.bool_]:
    """At most so many points: whole replicates while they fit, else evenly spaced points."""
    P = len(replicate_P)
    if most >= P:
        return np.ones(P, dtype=bool)
    number_P = np.unique(replicate_P, return_inverse=True)[1]
    fitting = int(np.searchsorted(np.cumsum(np.bincount(number_P)), most, side="right"))
    if fitting > 1 and fitting < most:
        return np.asarray(number_P < fitting)
    chosen_P = np.zeros(P, dtype=bool)
    chosen_P[np.linspace(0, P - 1, most).round().astype(int)] = True
    return chosen_P
