"""Settings as points of the unit cube: each hyperparameter in its own scale.

In: settings and their ranges. Out: coordinates, and values again. Must not import pandas, torch,
Ray or Optuna.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.study import Range, SearchSpace

__all__ = ["Axis", "axis_of", "to_unit"]

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


def axis_of(name: str, own: Range, shared: tuple[float, float] | None = None) -> Axis:
    """A hyperparameter's range, or the part of it that all optimizers share."""
    low, high = (own.low, own.high) if shared is None else shared
    return Axis(name=name, low=low, high=high, log=own.log)


def to_unit(settings: Mapping[str, Array], space: SearchSpace) -> Array:
    """Coordinates (P, H) of settings hyperparameter -> (P,), in the order of `space.names`.

    A setting outside its range is outside [0, 1].
    """
    columns = [axis_of(name, space.ranges[name]).unit(settings[name]) for name in space.names]
    return np.stack(columns, axis=1)
