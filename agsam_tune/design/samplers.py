"""Optuna samplers: scrambled Sobol points and grids of this project's, and Optuna's own.

In: a sampler's name and a seed. Out: an `optuna.samplers.BaseSampler`; `SobolSampler` and
`GridSampler` work in a plain Optuna study as well. Must not import torch, Ray or the engine.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial
from scipy.stats import qmc


class _UnitCubeSampler(BaseSampler):
    """The base of samplers with a fixed list of points in the unit cube.

    A trial gets the point of its number, and the i-th parameter that it asks for gets the
    i-th coordinate, so parameters are best asked for in the same order in every trial.
    """

    @abstractmethod
    def _unit(self, number: int, dimension: int) -> float:
        """Coordinate `dimension` of point `number`, in [0, 1)."""

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,
        param_name: str,  # noqa: ARG002
        param_distribution: BaseDistribution,
    ) -> Any:
        return from_unit(self._unit(trial.number, len(trial.params)), param_distribution)


class SobolSampler(_UnitCubeSampler):
    """Scrambled Sobol points (Owen 1995; `scipy.stats.qmc.Sobol`).

    The first 2^m trials are a balanced net: every one of 2^m equal intervals of an axis
    holds one of them. Another seed is an independent scrambling.

    Args:
        seed: of the scrambling.
        dimensions: the largest number of parameters of a trial. A coordinate does not
            depend on how many parameters there are, only on this number.
    """

    def __init__(self, *, seed: int, dimensions: int = 64) -> None:
        self._engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
        self._points: npt.NDArray[np.float64] = np.empty((0, dimensions))

    def _unit(self, number: int, dimension: int) -> float:
        while number >= len(self._points):
            # Sobol sequences keep their balance when they grow by doubling.
            more = self._engine.random(max(len(self._points), 1))
            self._points = np.concatenate([self._points, more])
        return float(self._points[number, dimension])


class GridSampler(_UnitCubeSampler):
    """A full grid of cell centres; the trials after its last point begin anew.

    Args:
        points: points of the grid. Its prime factors are dealt to the axes, the largest
            first, each to the axis with the fewest levels: 128 points in three dimensions
            are 8 × 4 × 4.
        dimensions: parameters of a trial.
    """

    def __init__(self, *, points: int, dimensions: int) -> None:
        self.levels = _levels(points, dimensions)

    def _unit(self, number: int, dimension: int) -> float:
        stride = math.prod(self.levels[dimension + 1 :])
        level = number // stride % self.levels[dimension]
        return (level + 0.5) / self.levels[dimension]


def make_sampler(name: str, *, seed: int, points: int, dimensions: int) -> BaseSampler:
    """The sampler that a study file calls `name`: sobol, grid, random, tpe or gp.

    Args:
        name: the sampler's name.
        seed: of the sampler; a grid has none.
        points: points to be drawn, for a grid.
        dimensions: parameters of a point, for a grid.
    """
    if name == "sobol":
        return SobolSampler(seed=seed)
    if name == "grid":
        return GridSampler(points=points, dimensions=dimensions)
    seed %= 2**32  # what Optuna's samplers take
    if name == "random":
        return RandomSampler(seed=seed)
    if name == "tpe":
        # What changes a draw is pinned as far as Optuna takes it: defaults change between releases.
        return TPESampler(
            seed=seed,
            n_startup_trials=10,
            n_ei_candidates=24,
            group=False,
            constant_liar=True,
        )
    if name == "gp":
        return GPSampler(seed=seed, n_startup_trials=10)
    msg = f"no sampler is called {name!r}; there are sobol, grid, random, tpe and gp"
    raise ValueError(msg)


def from_unit(unit: float, distribution: BaseDistribution) -> Any:
    """The value at `unit` in [0, 1) of a distribution, uniform in its own scale."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(unit * len(distribution.choices))]
    if isinstance(distribution, IntDistribution):
        if distribution.log:
            low, high = math.log(distribution.low), math.log(distribution.high + 1)
            return min(int(math.exp(low + unit * (high - low))), distribution.high)
        levels = (distribution.high - distribution.low) // distribution.step + 1
        return distribution.low + int(unit * levels) * distribution.step
    if not isinstance(distribution, FloatDistribution):
        msg = f"cannot draw from {distribution!r}"
        raise TypeError(msg)
    if distribution.step is not None:
        levels = round((distribution.high - distribution.low) / distribution.step) + 1
        return distribution.low + int(unit * levels) * distribution.step
    return scaled(unit, distribution.low, distribution.high, log=distribution.log)


def scaled(unit: float, low: float, high: float, *, log: bool) -> float:
    """The value at `unit` between low and high, uniform in the logarithm where log is true."""
    if not log:
        return low + unit * (high - low)
    value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    return min(max(value, low), high)


def _levels(points: int, dimensions: int) -> tuple[int, ...]:
    levels = [1] * dimensions
    for prime in sorted(_prime_factors(points), reverse=True):
        levels[levels.index(min(levels))] *= prime
    return tuple(levels)


def _prime_factors(number: int) -> list[int]:
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors + ([number] if number > 1 else [])
