"""Each replicate's own best setting: what an Optuna search of the size of its map and tune finds.

In: trials, or what was read of them. Out: the settings, chosen by validation score, with their
test scores. A replicate chooses from its own trainings alone, so that what is made of its choice
is independent of the other replicates. Must not import torch, Ray or Optuna.

Shapes: N trainings, R replicates that chose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SHARPNESS

__all__ = ["CHOSEN_FROM", "BestSetting", "OwnBests", "best_settings", "own_bests"]

Array = NDArray[np.float64]

#: The phases that an own best is chosen from; of equally good ones the first stays.
CHOSEN_FROM = ("map", "tune")
_NO_SETTINGS = {*BEFORE_HYPERPARAMETERS, *AFTER_HYPERPARAMETERS, *SHARPNESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class BestSetting:
    """A replicate's own best.

    Attributes:
        phase, point: where it was found.
        hyperparameters: hyperparameter → its value.
        test_score: the score of its training on the test split, as the trials table has it.
    """

    phase: str
    point: int
    hyperparameters: Mapping[str, float]
    test_score: float


def best_settings(trials: pd.DataFrame, optimizer: str) -> dict[int, BestSetting]:
    """The own bests of one optimizer: replicate → its setting of the best validation score.

    Args:
        trials: the trials table; finished trials of `map` and `tune` with seed 0 count. One
            without a validation score, or that diverged without a score, is never chosen.
        optimizer: whose.

    Returns:
        only replicates that have such a trial. Of equally good ones the first of `map`, then of
        `tune`.
    """
    counts = (trials["optimizer"] == optimizer) & trials["phase"].isin(CHOSEN_FROM)
    counts &= (trials["seed"] == 0) & (trials["state"] == "COMPLETE")
    own = trials[counts].dropna(subset=["val_accuracy"]).sort_values(["phase", "point"])
    names = [name for name in trials.columns if name not in _NO_SETTINGS]
    best = {}
    for replicate, group in own.groupby("replicate", sort=True):
        row = group.iloc[int(np.argmax(group["val_accuracy"].to_numpy(np.float64)))]
        best[int(str(replicate))] = BestSetting(
            phase=str(row["phase"]),
            point=int(row["point"]),
            hyperparameters={name: float(row[name]) for name in names if pd.notna(row[name])},
            test_score=float(row["test_accuracy"]),
        )
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBests:
    """Every replicate's own best.

    Attributes:
        replicate_R: the replicates that chose.
        settings: hyperparameter → the values chosen (R,).
        score_R: their scores on the test split.
    """

    replicate_R: NDArray[np.int64]
    settings: Mapping[str, Array]
    score_R: Array


def own_bests(data: Data, optimizer: str, phases: Sequence[str] = CHOSEN_FROM) -> OwnBests | None:
    """The own bests of one optimizer, or None where no replicate has a choice.

    Where every replicate is a single point, as in a table without replicates, there is none,
    unless the optimizer has no hyperparameters.
    """
    parts = [part for phase in phases if (part := data.get(optimizer, phase)) is not None]
    names = data.study.search_spaces[optimizer].names
    if not parts or (names and not any(_has_choice(part) for part in parts)):
        return None
    replicate_N = np.concatenate([part.replicate_N for part in parts])
    chosen_by_N = np.concatenate([part.chosen_by_N for part in parts])
    # Stable, so that of equally good ones the first stays, as in `best_settings`.
    order = np.lexsort((np.arange(len(chosen_by_N)), -chosen_by_N, replicate_N))
    replicate_R, first = np.unique(replicate_N[order], return_index=True)
    chosen = order[first]
    return OwnBests(
        replicate_R=replicate_R,
        settings={n: np.concatenate([part.settings[n] for part in parts])[chosen] for n in names},
        score_R=np.concatenate([part.score_N for part in parts])[chosen],
    )


def _has_choice(part: PhaseData) -> bool:
    return len(np.unique(part.point_N)) > len(np.unique(part.replicate_N))
