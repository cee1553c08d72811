"""The spread of an estimate over groups of points left out in turn.

In: the groups, and what is estimated without each. Out: `Estimate`s. Must not import pandas,
torch, Ray or Optuna.

For estimates without a first-order expansion: those of forests, of rearranged points, of fitted
surfaces. The variance is (R - 1)/R times the sum of squares about the mean of the R estimates,
each without one group (P. Kott, "The delete-a-group jackknife", 2001), on R - 1 degrees.

Shapes: P points, R groups.
"""

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.estimate import Estimate
from agsam_tune.analysis.table import Cells

__all__ = ["jackknife_groups", "jackknife_variance", "jackknifed"]

Array = NDArray[np.float64]

#: Fewer replicates make a jackknife of few degrees; points are then grouped instead.
_LEAST_REPLICATES = 4
_GROUPS = 8


def jackknife_groups(cells: Cells) -> NDArray[np.int64]:
    """The group of each point (P,): its replicate, or one of eight where there are under four."""
    if _by_replicate(cells):
        return cells.replicate_P
    return np.arange(len(cells.points), dtype=np.int64) % _GROUPS


def jackknife_variance(left_out_R: Array) -> Array:
    """The variance of an estimate from those without each group (first axis)."""
    R = len(left_out_R)
    return np.asarray((R - 1) * left_out_R.var(axis=0))


def jackknifed(value: float, left_out_R: Array, n: int, method: str, cells: Cells) -> Estimate:
    """An estimate in [0, 1] of n trials, its interval from the estimates without each group.

    Of an index that can come out below 0 the variance is that of what comes out.
    """
    R = len(left_out_R)
    influence_R = (left_out_R.mean() - left_out_R) * (R - 1) / R
    word = "replicates" if _by_replicate(cells) else "groups of points"
    return Estimate(
        value=float(np.clip(value, 0.0, 1.0)),
        influence_RS=influence_R[:, None],
        clusters=R,
        seeds=1,
        cluster_degrees=R - 1,
        n=n,
        method=f"{method}; t over {R} {word} left out in turn",
        low=0.0,
        high=1.0,
    )


def _by_replicate(cells: Cells) -> bool:
    return cells.has_replicates and len(np.unique(cells.replicate_P)) >= _LEAST_REPLICATES
