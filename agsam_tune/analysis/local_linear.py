"""Local-linear regression of accuracies on one coordinate, with the weights it is made from.

In: positions of points and a grid. Out: smoothing weights, from which fits, their influence and
the bandwidth follow. numpy only.

m(x) is the intercept of the least-squares line through the points weighted by a Gaussian of their
distance to x (J. Fan, "Design-adaptive nonparametric regression", 1992). It is linear in the
accuracies: m(x_g) = sum_p L_gp y_p.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["BANDWIDTHS", "Smoother", "choose_bandwidth"]

Array = NDArray[np.float64]

#: Bandwidths tried, as shares of the width of the window.
BANDWIDTHS = (0.01, 0.015, 0.02, 0.03, 0.045, 0.07, 0.1, 0.15, 0.22, 0.33)

#: Of the kernel's weights at a grid point, the ridge that keeps a line through (nearly) one point
#: defined: the slope then tends to 0 and the fit to the local mean.
_RIDGE = 0.01


#: Points that a bandwidth is judged by: an error in its choice is of no account beyond.
_MOST_SCORED = 200


class Smoother:
    """The fit at a grid of positions: fixed weights on the points' accuracies.

    Attributes:
        x_P, grid_G, bandwidth: what it was made from.
        weights_GP: m(x_g) = sum_p weights_GP y_p; rows sum to 1.
        offsets_GP: x_p - x_g, to follow the fitted line from x_g to each point.
    """

    def __init__(self, x_P: Array, grid_G: Array, bandwidth: float) -> None:
        self.x_P, self.grid_G, self.bandwidth = x_P, grid_G, bandwidth
        self.offsets_GP = x_P[None, :] - grid_G[:, None]
        scaled = self.offsets_GP / bandwidth
        # The nearest point has weight 1, however far: a far grid point still has a fit.
        exponent = scaled**2 - (scaled**2).min(axis=1, keepdims=True)
        self.kernel_GP = np.exp(-0.5 * exponent)
        s0 = self.kernel_GP.sum(axis=1)
        s1 = (self.kernel_GP * self.offsets_GP).sum(axis=1)
        s2 = (self.kernel_GP * self.offsets_GP**2).sum(axis=1) + _RIDGE * s0 * bandwidth**2
        self._moments = (s0, s1, s2)
        self._determinant = s0 * s2 - s1**2
        lines = s2[:, None] - s1[:, None] * self.offsets_GP
        self.weights_GP = self.kernel_GP * lines / self._determinant[:, None]

    def halved(self) -> "Smoother":
        """The same with half the bandwidth."""
        return Smoother(self.x_P, self.grid_G, self.bandwidth / 2)

    def fit(self, y_P: Array) -> Array:
        """m at the grid, (G,)."""
        return np.asarray(self.weights_GP @ y_P)

    def slopes(self, y_P: Array) -> Array:
        """The slopes of the fitted lines at the grid, (G,)."""
        s0, s1, _ = self._moments
        weights = self.kernel_GP * (s0[:, None] * self.offsets_GP - s1[:, None])
        return np.asarray((weights / self._determinant[:, None]) @ y_P)

    def pulls(self, y_P: Array) -> Array:
        """What each point contributes to the error of m at the grid, (G, P).

        A point's weight times its distance from the line fitted at x_g: the infinitesimal
        jackknife (Efron, 1982; White's HC0 for one observation a point).
        """
        line_GP = self.fit(y_P)[:, None] + self.slopes(y_P)[:, None] * self.offsets_GP
        return np.asarray(self.weights_GP * (y_P[None, :] - line_GP))


def choose_bandwidth(curves: Sequence[tuple[Array, Array]], low: float, high: float) -> float:
    """The one bandwidth for several curves (x_P, y_P) on the window [low, high].

    The one of `BANDWIDTHS` (times the window's width) with the least squared error of predicting
    each point inside the window from all the others, added up over the curves.
    """
    errors = [
        sum(_left_out_error(x, y, low, high, share * (high - low)) for x, y in curves)
        for share in BANDWIDTHS
    ]
    return BANDWIDTHS[int(np.argmin(errors))] * (high - low)


def _left_out_error(x_P: Array, y_P: Array, low: float, high: float, bandwidth: float) -> float:
    inside = np.flatnonzero((x_P >= low) & (x_P <= high))
    if len(inside) > _MOST_SCORED:
        inside = inside[np.linspace(0, len(inside) - 1, _MOST_SCORED).astype(int)]
    smoother = Smoother(x_P, x_P[inside], bandwidth)
    leverage = np.minimum(smoother.weights_GP[np.arange(len(inside)), inside], 1 - 1e-6)
    return float(np.sum(((y_P[inside] - smoother.fit(y_P)) / (1 - leverage)) ** 2))
