"""The points of all phases but `tune`.

In: a study; for `misset` an own best, for `radius` a range where the study gives none. Out: the
trials of each phase. Everything is drawn for a replicate and for all optimizers together, from
streams of its own, so it is paired across optimizers and independent between replicates; no
stream hashes the task, so it is paired across tasks too. Must not import torch, Ray or the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution

from agsam_tune.design.samplers import make_sampler, scaled
from agsam_tune.streams import stream, stream_seed
from agsam_tune.study import (
    MISSET_LARGEST,
    Phase,
    SearchSpace,
    Study,
    canonical_order,
    misset_kind,
    seeds_of,
)
from agsam_tune.trials import Trial

Values = Mapping[str, float]
#: The values of an optimizer's hyperparameters at each point of a replicate.
Points = Callable[[Study, Phase, str, int], list[dict[str, float]]]


def drawn_trials(
    study: Study, *, radius_range: tuple[float, float] | None = None
) -> tuple[Trial, ...]:
    """All trials that follow from the study alone, by phase, replicate, optimizer, point, seed.

    Args:
        study: the study.
        radius_range: shortest and longest step of `radius` where the study gives none; without
            it `radius` is left out then.
    """
    kinds: dict[str, Points] = {
        "map": _box,
        "key": _key,
        "off": _off,
        "default": _default,
        "iid": _box,
    }
    trials: list[Trial] = []
    for phase in study.phases:
        if phase.name == "radius":
            trials += radius_trials(study, radius_range)
        elif phase.name == "fixed":
            trials += _fixed_trials(study, phase)
        elif phase.name in kinds:
            trials += _replicates(study, phase, kinds[phase.name])
    return tuple(trials)


def radius_trials(study: Study, found: tuple[float, float] | None) -> tuple[Trial, ...]:
    """The trials of `radius`, by replicate, optimizer and point; rho stands for the exact length.

    Args:
        study: the study.
        found: shortest and longest step where the study gives none; None draws nothing then.
    """
    phase = study.phase("radius")
    if phase is None:
        return ()
    ends = (phase.low, phase.high) if phase.low is not None and phase.high is not None else found
    if ends is None:
        return ()
    low, high = ends

    def points(
        study: Study, phase: Phase, optimizer: str, replicate: int
    ) -> list[dict[str, float]]:
        lengths = _log_uniform(_strata(study, phase, replicate, "rho"), low, high)
        around = _around(study, phase, optimizer, replicate, without="rho")
        return [{**values, "rho": r} for values, r in zip(around, lengths, strict=True)]

    return tuple(_replicates(study, phase, points))


def misset_trials(study: Study, optimizer: str, replicate: int, best: Values) -> tuple[Trial, ...]:
    """The trials of `misset` for one optimizer in one replicate, by index.

    A best value of zero is replaced by the default before it is multiplied.

    Args:
        study: a study with a `misset` phase.
        optimizer: one with hyperparameters.
        replicate: from 0.
        best: its own best point in this replicate.
    """
    phase = _phase(study, "misset")
    ranges = study.search_spaces[optimizer].ranges
    together = {n: _strata(study, phase, replicate, n) for n in ranges}
    trials: list[Trial] = []
    for index in range(phase.points or 0):
        kind = misset_kind(study, optimizer, replicate, index)
        values = {name: best[name] for name in ranges}
        for name, box in ranges.items():
            factor = kind.factor if name == kind.hyperparameter else None
            if kind.hyperparameter is None:
                unit = together[name][index]
                factor = scaled(float(unit), 1 / MISSET_LARGEST, MISSET_LARGEST, log=True)
            if factor is not None:
                values[name] = box.clipped(name, (best[name] or box.default) * factor)
        trials += point_trials(phase, optimizer, replicate, index, values)
    return tuple(trials)


def point_trials(
    phase: Phase, optimizer: str, replicate: int, index: int, values: Values
) -> Iterator[Trial]:
    """The trials of a point of any phase but `fixed`, one a seed."""
    points = 1 if phase.name == "default" else phase.points or 0
    for seed in seeds_of(phase, index) if values else range(1):
        yield Trial(
            optimizer=optimizer,
            phase=phase.name,
            replicate=replicate,
            index=index,
            point=replicate * points + index,
            seed=seed,
            hyperparameters=tuple((name, float(values[name])) for name in canonical_order(values)),
        )


def _replicates(study: Study, phase: Phase, points: Points) -> Iterator[Trial]:
    for replicate in range(study.replicates):
        for optimizer in study.optimizers_of(phase.name):
            own = points(study, phase, optimizer, replicate)
            for index, values in enumerate(own):
                yield from point_trials(phase, optimizer, replicate, index, values)


def _fixed_trials(study: Study, phase: Phase) -> Iterator[Trial]:
    """Points are numbered within their optimizer, so equal numbers pair across optimizers."""
    for optimizer in study.optimizers:
        own = [fixed for fixed in phase.fixed if fixed.optimizer == optimizer]
        for point, fixed in enumerate(own):
            for seed in range(phase.seeds):
                yield Trial(
                    optimizer=optimizer,
                    phase="fixed",
                    replicate=seed,
                    index=point,
                    point=point,
                    seed=seed,
                    hyperparameters=tuple(fixed.hyperparameters.items()),
                )


def _box(study: Study, phase: Phase, optimizer: str, replicate: int) -> list[dict[str, float]]:
    """A sampler's points over the box; the one point of an optimizer without hyperparameters."""
    space = study.search_spaces[optimizer]
    if not space.names:
        return [{}]
    return [_projected(unit, space) for unit in _unit_points(study, phase, replicate)]


