"""What the optimizers of a study reach, found once for all that is said of them.

In: `Data`. Out: each one's best, and the best of all. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agsam_tune.analysis.data import Data
from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.measured import best_of, tuned
from agsam_tune.analysis.own_best import OwnBests, own_bests

__all__ = ["Reach", "reach_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a study's optimizers reach.

    Attributes:
        best: optimizer → what its regret is counted from; without those that have none.
        best_trainings: optimizer → how many trainings that is made from.
        own: optimizer → its replicates' own bests.
        common: the best of all, which `common_regret` is counted from, and whose it is: of a few
            averages over replicates the largest, so a little of luck is in it, the same for all.
    """

    best: Mapping[str, Estimate]
    best_trainings: Mapping[str, int]
    own: Mapping[str, OwnBests]
    common: tuple[str, Estimate] | None


def reach_of(data: Data) -> Reach:
    """What each of a study's optimizers reaches, by the key or by a search."""
    names = data.study.optimizers
    reached = {name: known for name in names if (known := best_of(data, name)) is not None}
    best = {name: estimate for name, (estimate, _) in reached.items()}
    searched = {name: found for name in names if (found := tuned(data, name)) is not None}
    all_found = [*best.items(), *searched.items()]
    return Reach(
        best=best,
        best_trainings={name: trainings for name, (_, trainings) in reached.items()},
        own={name: chosen for name in names if (chosen := own_bests(data, name)) is not None},
        common=max(all_found, key=lambda item: item[1].value, default=None),
    )
