"""The order in which each row of a pack sees its examples.

In: a key for each row. Out: a permutation for each. Must not import PyTorch, Ray or Optuna.

Shapes: K rows (models), N examples of a row.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit


@njit
def _scrambled(state):
    """The output of SplitMix64 (Steele, Lea & Flood 2014) at a state."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _compiled(*, cache: bool) -> Callable[..., None]:
    """Raises RuntimeError where it is to be cached and no folder can be written to."""

    @njit(cache=cache, boundscheck=False)
    def shuffle(key_K, first_K, order_KN):
        """first, first + 1, … in an order of each row's own, written to `order_KN`.

        It is Fisher and Yates's, with a number of 32 bits for each place: of 60,000 examples none
        is likelier at a place than another by more than a part in 70,000. NumPy's own takes three
        times as long, which is felt where steps are short.
        """
        for k in range(len(key_K)):
            state, order_N = key_K[k], order_KN[k]
            for i in range(len(order_N)):
                order_N[i] = first_K[k] + i
            for i in range(len(order_N) - 1, 0, -1):
                state += np.uint64(0x9E3779B97F4A7C15)
                drawn = (_scrambled(state) >> np.uint64(32)) * np.uint64(i + 1)
                j = np.int64(drawn >> np.uint64(32))
                order_N[i], order_N[j] = order_N[j], order_N[i]

    found: Callable[..., None] = shuffle
    return found


try:
    shuffle = _compiled(cache=True)
except RuntimeError:
    shuffle = _compiled(cache=False)
