"""The points of `map`, `iid` and `fixed`, which are drawn before anything runs.

In: a study. Out: the trials of each phase. A design is drawn once over the union of all
hyperparameters, in the unit cube, and projected on each optimizer's own, so it is paired
across optimizers; no stream hashes the task, so it is paired across tasks too. Must not
import torch, Ray or the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler

from agsam_tune.design.samplers import make_sampler, scaled
from agsam_tune.streams import stream_seed
from agsam_tune.study import Phase, SearchSpace, Study
from agsam_tune.trials import Trial

Unit = Mapping[str, float]


def drawn_trials(study: Study) -> tuple[Trial, ...]:
    """All trials of `map`, `iid` and `fixed`, by phase, replicate, optimizer, point, seed."""
    trials = [*_map_trials(study), *_iid_trials(study), *_fixed_trials(study)]
    return tuple(trials)


def point_trials(
    study: Study,
    phase: str,
    optimizer: str,
    point: int,
    values: Mapping[str, float],
    seeds: Sequence[int],
    replicate: int | None = None,
) -> Iterator[Trial]:
    """The trials of one point, one a seed."""
    names = study.search_spaces[optimizer].names
    for seed in seeds:
        yield Trial(
            optimizer=optimizer,
            phase=phase,
            replicate=replicate,
            point=point,
            seed=seed,
            hyperparameters=tuple((name, float(values[name])) for name in names),
        )


def _map_trials(study: Study) -> Iterator[Trial]:
    phase = study.phase("map")
    if phase is None:
        return
    seeds = range(phase.seeds)
    for optimizer in study.optimizers:
        if not study.search_spaces[optimizer].names:
            yield from point_trials(study, "map", optimizer, 0, {}, seeds)
    size = (phase.points or 0) // phase.replicates
    for replicate in range(phase.replicates if study.hyperparameters else 0):
        units = _unit_points(study, phase, size, replicate)
        for optimizer in _with_hyperparameters(study):
            space = study.search_spaces[optimizer]
            for i, unit in enumerate(units):
                values, point = _projected(unit, space), replicate * size + i
                yield from point_trials(study, "map", optimizer, point, values, seeds, replicate)


def _iid_trials(study: Study) -> Iterator[Trial]:
    phase = study.phase("iid")
    if phase is None or not study.hyperparameters:
        return
    units = _unit_points(study, phase, phase.points or 0, 0)
    for optimizer in _with_hyperparameters(study):
        space = study.search_spaces[optimizer]
        for point, unit in enumerate(units):
            yield from point_trials(
                study, "iid", optimizer, point, _projected(unit, space), [point]
            )


def _fixed_trials(study: Study) -> Iterator[Trial]:
    """Points are numbered within their optimizer, so equal numbers pair across optimizers."""
    phase = study.phase("fixed")
    if phase is None:
        return
    for optimizer in study.optimizers:
        own = [fixed for fixed in phase.fixed if fixed.optimizer == optimizer]
        for point, fixed in enumerate(own):
            values = fixed.hyperparameters
            yield from point_trials(study, "fixed", optimizer, point, values, range(phase.seeds))


def _with_hyperparameters(study: Study) -> tuple[str, ...]:
    return tuple(name for name in study.optimizers if study.search_spaces[name].names)


def _unit_points(study: Study, phase: Phase, points: int, replicate: int) -> list[Unit]:
    names = study.hyperparameters
    seed = stream_seed(study_seed=study.seed, phase=phase.name, replicate=replicate)
    sampler = make_sampler(
        phase.sampler or "random", seed=seed, points=points, dimensions=len(names)
    )
    return unit_points(sampler, names, points)


def unit_points(sampler: BaseSampler, names: Sequence[str], points: int) -> list[Unit]:
    """Points in the unit cube over `names`, asked of the sampler in a study of its own."""
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), sampler=sampler, direction="maximize"
    )
    cube: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in names}
    return [dict(study.ask(cube).params) for _ in range(points)]


def _projected(unit: Unit, space: SearchSpace) -> dict[str, float]:
    return {
        name: scaled(unit[name], box.low, box.high, log=box.log)
        for name, box in space.ranges.items()
    }
