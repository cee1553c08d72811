"""`own_scale`: how an optimizer does that may be off by up to F in everything, well placed.

In: the trainings of the phases `key` and `off`. Out: the best that the key alone reaches, the
robust score S, their difference, and whether the box was too narrow to say so.

S is the largest mean of the score while all is off, over a window [c/F, c·F] of the key with the
placement c anywhere in the union of both boxes: the expected score of someone who may be off by F
in everything and places himself as well as possible. Nothing depends on the unit of the key, on
the box, or on a hyperparameter that merely multiplies the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.lenses.estimates import Estimate

__all__ = ["BEST_WIDTH", "OwnScale", "best_over_key", "own_scale"]

#: Decades over which the best is a mean: the curve at one key would be luck.
BEST_WIDTH = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnScale:
    """One optimizer on its own scale.

    Attributes:
        best: the largest mean over half a decade of the curve whose other settings are defaults.
        score: S, the largest mean of what is off over a window of [c/F, c·F].
        regret: best − score.
        placements: log10 of c, as each half of the replicates chose it.
        rises: what the score gains in the last decade of placements before the low and before
            the high end of the union of the boxes; 0 where it does not rise to that end.
    """

    best: Estimate
    score: Estimate
    regret: Estimate
    placements: tuple[float, float]
    rises: tuple[float, float]

    def rising_end(self, least: float) -> str | None:
        """The end to which the score rises by at least so much a decade, "low" or "high"."""
        low, high = self.rises
        if max(low, high) <= 0 or max(low, high) < least:
            return None
        return "low" if low >= high else "high"


def own_scale(
    best: Estimate, off: KeyCurve, *, box: tuple[float, float], factor: float
) -> OwnScale:
    """The lens's two numbers of one optimizer.

    Args:
        best: what the key alone reaches, of `best_over_key`.
        off: the curve of the phase `off`, over the box and `factor` beyond it.
        box: log10 of both ends of the union of the boxes.
        factor: F > 1.
    """
    width = 2 * np.log10(factor)
    window = off.best_window(width, *box)
    return OwnScale(
        best=best,
        score=window.mean,
        regret=best - window.mean,
        placements=window.centres,
        rises=_rises(off, box, width),
    )


def best_over_key(key: KeyCurve) -> Estimate:
    """The best half decade of the curve of `key`, anywhere on it; all of a shorter curve."""
    low, high = key.grid_G[0], key.grid_G[-1]
    return key.best_window(min(BEST_WIDTH, high - low), low, high).mean


def _rises(off: KeyCurve, box: tuple[float, float], width: float) -> tuple[float, float]:
    """By how much an end's window exceeds all that lie d inside it, as of a whole decade.

    Ends are those of the placements that the curve has room for: a table's keys, or a
    hyperparameter's limits, may end before F beyond the box.
    """
    centre_C, mean_C = off.window_means(width, *box)
    depth = min(BEST_WIDTH, centre_C[-1] - centre_C[0])
    if depth < 1e-9:  # one placement alone: what the window would gain and lose beside it
        falls = float(off.curve_G[0] - off.curve_G[-1]) / width
        return max(falls, 0.0), max(-falls, 0.0)
    low_inside = mean_C[centre_C >= centre_C[0] + depth - 1e-9]
    high_inside = mean_C[centre_C <= centre_C[-1] - depth + 1e-9]
    return (
        max(float(mean_C[0] - low_inside.max()) / depth, 0.0),
        max(float(mean_C[-1] - high_inside.max()) / depth, 0.0),
    )
