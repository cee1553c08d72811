"""Accuracy surfaces over pairs of hyperparameters, with two uncertainties apart.

In: a `Context`. Out: `Surfaces`. Must not import torch, Ray or Optuna.

A surface over (rho, x2) is the Gaussian process of `surface_fit.py` averaged over the other
hyperparameters, exactly. Its `noise` is what one more trial there would differ by; its
`uncertainty` what more points and more seeds would reduce.

**The difference** is a process of its own, fitted to the paired differences at shared points and
seeds, which do not have the noise that both optimizers share; where their points are not the same
settings, it is the difference of the two surfaces, if both are usable. `low` and `high` are
simultaneous: with the study's confidence the whole true surface lies between them, on all plates
together (a Bonferroni share for each). The factor on the standard deviations is the quantile of
the largest standardised error over the plate, from joint draws of the posterior and of the seeds'
errors, the latter as Student's t of seeds - 1 degrees (after J. Sun and C. Loader, "Simultaneous
confidence bands for linear regression and smoothing", 1994, by simulation).

Shapes: P points, S seeds, G grid positions, B draws, K coordinates of a plate.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cholesky

from agsam_tune.analysis.comparisons import common_cells, same_settings
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.noise import smooth_variance
from agsam_tune.analysis.rho_lens import clipped
from agsam_tune.analysis.surface_fit import Fit, box_of, fit_surface
from agsam_tune.analysis.table import Cells
from agsam_tune.analysis.unit_cube import Axis

__all__ = ["Surfaces", "fit_surfaces"]

Array = NDArray[np.float64]

#: Positions along each side of a plate.
SIDE = 25

_DRAWS = 1000

#: What a covariance loses to rounding: relative to the plate's largest variance, and in accuracy².
_JITTER, _LEAST_VARIANCE = 1e-5, 1e-10

_GRID = ("optimizer", "second", "rho", "x2", "accuracy", "noise", "uncertainty")
_DIFFERENCE = ("second", "rho", "x2", "difference", "low", "high", "significant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Fitted surfaces of all optimizers of a study.

    Attributes:
        grid: optimizer, second, rho, x2, accuracy, noise, uncertainty: the mean over the search
            space's other hyperparameters at rho and the hyperparameter called `second` (at x2),
            the standard deviation of one trial over seeds there, and the standard deviation of
            `accuracy` as an estimate. Fractions. Only of optimizers whose surface is usable.
            An optimizer of rho alone has `second` "" and x2 NaN. `noise` is NaN with one seed.
        difference: second, rho, x2, difference, low, high, significant: candidate - baseline,
            with simultaneous bounds. Empty where `difference_quality` says why.
        quality: optimizer -> {"usable", "reason", "r2", "rmse", "coverage", "n_points"}.
        difference_quality: the same of the difference.
        fits: optimizer -> its surface, usable or not.
    """

    grid: pd.DataFrame
    difference: pd.DataFrame
    quality: Mapping[str, Mapping[str, Any]]
    difference_quality: Mapping[str, Any] = field(default_factory=dict)
    fits: Mapping[str, Fit | Unknown] = field(default_factory=dict)


def fit_surfaces(context: Context) -> Surfaces:
    """Surfaces of all optimizers, and the candidate's less the baseline's.

    Equal for equal tables: what is drawn at random follows from the study's seed.
    """
    fits = {name: _fit(context, name) for name in context.study.optimizers}
    rows = [
        plate
        for name, fit in fits.items()
        if isinstance(fit, Fit) and fit.quality.usable
        for plate in _plates(name, fit, context.chance)
    ]
    difference, quality = _difference(context, fits)
    return Surfaces(
        grid=_frame(rows, _GRID),
        difference=difference,
        quality={name: _entry(fit) for name, fit in fits.items()},
        difference_quality=quality,
        fits=fits,
    )


