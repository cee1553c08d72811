"""A smooth picture of scattered accuracies, for figures only: no estimate is made from it.

In: points in the unit square and their accuracies. Out: local means on a grid. numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REACH = 2.0
"""A cell farther than this many bandwidths from every point stays blank."""


def bandwidth(n: int) -> float:
    """1.1 times the spacing of n points in a square, within [0.05, 0.16] of its side.

    A Gaussian of that width averages over about 4π·1.1² ≈ 15 points: enough to show a slope through
    the third hyperparameter's scatter, too few to flatten it.
    """
    return float(np.clip(1.1 / np.sqrt(max(n, 1)), 0.05, 0.16))


def local_means(x_N: Floats, y_N: Floats, values_N: Floats, *, cells: int = 56) -> Floats:
    """Gaussian-weighted means of the values at the centres of cells × cells squares of [0, 1]².

    Nadaraya–Watson with one bandwidth: each cell is a weighted mean of measured values, so it never
    leaves their range and shows no ripple between points. Rows of the result are y, columns x; NaN
    where no point is within two bandwidths, so nothing is drawn where nothing was measured.
    """
    width = bandwidth(len(values_N))
    centres = (np.arange(cells) + 0.5) / cells
    dx_CN = (centres[:, None] - x_N[None, :]) / width
    dy_CN = (centres[:, None] - y_N[None, :]) / width
    # exp(−(dx²+dy²)/2) is a product: two small matrices instead of cells² × N distances.
    kx_CN, ky_CN = np.exp(-0.5 * dx_CN**2), np.exp(-0.5 * dy_CN**2)
    weight_CC = ky_CN @ kx_CN.T
    total_CC = (ky_CN * values_N) @ kx_CN.T
    near_CC = _nearest(dx_CN, dy_CN) <= REACH
    means = np.full((cells, cells), np.nan)
    np.divide(total_CC, weight_CC, out=means, where=near_CC & (weight_CC > 0))
    return means


def _nearest(dx_CN: Floats, dy_CN: Floats) -> Floats:
    """Distance in bandwidths from each cell (rows y, columns x) to the nearest point."""
    rows = [np.sqrt((dx_CN**2 + dy_N**2).min(axis=1, initial=np.inf)) for dy_N in dy_CN]
    return np.stack(rows)
