"""Settings as points of the unit cube: each hyperparameter in its own scale.

In: settings and their ranges. Out: coordinates, and values again. Must not import pandas, torch,
Ray or Optuna.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.study import Range

__all__ = ["Axis", "axis_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One hyperparameter's side of a box, in its own scale."""

    name: str
    low: float
    high: float
    log: bool

    def unit(self, values: Array) -> Array:
        """Where in the range the values lie: 0 at its low end, 1 at its high one."""
        if self.log:
            return np.asarray(np.log(values / self.low) / np.log(self.high / self.low))
        return np.asarray((values - self.low) / (self.high - self.low))

    def values(self, unit: Array | float) -> Array:
        """The inverse of `unit`."""
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** unit)
        return np.asarray(self.low + unit * (self.high - self.low))


def axis_of(name: str, own: Range) -> Axis:
    """A hyperparameter's range as a side of the cube."""
    return Axis(name=name, low=own.low, high=own.high, log=own.log)
