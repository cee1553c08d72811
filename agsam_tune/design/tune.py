"""The points of `tune`: asked of an Optuna sampler batch by batch, in each replicate.

In: a replicate's stored trials of `tune`. Out: the trials of its next batch. The sampler sees an
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

#: Points that are asked for before any of them is told. The replicates' batches fill packs
#: together, so a batch may be small; in searches of 16 points, batches of 16 or 8 learn nothing
#: beside random draws, and these a half of what one point at a time does.
BATCH = 4


def batch_sizes(points: int) -> tuple[int, ...]:
    """Points of each batch."""
    return tuple(min(BATCH, points - start) for start in range(0, points, BATCH))


def tune_batch(
    study: Study,
    optimizer: str,
    replicate: int,
    batch: int,
    told: Sequence[tuple[Mapping[str, float], float]],
) -> tuple[Trial, ...]:
    """The trials of batch number `batch` in a replicate, by point.

    Args:
        study: a study with a `tune` phase.
        optimizer: one with hyperparameters.
        replicate: from 0.
        batch: its number, from 0.
        told: of every point before the batch, in point order: its hyperparameters and its
            val_accuracy (NaN where it failed to run).
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
    seed = stream_seed(study_seed=study.seed, phase="tune", replicate=replicate, **own)
    sampler = make_sampler(name, seed=seed, points=phase.points, dimensions=len(box))
    memory = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), sampler=sampler, direction="maximize"
    )
    memory.add_trials([_told(values, score, box) for values, score in told])
    points = [memory.ask(box).params for _ in range(batch_sizes(phase.points)[batch])]
    return tune_trials(study, optimizer, replicate, batch, points)


def tune_trials(
    study: Study,
    optimizer: str,
    replicate: int,
    batch: int,
    points: Sequence[Mapping[str, float]],
) -> tuple[Trial, ...]:
    """The trials of a batch's points, by point.

    Args:
        study: a study with a `tune` phase.
        optimizer: one with hyperparameters.
        replicate: from 0.
        batch: its number, from 0.
        points: their hyperparameters.
    """
    phase = study.phase("tune")
    return tuple(
        trial
        for i, values in enumerate(points)
        if phase is not None
        for trial in point_trials(phase, optimizer, replicate, batch * BATCH + i, values)
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
