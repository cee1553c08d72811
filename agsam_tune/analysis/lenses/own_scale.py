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
        too_narrow: the end of the union of the boxes, "low" or "high", beyond which the best
            placement seems to lie; else None.
    """

    best: Estimate
    score: Estimate
    regret: Estimate
    placements: tuple[float, float]
    too_narrow: str | None


def own_scale(
    best: Estimate, off: KeyCurve, *, box: tuple[float, float], factor: float, margin: float
) -> OwnScale:
    """The lens's two numbers of one optimizer.

    Args:
        best: what the key alone reaches, of `best_over_key`.
        off: the curve of the phase `off`, over the box and `factor` beyond it.
        box: log10 of both ends of the union of the boxes.
        factor: F > 1.
        margin: the lens's margin, in terms of the score.
    """
    width = 2 * np.log10(factor)
    window = off.best_window(width, *box)
    return OwnScale(
        best=best,
        score=window.mean,
        regret=best - window.mean,
        placements=window.centres,
        too_narrow=_too_narrow(off, box, width, margin),
    )


def best_over_key(key: KeyCurve) -> Estimate:
    """The best half decade of the curve of `key`, anywhere on it; all of a shorter curve."""
    low, high = key.grid_G[0], key.grid_G[-1]
    return key.best_window(min(BEST_WIDTH, high - low), low, high).mean


def _too_narrow(off: KeyCurve, box: tuple[float, float], width: float, margin: float) -> str | None:
    """The end whose window exceeds all that lie d inside it by more than margin · 2d."""
    low, high = box
    depth = min(BEST_WIDTH, high - low)
    centre_C, mean_C = off.window_means(width, low, high)
    for end, at, inside in (
        ("low", mean_C[0], mean_C[centre_C >= low + depth - 1e-9]),
        ("high", mean_C[-1], mean_C[centre_C <= high - depth + 1e-9]),
    ):
        if inside.size and at - inside.max() > margin * 2 * depth:
            return end
    return None
