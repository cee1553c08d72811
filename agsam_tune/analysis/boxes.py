"""Changed search boxes: which there are, and what each makes of the points of a map.

In: ranges of hyperparameters and points in them. Out: `Change`s and weights of points. Must not
import pandas, torch, Ray or Optuna.

A box is changed in its hyperparameters' own scales (log where log), and measured in widths of the
old one, which reaches from 0 to 1. An average over a smaller box is that of the points in it.
Outside the old box nothing was run: there the points in the outermost eighth of that side stand
for what lies beyond, which assumes that accuracy goes on as it ended. Both are weights on points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.unit_cube import Axis
from agsam_tune.study import limit_problem

__all__ = [
    "CHANGES",
    "EDGE",
    "THIRDS",
    "Change",
    "changed",
    "inside",
    "possible",
    "values_of",
    "weights",
]

Array = NDArray[np.float64]

#: The share of a side's width whose points stand for what lies beyond it.
EDGE = 1 / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A new range from `low` to `high`, in widths of the old one."""

    name: str
    low: float
    high: float

    @property
    def inside(self) -> float:
        """The share of the new range that lies in the old one."""
        return (min(self.high, 1.0) - max(self.low, 0.0)) / (self.high - self.low)

    def weight(self, unit_P: Array) -> Array:
        """How often each point of the old range counts for the new one; 0 where it is NaN."""
        inside_P = (unit_P >= self.low) & (unit_P <= self.high)
        low_P, high_P = unit_P < EDGE, unit_P > 1.0 - EDGE
        beyond = (max(-self.low, 0.0), max(self.high - 1.0, 0.0))
        return np.asarray(inside_P + (low_P * beyond[0] + high_P * beyond[1]) / EDGE)


CHANGES = (
    Change(name="middle three quarters", low=1 / 8, high=7 / 8),
    Change(name="middle half", low=1 / 4, high=3 / 4),
    Change(name="lower half", low=0.0, high=1 / 2),
    Change(name="upper half", low=1 / 2, high=1.0),
    Change(name="shifted down by a quarter", low=-1 / 4, high=3 / 4),
    Change(name="shifted up by a quarter", low=1 / 4, high=5 / 4),
    Change(name="wider by 1.25", low=-1 / 8, high=9 / 8),
    Change(name="wider by 1.5", low=-1 / 4, high=5 / 4),
    Change(name="wider by 1.5 downwards", low=-1 / 2, high=1.0),
    Change(name="wider by 1.5 upwards", low=0.0, high=3 / 2),
)

THIRDS = (
    Change(name="lower third", low=0.0, high=1 / 3),
    Change(name="middle third", low=1 / 3, high=2 / 3),
    Change(name="upper third", low=2 / 3, high=1.0),
)


def possible(axis: Axis, change: Change) -> Change | None:
    """The change as far as the hyperparameter has such values, or None.

    What cannot be added at one side (no alpha is below 0) is added at the other, where it was to
    be added at both.
    """
    below = change.low < 0 and _is_no_value(axis, change.low)
    above = change.high > 1 and _is_no_value(axis, change.high)
    if not below and not above:
        return change
    both = change.low < 0 and change.high > 1
    width = change.high - change.low
    moved = Change(
        name=change.name,
        low=0.0 if below else 1.0 - width,
        high=width if below else 1.0,
    )
    fits = not _is_no_value(axis, moved.high) and not _is_no_value(axis, moved.low)
    return moved if both and fits else None


def changed(axes: Sequence[Axis], changes: Sequence[Change]) -> list[dict[str, Change]]:
    """For each change that is possible: hyperparameter -> how its range changes.

    With several axes those that cannot change in that way stay as they are. Changes that come to
    the same box are given once.
    """
    found: list[dict[str, Change]] = []
    for change in changes:
        own = {axis.name: possible(axis, change) for axis in axes}
        known = {name: new for name, new in own.items() if new is not None}
        boxes = [{name: (c.low, c.high) for name, c in other.items()} for other in found]
        if known and {name: (c.low, c.high) for name, c in known.items()} not in boxes:
            found.append(known)
    return found


def values_of(axes: Sequence[Axis], change: Mapping[str, Change]) -> dict[str, list[float]]:
    """The new box: hyperparameter -> [low, high] for those that change."""
    return {
        axis.name: [
            float(axis.values(end)) for end in (change[axis.name].low, change[axis.name].high)
        ]
        for axis in axes
        if axis.name in change
    }


def weights(unit_P: Mapping[str, Array], change: Mapping[str, Change]) -> Array:
    """How often each point counts when several ranges change together, (P,)."""
    return np.asarray(np.prod([change[name].weight(unit_P[name]) for name in change], axis=0))


def inside(names: Sequence[str], change: Mapping[str, Change]) -> float:
    """The share of the new box that lies in the old one, in these hyperparameters."""
    return float(np.prod([change[name].inside for name in names if name in change]))


def _is_no_value(axis: Axis, unit: float) -> bool:
    return limit_problem(axis.name, float(axis.values(unit))) is not None
