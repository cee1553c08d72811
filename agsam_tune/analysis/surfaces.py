"""Surfaces of the score over pairs of hyperparameters, with two uncertainties apart.

In: a `Data`. Out: `Surfaces`. Must not import torch, Ray or Optuna.

A surface over (rho, x2) is the Gaussian process of `surface_fit.py` averaged over the other
hyperparameters, exactly. Its `noise` is what one more training there would differ by; its
`uncertainty` what more points would reduce.

**The difference** is a process of its own, fitted to the differences at the points that both
optimizers share, weights, batches and data included, so that the noise that both have drops out.
`low` and `high` are simultaneous: with the study's confidence the whole true surface lies between
them, on all plates together (a Bonferroni share for each). The factor on the standard deviations
is the quantile of the largest standardised error over the plate, from joint draws of the posterior
(after J. Sun and C. Loader, "Simultaneous confidence bands for linear regression and smoothing",
1994, by simulation).

Shapes: P points, G grid positions, B draws, K coordinates of a plate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cholesky

from agsam_tune.analysis.data import Data
from agsam_tune.analysis.gaussian_process import Process
from agsam_tune.analysis.pairing import common_data
from agsam_tune.analysis.record import SurfaceQuality
from agsam_tune.analysis.surface_fit import (
    NO_MAP,
    Fit,
    SurfaceData,
    fit_surface,
    no_surface,
    read_map,
)
from agsam_tune.analysis.unit_cube import Axis, axis_of
from agsam_tune.study import SearchSpace

__all__ = ["SIDE", "Surfaces", "fit_surfaces"]

Array = NDArray[np.float64]

#: Positions along each side of a plate.
SIDE = 25

_DRAWS = 1000

#: What a covariance loses to rounding: relative to the plate's largest variance, and in score².
_JITTER, _LEAST_VARIANCE = 1e-5, 1e-10

_GRID = ("optimizer", "second", "rho", "x2", "accuracy", "noise", "uncertainty")
_DIFFERENCE = ("second", "rho", "x2", "difference", "low", "high", "significant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Fitted surfaces of all optimizers of a study.

    Attributes:
        grid: optimizer, second, rho, x2, accuracy, noise, uncertainty: the mean score over the
            search space's other hyperparameters at rho and the hyperparameter called `second` (at
            x2), the standard deviation of one training over seeds around there, and the standard
            deviation of `accuracy` as an estimate. Only of optimizers whose surface is usable. An
            optimizer of rho alone has `second` "" and x2 NaN.
        difference: second, rho, x2, difference, low, high, significant: candidate - baseline,
            with simultaneous bounds. Empty where `difference_quality` says why.
        quality: optimizer → how good its surface is, whether usable or not.
        difference_quality: the same of the difference.
        fits: optimizer → its surface, where it is usable.
    """

    grid: pd.DataFrame
    difference: pd.DataFrame
    quality: Mapping[str, SurfaceQuality]
    difference_quality: SurfaceQuality
    fits: Mapping[str, Fit]


def fit_surfaces(data: Data) -> Surfaces:
    """Surfaces of all optimizers, and the candidate's less the baseline's.

    Equal for equal data: what is drawn at random follows from the study's seed.
    """
    margin = data.study.analysis.margin
    found = {}
    for name in data.study.optimizers:
        axes = _axes(data.study.search_spaces[name])
        own = read_map(data.every(name, "map"), axes)
        found[name] = fit_surface(own, margin=margin)
        if not axes:
            found[name] = no_surface("the optimizer has no hyperparameters"), None
    fits = {name: fit for name, (_, fit) in found.items() if fit is not None}
    rows = [plate for name, fit in fits.items() for plate in _plates(name, fit)]
    difference, quality = _difference(data)
    return Surfaces(
        grid=_frame(rows, _GRID),
        difference=difference,
        quality={name: quality for name, (quality, _) in found.items()},
        difference_quality=quality,
        fits=fits,
    )


def _axes(space: SearchSpace) -> tuple[Axis, ...]:
    return tuple(axis_of(name, own) for name, own in space.ranges.items())