def _key(study: Study, phase: Phase, optimizer: str, replicate: int) -> list[dict[str, float]]:
    """The key log-uniform over both boxes and F beyond, the others at the common defaults."""
    keys = _keys(study, phase, optimizer, replicate)
    centre = study.centre(optimizer)
    return [{**centre, **key} for key in keys]


def _off(study: Study, phase: Phase, optimizer: str, replicate: int) -> list[dict[str, float]]:
    """The key as in `key`, the others off around the common defaults."""
    keys = _keys(study, phase, optimizer, replicate)
    around = _around(study, phase, optimizer, replicate, without=study.key)
    return [{**values, **key} for values, key in zip(around, keys, strict=True)]


def _default(study: Study, phase: Phase, optimizer: str, replicate: int) -> list[dict[str, float]]:
    del phase, replicate
    ranges = study.search_spaces[optimizer].ranges
    return [{name: box.default for name, box in ranges.items()}]


def _keys(study: Study, phase: Phase, optimizer: str, replicate: int) -> list[dict[str, float]]:
    """The key alone, at each point, within what may never be left."""
    name, ends = study.key, study.key_box
    if name is None or ends is None:
        msg = f"study {study.name} has no key to draw in the phase {phase.name}"
        raise ValueError(msg)
    box = study.search_spaces[optimizer].ranges[name]
    units = _strata(study, phase, replicate, name)
    values = _log_uniform(units, ends[0] / study.factor, ends[1] * study.factor)
    return [{name: box.clipped(name, value)} for value in values]


def _around(
    study: Study, phase: Phase, optimizer: str, replicate: int, *, without: str | None
) -> list[dict[str, float]]:
    """All hyperparameters but one, each off by a factor up to F, within what may never be left."""
    ranges = study.search_spaces[optimizer].ranges
    centre = study.centre(optimizer)
    columns = {}
    for name, box in ranges.items():
        if name != without:
            units = _strata(study, phase, replicate, name)
            factors = _log_uniform(units, 1 / study.factor, study.factor)
            columns[name] = [box.clipped(name, centre[name] * factor) for factor in factors]
    return [
        {name: column[index] for name, column in columns.items()}
        for index in range(phase.points or 0)
    ]


def _strata(study: Study, phase: Phase, replicate: int, name: str) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each point of a replicate, one in each of as many equal intervals.

    Each point's is uniform, and independent of other replicates' and other hyperparameters'.
    """
    count = phase.points or 0
    drawn = stream(
        study_seed=study.seed, phase=phase.name, replicate=replicate, hyperparameter=name
    )
    units: npt.NDArray[np.float64] = (drawn.permutation(count) + drawn.random(count)) / count
    return units


def _log_uniform(units: npt.NDArray[np.float64], low: float, high: float) -> list[float]:
    return [scaled(unit, low, high, log=True) for unit in units.tolist()]


def _unit_points(study: Study, phase: Phase, replicate: int) -> tuple[Values, ...]:
    """A replicate's points in the unit cube over all hyperparameters, asked of the sampler."""
    seed = stream_seed(study_seed=study.seed, phase=phase.name, replicate=replicate)
    return _cube(phase.sampler or "random", seed, phase.points or 0, study.hyperparameters)


@lru_cache(maxsize=1024)  # all optimizers have the same, and a run plays its design three times
def _cube(sampler: str, seed: int, points: int, names: tuple[str, ...]) -> tuple[Values, ...]:
    memory = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        sampler=make_sampler(sampler, seed=seed, points=points, dimensions=len(names)),
        direction="maximize",
    )
    box: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in names}
    return tuple(dict(memory.ask(box).params) for _ in range(points))


def _projected(unit: Values, space: SearchSpace) -> dict[str, float]:
    return {
        name: scaled(unit[name], box.low, box.high, log=box.log)
        for name, box in space.ranges.items()
    }


def _phase(study: Study, name: str) -> Phase:
    phase = study.phase(name)
    if phase is None:
        msg = f"study {study.name} has no phase {name}"
        raise ValueError(msg)
    return phase
