"""The lengths at which `equal_radius` asks whose direction is better.

In: the trainings of the phase `key`, with the measured lengths of their steps. Out: the decade of
lengths in which directions differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.lenses.curves import BANDWIDTH, KeyCurve

__all__ = ["KEPT", "decade_of_radii", "radius_at_the_edge"]

Array = NDArray[np.float64]

#: Of best − trivial, what a curve keeps where it does not fail yet.
KEPT = 0.9


def radius_at_the_edge(
    key: KeyCurve, x_N: Array, radius_N: Array, *, best: float, trivial: float
) -> float | None:
    """The median length of step at the largest key that still keeps nine tenths.

    Args:
        key: the curve of the phase `key`.
        x_N: log10 of the key of its trainings.
        radius_N: their measured lengths; NaN and 0 are passed over.
        best, trivial: between which nine tenths are kept.

    Returns:
        None where the curve keeps nine tenths to the end of its range, or nowhere: there no
        length is known at which it begins to fail.
    """
    keeps_G = key.curve_G >= trivial + KEPT * (best - trivial)
    if not keeps_G.any() or keeps_G[-1]:
        return None
    edge = key.grid_G[np.flatnonzero(keeps_G)[-1]]
    known_N = np.isfinite(radius_N) & (radius_N > 0)
    if not known_N.any():
        return None
    weight_N = np.exp(-0.5 * ((x_N[known_N] - edge) / BANDWIDTH) ** 2)
    return float(_weighted_median(radius_N[known_N], weight_N))


def decade_of_radii(edges: Sequence[float]) -> tuple[float, float]:
    """The decade of lengths around the smallest of the optimizers' edges.

    There the first of the two begins to fail; a wider range would only dilute what differs.
    """
    middle = min(edges)
    return middle / np.sqrt(10), middle * np.sqrt(10)


def _weighted_median(value_N: Array, weight_N: Array) -> float:
    order = np.argsort(value_N)
    share_N = np.cumsum(weight_N[order])
    return float(value_N[order][np.searchsorted(share_N, share_N[-1] / 2)])
