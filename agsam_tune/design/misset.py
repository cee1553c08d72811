"""The points of `misset`: around each optimizer's own best, off by known factors.

In: a study and an optimizer's own best point. Out: the trials. Must not import torch, Ray,
Optuna or the engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from agsam_tune.design.points import point_trials
from agsam_tune.streams import stream
from agsam_tune.study import MissetPoint, Study, misset_layout
from agsam_tune.trials import Trial

# What a mis-set value is clipped to: beyond it the hyperparameter has no meaning. (The last
# is the largest float32 below 1.)
_LARGEST = {"alpha": 1.0, "lam": 1.0, "momentum": 1 - 2**-24}


def misset_trials(study: Study, optimizer: str, best: Mapping[str, float]) -> tuple[Trial, ...]:
    """All trials of `misset` for one optimizer, with seeds that no other phase chose by.

    A point may leave the search box. A best value of zero is replaced by the default before
    it is multiplied.

    Args:
        study: a study with a `misset` phase.
        optimizer: one with hyperparameters.
        best: its own best point.
    """
    phase = study.phase("misset")
    if phase is None:
        msg = f"study {study.name} has no phase misset"
        raise ValueError(msg)
    first = first_fresh_seed(study)
    seeds = range(first, first + phase.seeds)
    space = study.search_spaces[optimizer]
    trials: list[Trial] = []
    for item in misset_layout(study.hyperparameters):
        if item.kind not in {"best", "all", *space.names}:
            continue
        factors = misset_factors(study, item)
        values = {
            name: _misset(name, best[name], factors.get(name), space.ranges[name].default)
            for name in space.names
        }
        trials.extend(point_trials(study, "misset", optimizer, item.point, values, seeds))
    return tuple(trials)


def first_fresh_seed(study: Study) -> int:
    """The first seed that neither `map` nor `tune` uses."""
    chosen_by = (study.phase("map"), study.phase("tune"))
    return max((phase.seeds for phase in chosen_by if phase is not None), default=0)


def misset_factors(study: Study, item: MissetPoint) -> dict[str, float]:
    """What each mis-set hyperparameter is multiplied by, the same for every optimizer."""
    if item.kind == "best" or item.factor is None:
        return {}
    if item.kind != "all":
        return {item.kind: item.factor}
    limit = math.log(item.factor)
    return {
        name: math.exp(
            stream(
                study_seed=study.seed,
                phase="misset",
                maximum=round(item.factor),
                draw=item.draw or 0,
                hyperparameter=name,
            ).uniform(-limit, limit)
        )
        for name in study.hyperparameters
    }


def _misset(name: str, best: float, factor: float | None, default: float) -> float:
    if factor is None:
        return best
    return min((best or default) * factor, _LARGEST.get(name, math.inf))