def _plates(optimizer: str, fit: Fit) -> Iterator[dict[str, Any]]:
    for pair in _pairs(fit.axes):
        grid_GK, columns = _grid(pair)
        kept = [fit.names.index(axis.name) for axis in pair]
        mean_G, covariance_GG = _plate(fit, pair, grid_GK)
        yield {
            "optimizer": optimizer,
            **columns,
            "accuracy": mean_G,
            "noise": np.sqrt(_nearest_mean(grid_GK, fit.process.unit_PH[:, kept], fit.noise_P)),
            "uncertainty": np.sqrt(np.maximum(np.diag(covariance_GG), 0.0)),
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


def _plate(fit: Fit, pair: tuple[Axis, ...], grid_GK: Array) -> tuple[Array, Array]:
    """Mean (G,) and covariance (G, G) of the surface averaged over what is not of the pair."""
    process: Process = fit.process
    cross_GP, prior_GG = process.averaged([fit.names.index(axis.name) for axis in pair], grid_GK)
    mean_G = process.centre + cross_GP @ process.solved_P
    return mean_G, fit.inflation * process.covariance(cross_GP, prior_GG)


def _nearest_mean(grid_GK: Array, at_PK: Array, value_P: Array, near: int = 8) -> Array:
    """The mean over the points that lie nearest on the plate."""
    gap_GP = ((grid_GK[:, None] - at_PK) ** 2).sum(axis=2)
    near_GN = np.argpartition(gap_GP, min(near, len(value_P) - 1), axis=1)[:, :near]
    return np.asarray(value_P[near_GN].mean(axis=1))


def _difference(data: Data) -> tuple[pd.DataFrame, SurfaceQuality]:
    empty = _frame([], _DIFFERENCE)
    own = _differences(data)
    if isinstance(own, str):
        return empty, no_surface(own)
    quality, fit = fit_surface(own, margin=None)
    if fit is None:
        return empty, quality
    common = {axis.name for axis in own.axes}
    for name in (data.study.candidate, data.study.baseline):
        common &= set(data.study.search_spaces[str(name)].names)
    pairs = _pairs(tuple(axis for axis in own.axes if axis.name in common))
    generator = np.random.default_rng([data.study.seed, 0x5F2FACE])
    share = (1.0 - data.study.analysis.confidence) / max(len(pairs), 1)
    rows = []
    for pair in pairs:
        grid_GK, columns = _grid(pair)
        mean_G, covariance_GG = _plate(fit, pair, grid_GK)
        half_G = _half_widths(covariance_GG, 1.0 - share, generator)
        low_G, high_G = mean_G - half_G, mean_G + half_G
        bounds = {"low": low_G, "high": high_G, "significant": (low_G > 0) | (high_G < 0)}
        rows.append({**columns, "difference": mean_G, **bounds})
    return _frame(rows, _DIFFERENCE), quality


def _differences(data: Data) -> SurfaceData | str:
    """The differences at the points that both optimizers have, or why there are none."""
    study = data.study
    if study.candidate is None or study.baseline is None:
        return "the study names no candidate and baseline"
    pair = (study.candidate, study.baseline)
    spaces = [study.search_spaces[name].ranges for name in pair]
    common = common_data(data, pair, ("map",))
    ours, theirs = (common.every(name, "map") for name in pair)
    if ours is None or theirs is None:
        return NO_MAP
    shared = [name for name in spaces[0] if name in spaces[1]]
    if not data.facts.paired or not shared:
        return "they have no points in common"
    same = all(np.allclose(ours.settings[n], theirs.settings[n], rtol=1e-9) for n in shared)
    if not same:
        return "their points are not the same settings, since their boxes differ"
    axes = [axis_of(name, own) for name, own in {**spaces[1], **spaces[0]}.items()]
    minus = replace(
        ours,
        settings={**theirs.settings, **ours.settings},
        score_N=ours.score_N - theirs.score_N,
        chosen_by_N=ours.chosen_by_N - theirs.chosen_by_N,
        diverged_N=ours.diverged_N | theirs.diverged_N,
    )
    return read_map(minus, axes) or NO_MAP


def _half_widths(covariance_GG: Array, confidence: float, generator: np.random.Generator) -> Array:
    """Half widths that hold over the whole plate."""
    variance_G = np.maximum(np.diag(covariance_GG), 0.0) + _LEAST_VARIANCE
    jittered_GG = covariance_GG.copy()
    jittered_GG[np.diag_indices_from(jittered_GG)] += _JITTER * variance_G.max() + _LEAST_VARIANCE
    root_GG = cholesky(jittered_GG, lower=True)
    own_BG = generator.standard_normal((_DRAWS, len(root_GG))) @ root_GG.T
    largest_B = np.max(np.abs(own_BG) / np.sqrt(variance_G), axis=1)
    return np.asarray(float(np.quantile(largest_B, confidence)) * np.sqrt(variance_G))


def _frame(plates: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    if not plates:
        return pd.DataFrame({name: [] for name in columns})
    return pd.concat([pd.DataFrame(plate) for plate in plates], ignore_index=True)[list(columns)]
