"""The points of `tune`: asked of an Optuna sampler batch by batch.

In: the stored trials of `tune`. Out: the trials of the next batch. The sampler sees an
in-memory study that is rebuilt for each batch from what is stored, in point order, so the
points depend neither on the order of finishing nor on crashes. Must not import torch, Ray
or the engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from agsam_tune.design.points import point_trials
from agsam_tune.design.samplers import make_sampler
from agsam_tune.streams import stream_seed
from agsam_tune.study import SearchSpace, Study
from agsam_tune.trials import Trial

BATCH = 16


def batch_sizes(points: int) -> tuple[int, ...]:
    """Points of each batch."""
    return tuple(min(BATCH, points - start) for start in range(0, points, BATCH))


def tune_batch(
    study: Study, optimizer: str, batch: int, told: Sequence[tuple[Mapping[str, float], float]]
) -> tuple[Trial, ...]:
    """The trials of batch number `batch`, by point and seed.

    Args:
        study: a study with a `tune` phase.
        optimizer: one with hyperparameters.
        batch: its number, from 0.
        told: of every point before the batch, in point order: its hyperparameters and the
            mean val_accuracy over the even seeds (NaN where all of them failed to run).
    """
    phase = study.phase("tune")
    if phase is None or phase.points is None:
        msg = f"study {study.name} has no phase tune"
        raise ValueError(msg)
    space = study.search_spaces[optimizer]
    box = distributions(space)
    name = phase.sampler or "tpe"
    # Sobol points go on from batch to batch, the others start afresh.
    own: dict[str, int | str] = {}
    if name != "sobol":
        own = {"optimizer": optimizer, "batch": batch}
    seed = stream_seed(study_seed=study.seed, phase="tune", **own)
    sampler = make_sampler(name, seed=seed, points=phase.points, dimensions=len(box))
    memory = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), sampler=sampler, direction="maximize"
    )
    memory.add_trials([_told(values, score, box) for values, score in told])
    points = [memory.ask(box).params for _ in range(batch_sizes(phase.points)[batch])]
    return tune_trials(study, optimizer, batch, points)


def tune_trials(
    study: Study, optimizer: str, batch: int, points: Sequence[Mapping[str, float]]
) -> tuple[Trial, ...]:
    """The trials of a batch's points, by point and seed.

    Args:
        study: a study with a `tune` phase.
        optimizer: one with hyperparameters.
        batch: its number, from 0.
        points: their hyperparameters.
    """
    phase = study.phase("tune")
    seeds = range(phase.seeds) if phase else range(0)
    return tuple(
        trial
        for i, values in enumerate(points)
        for trial in point_trials(study, "tune", optimizer, batch * BATCH + i, values, seeds)
    )


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """The search space as Optuna writes it."""
    return {
        name: FloatDistribution(box.low, box.high, log=box.log)
        for name, box in space.ranges.items()
    }


def _told(
    values: Mapping[str, float], score: float, box: dict[str, BaseDistribution]
) -> FrozenTrial:
    ran = not math.isnan(score)
    return create_trial(
        state=TrialState.COMPLETE if ran else TrialState.FAIL,
        value=score if ran else None,
        params=dict(values),
        distributions=box,
    )
