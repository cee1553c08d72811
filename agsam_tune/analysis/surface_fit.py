"""One surface: a Gaussian process of the points' mean accuracies, judged by what it predicts.

In: a `map`'s cells and the box. Out: a `Fit`, or why there is none. Must not import pandas, torch,
Ray or Optuna.

Two things make a point's mean differ from the surface: its own noise, which neighbours average
out, and what a seed does to neighbouring points alike (they share weights and batches; on real
trials the deviations of neighbours correlate by up to 0.6), which no number of points averages
out. The process knows the first, and would take the second for the surface. So the surface is
also taken apart into one surface a seed, by the same weights; the spread of these beyond what
independent noise explains is added (`Fit.seed_errors`). Without it the uncertainty would be that
of the surface at these seeds.

How good the fit is, is judged by points left out: a whole replicate at a time where there are at
least four, else each point. R² is of the points' means; where the surface is flat it is low,
because nearly all of their variance is noise, however well the surface is known. So a surface is
usable if R² is at least 0.8, or if its root mean squared error beyond the left-out points' own
noise is surely (at 95 %, one-sided) within the study's margin; and if its 95 % intervals cover at
least 85 % of the points left out. Of a difference the second alone is asked: it is shown with its
bands, which say how little is known.
Where points are missed by more than expected on the whole, all posterior variances are scaled up
so that the standardised errors have mean square 1 (F. Bachoc, "Cross validation and maximum
likelihood estimations of hyper-parameters of Gaussian processes with model misspecification",
2013).

Shapes: P points, S seeds, H hyperparameters, G grid positions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import point_means
from agsam_tune.analysis.gaussian_process import Process, condition, fit_sizes
from agsam_tune.analysis.jackknife import jackknife_groups
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.noise import SAME, moderated, seed_variances
from agsam_tune.analysis.rho_lens import NO_MAP, clipped
from agsam_tune.analysis.table import Cells
from agsam_tune.analysis.unit_cube import Axis, axis_of

__all__ = ["LEAST_R2", "Fit", "Quality", "box_of", "fit_surface", "subset"]

Array = NDArray[np.float64]

#: Fewer points say little about a surface, and less about how good it is.
LEAST_POINTS = 16
LEAST_R2 = 0.8
LEAST_COVERAGE = 0.85

#: Most points that the kernel's parameters are fitted to, and that the surface is made from: the
#: time grows with their cubes, 40 times and once.
_MOST_FITTED = 192
_MOST_POINTS = 768

#: Fewest replicates to leave out whole; with fewer, too little would be left.
_LEAST_FOLDS = 4

_NORMAL_95 = 1.959963984540054
_ONE_SIDED_95 = 1.6448536269514722


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well points left out are predicted.

    Attributes:
        usable: whether the surface may be shown and used.
        reason: why not; where usable, what is to be known about it, often "".
        r2: 1 - squared error / variance of the points' means.
        rmse: root mean squared error of the points' means, in accuracy.
        coverage: share of the points' means within their 95 % intervals.
        inflation: what posterior variances are multiplied by, at least 1.
        unexplained: share of the variance of the points' means that is neither predicted nor
            their noise, in [0, 1].
        n_points: points that it is made from.
        method: the process and how it was judged.
    """

    usable: bool
    reason: str
    r2: float
    rmse: float
    coverage: float
    inflation: float
    unexplained: float
    n_points: int
    method: str

    def entry(self) -> dict[str, Any]:
        """The JSON-able entry of `summary.json`."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A surface over one optimizer's box, or of the difference of two over their common one.

    Attributes:
        axes: the hyperparameters, in the order of the process's coordinates.
        noise_P: the variances of the points' means that the process was given.
        group_P: what is left out together in a jackknife.
        deviation_PS: the points' deviations from their means, seed by seed.
        variance_P: variances over seeds of one trial, NaN where there is one seed.
        n: trials.
    """

    axes: tuple[Axis, ...]
    process: Process
    quality: Quality
    noise_P: Array
    group_P: NDArray[np.int64]
    deviation_PS: Array
    variance_P: Array
    n: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    def without(self, out_P: NDArray[np.bool_]) -> Process:
        """The process without these points, its sizes fitted again from where they were."""
        rows, sizes = np.flatnonzero(~out_P), self.process.sizes
        unit_PH, mean_P = self.process.unit_PH[rows], self.process.mean_P[rows]
        noise_P = self.noise_P[rows]
        few = subset(self.group_P[rows], _MOST_FITTED)
        again = fit_sizes(
            unit_PH[few], mean_P[few], noise_P[few], nugget=sizes.nugget > 0, near=sizes
        )
        return condition(unit_PH, mean_P, noise_P, again)

    def draws(self, unit_NH: Array, count: int, generator: np.random.Generator) -> Array:
        """Surfaces drawn from the posterior, with what seeds add, (N, count)."""
        mean_N = self.process.predict(unit_NH)
        away_NB = self.process.draws(unit_NH, count, generator) - mean_N[:, None]
        error_NS = self.seed_errors(self.process.weights(self.process.cross(unit_NH)))
        seeds_NB = error_NS @ generator.standard_normal((error_NS.shape[1], count))
        return np.asarray(mean_N[:, None] + np.sqrt(self.quality.inflation) * away_NB + seeds_NB)

    def seed_errors(self, weight_GP: Array) -> Array:
        """What each seed adds to the surface's error at grid positions, (G, S).

        The surface of each seed less that of all, scaled so that the sum of squares over seeds is
        the variance of the mean over seeds beyond what independent noise explains; 0 for one seed.
        """
        S = self.deviation_PS.shape[1]
        if S < 2:
            return np.zeros((len(weight_GP), S))
        error_GS = weight_GP @ self.deviation_PS / np.sqrt(S * (S - 1))
        found_G = (error_GS**2).sum(axis=1)
        explained_G = (weight_GP**2) @ self.noise_P
        beyond_G = np.maximum(found_G - explained_G, 0.0)
        return np.asarray(error_GS * np.sqrt(beyond_G / np.maximum(found_G, 1e-300))[:, None])