def _fit(context: Context, optimizer: str) -> Fit | Unknown:
    cells = context.map_cells(optimizer)
    return fit_surface(
        cells,
        {} if cells is None else cells.settings,
        box_of(context, [optimizer]),
        chance=context.chance,
        margin=context.study.analysis.margin,
    )


def _entry(fit: Fit | Unknown) -> dict[str, Any]:
    if isinstance(fit, Fit):
        return fit.quality.entry()
    numbers = dict.fromkeys(("r2", "rmse", "coverage"))
    return {"usable": False, "reason": fit.reason, **numbers, "n_points": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plate:
    """A surface on the grid of one pair: its mean (G,), covariance (G, G), seeds' errors (G, S)."""

    mean_G: Array
    covariance_GG: Array
    error_GS: Array

    @property
    def variance_G(self) -> Array:
        own_G = np.maximum(np.diag(self.covariance_GG), 0.0)
        return np.asarray(own_G + (self.error_GS**2).sum(axis=1))


def _plates(optimizer: str, fit: Fit, chance: float) -> Iterator[dict[str, Any]]:
    for pair in _pairs(fit.axes):
        grid_GK, columns = _grid(pair)
        plate = _plate(fit, pair, grid_GK)
        kept = [fit.names.index(axis.name) for axis in pair]
        at_PK = fit.process.unit_PH[:, kept]
        noise_G = smooth_variance(grid_GK, at_PK, fit.variance_P)
        yield {
            "optimizer": optimizer,
            **columns,
            "accuracy": np.clip(plate.mean_G, chance, 1.0),
            "noise": np.sqrt(noise_G),
            "uncertainty": np.sqrt(plate.variance_G),
        }


def _pairs(axes: tuple[Axis, ...]) -> list[tuple[Axis, ...]]:
    """(rho, second) for each other hyperparameter; (rho,) where there is none; none without rho."""
    rho = [axis for axis in axes if axis.name == "rho"]
    others = [axis for axis in axes if axis.name != "rho"]
    if not rho:
        return []
    return [(rho[0], other) for other in others] or [(rho[0],)]


def _grid(pair: tuple[Axis, ...]) -> tuple[Array, dict[str, Any]]:
    """The positions of a plate in the unit square (G, K), and the columns that name them."""
    side = np.linspace(0.0, 1.0, SIDE)
    grid_GK = np.stack([a.ravel() for a in np.meshgrid(*[side] * len(pair), indexing="ij")], axis=1)
    second = pair[1].name if len(pair) > 1 else ""
    x2 = pair[1].values(grid_GK[:, 1]) if second else np.full(len(grid_GK), np.nan)
    return grid_GK, {"second": second, "rho": pair[0].values(grid_GK[:, 0]), "x2": x2}


def _plate(fit: Fit, pair: tuple[Axis, ...], grid_GK: Array) -> _Plate:
    """The surface averaged over the hyperparameters that are not of the pair."""
    process, kept = fit.process, [fit.names.index(axis.name) for axis in pair]
    cross_GP, prior_GG = process.averaged(kept, grid_GK)
    return _Plate(
        mean_G=process.centre + cross_GP @ process.solved_P,
        covariance_GG=fit.quality.inflation * process.covariance(cross_GP, prior_GG),
        error_GS=fit.seed_errors(process.weights(cross_GP)),
    )


def _difference(
    context: Context, fits: Mapping[str, Fit | Unknown]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    candidate, baseline = context.study.candidate, context.study.baseline
    empty = _frame([], _DIFFERENCE)
    if candidate is None or baseline is None:
        return empty, _entry(Unknown(reason="the study names no candidate and baseline"))
    if same_settings(context, candidate, baseline):
        sides: list[Fit | Unknown] = [_paired(context, candidate, baseline)]
    else:
        sides = [fits[candidate], fits[baseline]]
    known = [side for side in sides if isinstance(side, Fit)]
    entries = [_entry(side) for side in sides]
    if len(known) < len(sides) or not all(side.quality.usable for side in known):
        return empty, next(entry for entry in entries if not entry["usable"])
    theirs = box_of(context, [baseline])
    pairs = _pairs(tuple(axis for axis in box_of(context, [candidate]) if axis in theirs))
    if not pairs:
        return empty, _entry(Unknown(reason="they have no rho, on the same scale, in common"))
    generator = np.random.default_rng([context.study.seed, 0x5F2FACE])
    share = (1.0 - context.study.analysis.confidence) / max(len(pairs), 1)
    rows = []
    for pair in pairs:
        grid_GK, columns = _grid(pair)
        plate = _less([_plate(side, pair, grid_GK) for side in known])
        half_G = _simultaneous(plate, 1.0 - share, generator) * np.sqrt(
            plate.variance_G + _LEAST_VARIANCE
        )
        low_G, high_G = plate.mean_G - half_G, plate.mean_G + half_G
        rows.append(
            {
                **columns,
                "difference": plate.mean_G,
                "low": low_G,
                "high": high_G,
                "significant": (low_G > 0) | (high_G < 0),
            }
        )
    return _frame(rows, _DIFFERENCE), entries[0]


def _paired(context: Context, candidate: str, baseline: str) -> Fit | Unknown:
    """A process of the differences at the points and seeds that both optimizers have."""
    both = [context.map_cells(name) for name in (candidate, baseline)]
    ours, theirs = common_cells(both)
    if ours is None or theirs is None or ours.accuracy_PS.shape != theirs.accuracy_PS.shape:
        return Unknown(reason="no points that both optimizers have")
    return fit_surface(
        _minus(ours, theirs, context.chance),
        {**theirs.settings, **ours.settings},
        box_of(context, [candidate, baseline]),
        chance=-np.inf,
        margin=None,
    )


def _minus(ours: Cells, theirs: Cells, chance: float) -> Cells:
    """The differences of accuracies, each point's mean being of max(accuracy, chance)."""
    accuracy_PS = clipped(ours.accuracy_PS, chance) - clipped(theirs.accuracy_PS, chance)
    return replace(ours, accuracy_PS=accuracy_PS)


def _less(plates: list[_Plate]) -> _Plate:
    """A plate of differences as it is; of two optimizers' plates, the first less the second."""
    if len(plates) == 1:
        return plates[0]
    ours, theirs = plates
    paired = ours.error_GS.shape == theirs.error_GS.shape
    return _Plate(
        mean_G=ours.mean_G - theirs.mean_G,
        covariance_GG=ours.covariance_GG + theirs.covariance_GG,
        error_GS=ours.error_GS - theirs.error_GS
        if paired
        else np.concatenate([ours.error_GS, theirs.error_GS], axis=1),
    )


def _simultaneous(plate: _Plate, confidence: float, generator: np.random.Generator) -> float:
    """The quantile of the largest standardised error over the plate."""
    S = plate.error_GS.shape[1]
    jittered_GG = plate.covariance_GG.copy()
    jittered_GG[np.diag_indices_from(jittered_GG)] += (
        _JITTER * plate.variance_G.max() + _LEAST_VARIANCE
    )
    root_GG = cholesky(jittered_GG, lower=True)
    own_BG = generator.standard_normal((_DRAWS, len(root_GG))) @ root_GG.T
    heavy_B = np.sqrt(max(S - 1, 1) / generator.chisquare(max(S - 1, 1), _DRAWS))
    seeds_BG = heavy_B[:, None] * (generator.standard_normal((_DRAWS, S)) @ plate.error_GS.T)
    deviation_G = np.sqrt(plate.variance_G + _LEAST_VARIANCE)
    largest_B = np.max(np.abs(own_BG + seeds_BG) / deviation_G, axis=1)
    return float(np.quantile(largest_B, confidence))


def _frame(plates: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    if not plates:
        return pd.DataFrame({name: [] for name in columns})
    return pd.concat([pd.DataFrame(plate) for plate in plates], ignore_index=True)[list(columns)]
