"""Settings as points of the unit cube: each hyperparameter in its own scale.

In: settings and their ranges. Out: coordinates. Must not import pandas, torch, Ray or Optuna.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agsam_tune.study import SearchSpace

__all__ = ["to_unit"]

Array = NDArray[np.float64]


def to_unit(settings: Mapping[str, Array], space: SearchSpace) -> Array:
    """Coordinates (P, H) of settings hyperparameter -> (P,), in the order of `space.names`.

    0 is a range's low and 1 its high end, linear in the logarithm where the range is; a setting
    outside its range is outside [0, 1].
    """
    columns = []
    for name in space.names:
        own, values = space.ranges[name], settings[name]
        if own.log:
            columns.append(np.log(values / own.low) / np.log(own.high / own.low))
        else:
            columns.append((values - own.low) / (own.high - own.low))
    return np.stack(columns, axis=1)