def box_of(context: Context, optimizers: Sequence[str]) -> tuple[Axis, ...]:
    """The hyperparameters of these optimizers, in the box that all of the study's share."""
    found: dict[str, Axis] = {}
    for optimizer in optimizers:
        for name, own in context.study.search_spaces[optimizer].ranges.items():
            found.setdefault(name, axis_of(name, own, context.shared_box.get(name)))
    return tuple(found[name] for name in context.study.hyperparameters if name in found)


def fit_surface(
    cells: Cells | None,
    settings: Mapping[str, Array],
    axes: tuple[Axis, ...],
    *,
    chance: float,
    margin: float | None,
) -> Fit | Unknown:
    """The surface of max(mean accuracy, chance) over the points of `cells`.

    Args:
        settings: hyperparameter -> its value at each point, (P,).
        chance: what lies below counts as this; -inf for differences.
        margin: what is equivalent, in accuracy; None asks for no R².
    """
    if not axes:
        return Unknown(reason="the optimizer has no hyperparameters")
    if cells is None or cells.n == 0:
        return Unknown(reason=NO_MAP)
    unit_PH = np.stack([axis.unit(settings[axis.name]) for axis in axes], axis=1)
    rows = np.flatnonzero(cells.present_PS.any(axis=1) & np.isfinite(unit_PH).all(axis=1))
    if len(rows) < LEAST_POINTS:
        return Unknown(reason=f"{len(rows)} points; a surface needs at least {LEAST_POINTS}")
    rows = rows[subset(cells.replicate_P[rows], _MOST_POINTS)]
    accuracy_PS, unit_PH = cells.accuracy_PS[rows], unit_PH[rows]
    mean_P, deviation_PS = point_means(clipped(accuracy_PS, chance))
    variance_P, degrees_P = seed_variances(accuracy_PS)
    count_P = np.isfinite(accuracy_PS).sum(axis=1)
    noise_P = moderated(unit_PH, variance_P, degrees_P) / count_P
    nugget = not (degrees_P > 0).any()
    replicate_P = cells.replicate_P[rows]
    few = subset(replicate_P, _MOST_FITTED)
    sizes = fit_sizes(unit_PH[few], mean_P[few], noise_P[few], nugget=nugget)
    process = condition(unit_PH, mean_P, noise_P, sizes)
    folds = len(np.unique(replicate_P)) if cells.has_replicates else 0
    whole = folds >= _LEAST_FOLDS
    quality = _judge(
        process,
        replicate_P if whole else np.arange(len(rows)),
        noise_P + sizes.nugget,
        margin,
        method=_method(nugget, whole, len(few), len(rows), cells),
    )
    return Fit(
        axes=axes,
        process=process,
        quality=quality,
        noise_P=noise_P,
        group_P=jackknife_groups(cells)[rows],
        deviation_PS=deviation_PS,
        variance_P=variance_P,
        n=int(np.isfinite(accuracy_PS).sum()),
    )


