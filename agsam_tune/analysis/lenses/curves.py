"""The score against the key: a smooth curve, and the largest mean of it over a window.

In: trainings as (replicate, log10 of the key, score). Out: the curve, and the best window with the
values without each replicate.

The curve is a local-linear fit (J. Fan, "Design-adaptive nonparametric regression", JASA 87, 1992)
with a Gaussian kernel of one width for all, in decades: a width that followed the box would give
the wider box the smoother curve. Where trainings are few its slope is held back, since a line
through what lies to one side goes anywhere (B. Seifert and T. Gasser, "Finite-sample variance of
local polynomials", JASA 91, 1996). It is a function of five sums over trainings, which add up over
replicates.

A window is chosen where its mean is largest, and the largest of noisy numbers is too large. So it
is chosen on one half of the replicates and measured on the other, and conversely, and the two are
averaged. Since both are maxima, a window that is a little off costs nothing to first order.

Shapes: N trainings, R replicates, G points of the grid, C windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from agsam_tune.analysis.lenses.estimates import Estimate

__all__ = ["BANDWIDTH", "KeyCurve", "Window"]

Array = NDArray[np.float64]

#: The kernel's standard deviation in decades of the key.
BANDWIDTH = 0.13

#: The grid's largest step in decades: a fifth of the bandwidth, beyond which sums of the curve
#: over a window change by less than 1e-4 of its height.
_STEP = 0.026

#: The variance of the weighted keys counts as at least this share of their squared distance from
#: where the curve is wanted, so that the curve lies within two standard deviations of the scores
#: around it. At the end of dense trainings the share is 0.57, and nothing is held back.
_LEAST_SPREAD = 0.25

#: No training weighs less, so that far from all of them the curve is their mean.
_LEAST_WEIGHT = 1e-250


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The best window of a curve.

    Attributes:
        mean: the curve's mean over the window, chosen on one half and measured on the other.
        centres: log10 of the key at the window's middle, as each half chose it.
    """

    mean: Estimate
    centres: tuple[float, float]


