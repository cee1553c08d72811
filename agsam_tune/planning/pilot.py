"""A pilot: a few of a study's own trials, which say what the study can find.

In: a study and its task. Out: a `Pilot`. Nothing is stored. Must not import torch, Ray or Optuna;
the engine is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agsam_tune.executors.checks import device_of
from agsam_tune.planning.detectable import (
    Accuracies,
    Sample,
    Spread,
    half_width_of,
    smallest_difference,
    spread,
)
from agsam_tune.study import Phase, Study
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Pack, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What a study can find at the same settings, from a few of its own trials.

    Attributes:
        trials: how many were trained.
        spread: variances of the difference, candidate − baseline.
        margin: within which two optimizers count as equal, a fraction of accuracy.
        smallest: the difference in lost accuracy that is found with a probability of 0.8.
        half_width: of its interval.
        wanted: twice the margin.
        advice: what would find a difference of `wanted`; None where the study does.
    """

    trials: int
    spread: Spread
    margin: float
    smallest: float
    half_width: float
    wanted: float
    advice: str | None


def run_pilot(
    study: Study,
    task: Task,
    drawn: Sequence[Trial],
    way: str,
    replicates: int,
    said: Callable[[str], None],
) -> tuple[Pilot | None, str]:
    """The pilot, or None and why there was none.

    Args:
        study: the study.
        task: its task.
        drawn: the trials that are known before anything runs.
        way: how packs are computed.
        replicates: of the map, which the candidate and the baseline train with one seed, the
            first one with two; 0 for no pilot.
        said: told what is being trained.
    """
    mapped, pair = study.phase("map"), (study.candidate, study.baseline)
    if not replicates:
        return None, "no pilot was asked for"
    if None in pair:
        return None, "the study names no candidate and baseline"
    if mapped is None or min(mapped.seeds, mapped.replicates) < 2:
        return None, "there is no map with two replicates and two seeds or more"
    chosen = [
        [
            trial
            for trial in drawn
            if (trial.optimizer, trial.phase) == (optimizer, "map")
            and (trial.replicate or 0) < replicates
            and trial.seed < (2 if not trial.replicate else 1)
        ]
        for optimizer in pair
    ]
    keys = [[(trial.point, trial.seed) for trial in trials] for trials in chosen]
    if keys[0] != keys[1] or len({point for point, _ in keys[0]}) < 2 * 2:
        return None, "an optimizer of the two has no hyperparameters, or the map too few points"
    said(f"training a pilot of {2 * len(keys[0])} trials")
    points = (mapped.points or 0) // mapped.replicates
    shape = min(replicates, mapped.replicates), points
    candidate, baseline = (_accuracies(study, task, trials, way, shape) for trials in chosen)
    return _judged(study, mapped, spread(candidate, baseline), 2 * len(keys[0])), ""


def _accuracies(
    study: Study, task: Task, trials: Sequence[Trial], way: str, shape: tuple[int, int]
) -> Accuracies:
    """Test accuracies, at chance at least: (replicates, points) with the first seed, and
    (points, seeds) of the first replicate."""
    from agsam_tune.engine import train_pack  # imports torch

    outcomes = train_pack(
        Pack(trials=tuple(trials)),
        task,
        study.training,
        study_seed=study.seed,
        device=device_of(study),
        way=way,
    )
    found = {
        (outcome.trial.point, outcome.trial.seed): max(outcome.test_accuracy, task.test.chance)
        for outcome in outcomes
    }
    replicates, points = shape
    one_seed = [found[point, 0] for point in range(replicates * points)]
    two_seeds = [[found[point, seed] for seed in (0, 1)] for point in range(points)]
    return np.array(one_seed).reshape(shape), np.array(two_seeds)


def _judged(study: Study, mapped: Phase, found: Spread, trials: int) -> Pilot:
    misset = study.phase("misset")
    sample = Sample(
        replicates=mapped.replicates,
        seeds=mapped.seeds,
        judged=misset.seeds if misset else max(mapped.seeds // 2, 1),
    )
    confidence, margin = study.analysis.confidence, study.analysis.margin
    return Pilot(
        trials=trials,
        spread=found,
        margin=margin,
        smallest=smallest_difference(found, sample, confidence),
        half_width=half_width_of(found, sample, confidence),
        wanted=2 * margin,
        advice=_advice(found, sample, confidence, 2 * margin),
    )


def _advice(found: Spread, sample: Sample, confidence: float, wanted: float) -> str | None:
    """How many points and seeds would do; None if those that there are do."""
    if smallest_difference(found, sample, confidence) <= wanted:
        return None
    tries = []
    for replicates in (1, 2, 4, 8, 16, 32):
        for seeds in (1, 2, 3, 4, 6, 8, 16):
            larger = Sample(
                replicates=sample.replicates * replicates,
                seeds=sample.seeds * seeds,
                judged=sample.judged * seeds,
            )
            if smallest_difference(found, larger, confidence) <= wanted:
                tries.append((replicates * seeds, larger))
    if not tries:
        return "32 times the points with 16 times the seeds would not do"
    times, larger = min(tries, key=lambda item: item[0])
    return (
        f"{larger.replicates * found.points} points in {larger.replicates} replicates with "
        f"{larger.seeds} seeds, {times} times the trials, would do"
    )