def subset(group_P: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Indices of at most `most` points: whole groups while they fit, then evenly spaced ones."""
    P = len(group_P)
    if most >= P:
        return np.arange(P)
    order = np.argsort(group_P, kind="stable")
    sizes = np.bincount(group_P)
    fitting = int(np.searchsorted(np.cumsum(sizes[sizes > 0]), most, side="right"))
    if fitting > 1 and sizes.max() > 1:
        return np.sort(order[: int(np.cumsum(sizes[sizes > 0])[fitting - 1])])
    return np.asarray(np.linspace(0, P - 1, most).round().astype(np.int64))


def _judge(
    process: Process,
    group_P: NDArray[np.int64],
    noise_P: Array,
    margin: float | None,
    *,
    method: str,
) -> Quality:
    predicted_P, variance_P = process.left_out(group_P)
    error_P = process.mean_P - predicted_P
    mean_square = float(np.mean(error_P**2))
    spread = float(process.mean_P.var())
    r2 = 1.0 - mean_square / spread if spread > SAME**2 else 0.0
    inflation = max(1.0, float(np.mean(error_P**2 / variance_P)))
    inside_P = np.abs(error_P) <= _NORMAL_95 * np.sqrt(inflation * variance_P)
    coverage = float(inside_P.mean())
    beyond = _most_beyond(error_P**2 - noise_P)
    reason = ""
    if margin is not None and r2 < LEAST_R2 and beyond > margin:
        reason = (
            f"settings left out are predicted with R² = {r2:.2f}, which is below {LEAST_R2}, and "
            f"their noise leaves room for an error of {beyond:.3f}, more than the margin {margin:g}"
        )
    elif coverage < LEAST_COVERAGE:
        reason = (
            f"its 95 % intervals cover only {coverage:.0%} of the settings left out: "
            "accuracy changes too suddenly for a smooth surface"
        )
    return Quality(
        usable=not reason,
        reason=reason,
        r2=r2,
        rmse=float(np.sqrt(mean_square)),
        coverage=coverage,
        inflation=inflation,
        unexplained=_share(float(np.mean(error_P**2 - noise_P)), spread),
        n_points=len(error_P),
        method=method,
    )


def _share(part: float, whole: float) -> float:
    return float(np.clip(part / whole, 0.0, 1.0)) if whole > SAME**2 else 0.0


def _most_beyond(excess_P: Array) -> float:
    """The upper 95 % limit of the root mean squared error beyond noise, from squares less noise."""
    limit = float(excess_P.mean() + _ONE_SIDED_95 * excess_P.std() / np.sqrt(len(excess_P)))
    return float(np.sqrt(max(limit, 0.0)))


def _method(nugget: bool, whole: bool, fitted: int, used: int, cells: Cells) -> str:
    noise = "one noise for all points, estimated" if nugget else "each point's own noise"
    left = "a replicate" if whole else "a point"
    text = f"Gaussian process, Matérn 5/2, {noise}; judged by leaving out {left} at a time"
    there = int(cells.present_PS.any(axis=1).sum())
    if used < there:
        text += f"; made from {used} of {there} points"
    if fitted < used:
        text += f"; its lengths from {fitted} of them"
    return text