class KeyCurve:
    """The score of one optimizer against log10 of its key, over [low, high].

    Args:
        replicate_N: which replicate each training belongs to, in [0, R).
        x_N: log10 of the key.
        score_N: higher is better.
        low, high: where the curve is wanted, log10.
        replicates: R; every replicate may be empty, but not all.
    """

    def __init__(
        self,
        replicate_N: NDArray[np.int64],
        x_N: Array,
        score_N: Array,
        *,
        low: float,
        high: float,
        replicates: int,
    ) -> None:
        steps = max(int(np.ceil((high - low) / _STEP - 1e-9)), 1)
        self.grid_G: Array = np.linspace(low, high, steps + 1)
        order_N = np.argsort(replicate_N, kind="stable")
        replicate_N, x_N, score_N = replicate_N[order_N], x_N[order_N], score_N[order_N]
        offset_NG = (x_N[:, None] - self.grid_G) / BANDWIDTH
        kernel_NG = np.maximum(np.exp(-0.5 * offset_NG**2), _LEAST_WEIGHT)
        terms = [kernel_NG, kernel_NG * offset_NG, kernel_NG * offset_NG**2]
        terms += [term * score_N[:, None] for term in terms[:2]]
        present_R, first_R = np.unique(replicate_N, return_index=True)
        self._sums_R5G = np.zeros((replicates, len(terms), len(self.grid_G)))
        for i, term_NG in enumerate(terms):
            self._sums_R5G[present_R, i] = np.add.reduceat(term_NG, first_R, axis=0)

    @property
    def curve_G(self) -> Array:
        """The curve of all replicates at `grid_G`."""
        return _fitted(self._sums_R5G.sum(axis=0))

    @property
    def curves_left_out_RG(self) -> Array:
        """The curve without each replicate."""
        return _fitted(_without_each(self._sums_R5G))

    def band_G(self, confidence: float) -> Array:
        """Half the width (G,) of pointwise intervals; NaN of a single replicate."""
        degrees = len(self._sums_R5G) - 1
        if degrees < 1:
            return np.full(len(self.grid_G), np.nan)
        reach = -float(stdtrit(degrees, (1 - confidence) / 2))
        return np.asarray(reach * np.sqrt(degrees * np.var(self.curves_left_out_RG, axis=0)))

    def window_means(self, width: float, low: float, high: float) -> tuple[Array, Array]:
        """Centres (C,) in [low, high] and the mean of the whole curve over each window."""
        centre_C = self._centres(width, low, high)
        return centre_C, self._means(self.curve_G, centre_C, width)

    def window_means_left_out(self, width: float, low: float, high: float) -> Array:
        """The same without each replicate, (R, C)."""
        return self._means(self.curves_left_out_RG, self._centres(width, low, high), width)

    def best_window(self, width: float, low: float, high: float) -> Window:
        """The largest mean over a window of `width` decades whose middle lies in [low, high]."""
        centre_C = self._centres(width, low, high)
        R = len(self._sums_R5G)
        half_R = np.arange(R) % 2
        half_sums = np.stack([self._sums_R5G[half_R == h].sum(axis=0) for h in (0, 1)])
        # Where a half has no trainings, the other stands in for it.
        half_sums = np.where(_empty(half_sums), half_sums[::-1], half_sums)
        without = np.empty_like(self._sums_R5G)
        for h in np.unique(half_R):
            without[half_R == h] = _without_each(self._sums_R5G[half_R == h])
        alone_R = _empty(without)[:, 0, 0]
        whole_2C = self._means(_fitted(half_sums), centre_C, width)
        without_RC = self._means(_fitted(without), centre_C, width)
        value, chosen = _measured_across(whole_2C)
        left_out_R = np.empty(R)
        for r, half in enumerate(half_R):
            if alone_R[r]:  # what is left is the other half, where this one placed the window
                left_out_R[r] = whole_2C[1 - half, chosen[half]]
                continue
            pair_2C = whole_2C.copy()
            pair_2C[half] = without_RC[r]
            left_out_R[r] = _measured_across(pair_2C)[0]
        return Window(
            mean=Estimate(value=value, left_out=(left_out_R,)),
            centres=(float(centre_C[chosen[0]]), float(centre_C[chosen[1]])),
        )

    def _centres(self, width: float, low: float, high: float) -> Array:
        first, last = self.grid_G[0] + width / 2, self.grid_G[-1] - width / 2
        low, high = max(low, first), min(high, last)
        if high < low - 1e-9:
            msg = f"no window of {width:.3g} decades fits between {low:.3g} and {high:.3g}"
            raise ValueError(msg)
        return np.linspace(low, max(high, low), max(int(np.ceil((high - low) / _STEP)), 0) + 1)

    def _means(self, curve: Array, centre_C: Array, width: float) -> Array:
        """Means of curves (…, G) over windows, (…, C): integrals of lines between grid points."""
        step = self.grid_G[1] - self.grid_G[0]
        pieces = (curve[..., 1:] + curve[..., :-1]) * (step / 2)
        integral = np.concatenate([np.zeros((*curve.shape[:-1], 1)), pieces.cumsum(-1)], axis=-1)

        def up_to(x_C: Array) -> Array:
            position_C = (x_C - self.grid_G[0]) / step
            i = np.clip(np.floor(position_C).astype(int), 0, len(self.grid_G) - 2)
            share_C = position_C - i
            slope = curve[..., i + 1] - curve[..., i]
            return np.asarray(
                integral[..., i] + step * share_C * (curve[..., i] + slope * share_C / 2)
            )

        return (up_to(centre_C + width / 2) - up_to(centre_C - width / 2)) / width


def _without_each(sums_R5G: Array) -> Array:
    """The sums of all replicates but each one: added up, since what is small would be lost in
    differences of what is large."""
    nothing = np.zeros_like(sums_R5G[:1])
    before_R5G = np.concatenate([nothing, sums_R5G[:-1]]).cumsum(axis=0)
    after_R5G = np.concatenate([nothing, sums_R5G[:0:-1]]).cumsum(axis=0)[::-1]
    return np.asarray(before_R5G + after_R5G)


def _empty(sums_R5G: Array) -> NDArray[np.bool_]:
    """Which sums are of no trainings, (R, 1, 1)."""
    return np.asarray(~sums_R5G[:, :1].any(axis=-1, keepdims=True))


def _fitted(sums_5G: Array) -> Array:
    """The curve (…, G) from its five sums (…, 5, G)."""
    s0, s1, s2, t0, t1 = (sums_5G[..., i, :] for i in range(5))
    weight = np.where(s0 > 0, s0, 1.0)
    offset, mean = s1 / weight, t0 / weight
    spread = np.maximum(s2 / weight - offset**2, _LEAST_SPREAD * offset**2)
    together = t1 / weight - offset * mean
    return np.asarray(mean - offset * together / np.where(spread > 0, spread, 1.0))


def _measured_across(means_2C: Array) -> tuple[float, tuple[int, int]]:
    """Each half's best window measured on the other half, the mean of both; and which they are."""
    even, odd = (int(np.argmax(means_C)) for means_C in means_2C)
    return float(means_2C[1, even] + means_2C[0, odd]) / 2, (even, odd)
