"""What one optimizer's trainings say: curves along the key, what it reaches, how far it is off.

In: `Data`. Out: curves and estimates that lenses, metrics and figures share. Must not import
torch, Ray or Optuna.

Shapes: N trainings of one optimizer in one phase.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.data import LENGTH, Data, PhaseData
from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.lenses.estimates import Estimate, difference, mean_estimate
from agsam_tune.analysis.lenses.own_scale import BEST_WIDTH, best_over_key
from agsam_tune.analysis.own_best import own_bests

__all__ = [
    "best_of",
    "curve_of",
    "factors_of",
    "key_curve",
    "key_range",
    "log_key",
    "mean_of",
    "minus",
    "tuned",
]

Array = NDArray[np.float64]
Ends = tuple[float, float]


def key_range(data: Data, phase: str) -> Ends | None:
    """log10 of the ends of what `key`, `off` or `radius` drew from, or None where not known."""
    if phase == "radius":
        ends = data.facts.radius_range or _given_range(data)
    elif phase in data.facts.ranges:
        ends = data.facts.ranges[phase]
    elif data.study.key_box is not None:
        low, high = data.study.key_box
        ends = (low / data.study.factor, high * data.study.factor)
    else:
        ends = None
    if ends is None or ends[0] <= 0:
        return None
    return float(np.log10(ends[0])), float(np.log10(ends[1]))


def _given_range(data: Data) -> Ends | None:
    phase = data.study.phase("radius")
    if phase is None or phase.low is None or phase.high is None:
        return None
    return phase.low, phase.high


def log_key(data: Data, trainings: PhaseData, phase: str = "key") -> Array:
    """log10 of the trainings' keys (N,), of the lengths of their steps in `radius`."""
    key = LENGTH if phase == "radius" else data.study.key
    value_N = trainings.settings.get(str(key), np.full(len(trainings), np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(value_N))


def key_curve(data: Data, optimizer: str, phase: str) -> KeyCurve | None:
    """The score against the key in the phase `key` or `off`, against the length in `radius`."""
    trainings, ends = data.get(optimizer, phase), key_range(data, phase)
    if trainings is None or ends is None:
        return None
    return curve_of(data, optimizer, trainings, log_key(data, trainings, phase), ends)


def curve_of(
    data: Data, optimizer: str, trainings: PhaseData, x_N: Array, ends: Ends
) -> KeyCurve | None:
    """The score of some trainings against x over `ends`; None where no x is a number."""
    known_N = np.isfinite(x_N)
    if not known_N.any():
        return None
    return KeyCurve(
        trainings.replicate_N[known_N],
        x_N[known_N],
        trainings.score_N[known_N],
        low=ends[0],
        high=ends[1],
        replicates=data.replicates[optimizer],
    )


def best_of(data: Data, optimizer: str) -> tuple[Estimate, int] | None:
    """What an optimizer reaches, to say what it loses: its best half decade of the key.

    From the phase `key`, whose other settings are defaults. Without it, from the map, whose other
    settings are anywhere, so that it is a lower bound; what has no key has its own bests' mean.

    Returns:
        the best, and how many trainings it is made from; None where there are none.
    """
    curve, keyed = key_curve(data, optimizer, "key"), data.get(optimizer, "key")
    if curve is not None and keyed is not None:
        return best_over_key(curve), len(keyed)
    own, key = data.get(optimizer, "map"), data.study.key
    box = data.study.search_spaces[optimizer].ranges.get(str(key))
    if own is not None and box is not None and box.low > 0:
        ends = (float(np.log10(box.low)), float(np.log10(box.high)))
        curve = curve_of(data, optimizer, own, log_key(data, own), ends)
        if curve is not None and ends[1] - ends[0] >= BEST_WIDTH:
            return best_over_key(curve), len(own)
    reached = tuned(data, optimizer)
    return None if reached is None else (reached, len(reached.left_out[0]))


def factors_of(data: Data, optimizer: str, trainings: PhaseData) -> dict[str, Array]:
    """By what each hyperparameter but the key is off: hyperparameter → factors (N,).

    One whose default is 0 cannot be off by a factor, and is left out.
    """
    return {
        name: trainings.settings[name] / value
        for name, value in data.study.centre(optimizer).items()
        if name != data.study.key and value != 0
    }


def tuned(data: Data, optimizer: str) -> Estimate | None:
    """The test score of the replicates' own bests; None where there is no choice."""
    own = own_bests(data, optimizer)
    if own is None:
        return None
    return mean_estimate(own.replicate_R, own.score_R, replicates=data.replicates[optimizer])


def mean_of(data: Data, optimizer: str, trainings: PhaseData, value_N: Array) -> Estimate:
    """The mean of a number of each training; there must be one or more."""
    return mean_estimate(trainings.replicate_N, value_N, replicates=data.replicates[optimizer])


def minus(data: Data, one: Estimate, other: Estimate) -> Estimate:
    """one − other of two optimizers, replicate by replicate where they share them."""
    return difference(one, other, paired=data.facts.paired)
