"""The trials table as arrays: what every estimate is computed from.

In: the trials table, the study, the facts. Out: one `Data`. Must not import torch, Ray or Optuna.

Shapes: N trainings of one optimizer in one phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.analysis.facts import AnalysisFacts
from agsam_tune.columns import COLLAPSED
from agsam_tune.study import Study

__all__ = ["COLLAPSED", "LENGTH", "Data", "PhaseData", "read_data"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

_NEEDED = ("optimizer", "phase", "replicate", "point", "seed", "test_accuracy")
#: The column in which trials of the phase `radius` have the length of their steps.
LENGTH = "rho"
#: The phases in which all seeds are in the means.
_SEEDS_COUNT = ("default", "fixed")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhaseData:
    """The trainings of one optimizer in one phase that ran to their end, diverged ones included.

    Attributes:
        replicate_N: in [0, R), the same number for all optimizers where they are paired.
        point_N, seed_N: of the trial's key.
        settings: hyperparameter → its values (N,).
        score_N: on the test split, higher is better, no worse than trivial, trivial where the
            training diverged.
        chosen_by_N: the score on the validation split, or on the test split without one.
        radius_N: mean length of the ascent step; NaN where there is none.
        diverged_N: whether weights or loss became non-finite.
    """

    replicate_N: Whole
    point_N: Whole
    seed_N: Whole
    settings: Mapping[str, Array]
    score_N: Array
    chosen_by_N: Array
    radius_N: Array
    diverged_N: Flags

    def __len__(self) -> int:
        return len(self.score_N)

    def only(self, keep_N: Flags) -> PhaseData:
        """Some of the trainings."""
        return self._at(keep_N)

    def _at(self, keep_N: Flags | Whole) -> PhaseData:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        settings = {name: value_N[keep_N] for name, value_N in values.pop("settings").items()}
        kept = {name: value_N[keep_N] for name, value_N in values.items()}
        return PhaseData(settings=settings, **kept)

    @property
    def first_seeds(self) -> PhaseData:
        """Without the second seeds, which measure noise and are in no mean.

        Where every replicate is a single point, as in a table without replicates, all of its
        seeds are its trainings. Where no seed is called 0 a point's smallest is its first.
        """
        if len(np.unique(self.replicate_N)) == len(np.unique(self.point_N)):
            return self
        if (self.seed_N == 0).any():
            return self.only(self.seed_N == 0)
        _, point_N = np.unique(self.point_N, return_inverse=True)
        first_P = np.full(point_N.max(initial=-1) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first_P, point_N, self.seed_N)
        return self.only(self.seed_N == first_P[point_N])

    @property
    def two_seeds(self) -> tuple[PhaseData, PhaseData]:
        """The first and the second training of each point that has two, in the same order."""
        order_N = np.lexsort((self.seed_N, self.point_N))
        _, first_P, count_P = np.unique(
            self.point_N[order_N], return_index=True, return_counts=True
        )
        at_M = first_P[count_P > 1]
        return self._at(order_N[at_M]), self._at(order_N[at_M + 1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """All trainings of a study.

    Attributes:
        replicates: optimizer → its number of replicates R; one number for all where paired.
        phases: (optimizer, phase) → its trainings; a phase without any has no entry.
        best_seen: the largest score of all, to say what has collapsed.
        failed: optimizer → trainings that raised, which are in no estimate.
        trainings: optimizer → trainings that are stored, failed ones included.
        fixed_losses: optimizer → mean losses (N,) on the test split of its trainings of `fixed`;
            NaN where one diverged.
    """

    study: Study
    facts: AnalysisFacts
    replicates: Mapping[str, int]
    phases: Mapping[tuple[str, str], PhaseData]
    best_seen: float
    failed: Mapping[str, int]
    trainings: Mapping[str, int]
    fixed_losses: Mapping[str, Array] = field(default_factory=dict)

    def get(self, optimizer: str, phase: str) -> PhaseData | None:
        """The trainings of an optimizer in a phase that means are of, or None.

        Second seeds are in no mean; only in `default` and `fixed` seeds are counted on.
        """
        own = self.every(optimizer, phase)
        return own if own is None or phase in _SEEDS_COUNT else own.first_seeds

    def every(self, optimizer: str, phase: str) -> PhaseData | None:
        """The same with second seeds, or None."""
        return self.phases.get((optimizer, phase))

    def collapsed_N(self, data: PhaseData) -> Flags:
        """Which diverged, or score no better than trivial + 1 % of (best − trivial)."""
        worst = self.facts.trivial + COLLAPSED * (self.best_seen - self.facts.trivial)
        return data.diverged_N | (data.score_N <= worst)


def read_data(trials: pd.DataFrame, study: Study, facts: AnalysisFacts) -> Data:
    """The trials as arrays.

    Args:
        trials: the trials table, one row a trial; `replicate` may be numbered anyhow.
        study: what was run.
        facts: what else there is to know.

    Raises:
        ValueError: if a column is missing or a trial's key comes twice.
    """
    missing = [name for name in _NEEDED if name not in trials.columns]
    if missing:
        msg = f"the trials table lacks {', '.join(missing)}"
        raise ValueError(msg)
    key = ["optimizer", "phase", "point", "seed"]
    if trials.duplicated(key).any():
        twice = trials[trials.duplicated(key)].iloc[0]
        msg = f"a trial comes twice: {', '.join(f'{name} {twice[name]}' for name in key)}"
        raise ValueError(msg)
    ran = trials if "state" not in trials else trials[trials["state"] == "COMPLETE"]
    ran = ran.assign(replicate=_numbered(ran, paired=facts.paired))
    groups = {
        key: group.sort_values(["point", "seed"])
        for key, group in ran.groupby(["optimizer", "phase"], sort=False)
        if key[0] in study.search_spaces
    }
    phases = {
        (str(optimizer), str(phase)): _phase(
            group, _settings(study, str(optimizer), str(phase)), facts
        )
        for (optimizer, phase), group in groups.items()
    }
    counts = trials["optimizer"].value_counts()
    ran_counts = ran["optimizer"].value_counts()
    own = ran[ran["phase"] != "fixed"].groupby("optimizer")["replicate"].max() + 1
    common = int(own.max()) if len(own) else 0
    names = study.optimizers
    return Data(
        study=study,
        facts=facts,
        replicates={n: common if facts.paired else int(own.get(n, 0)) for n in names},
        phases=phases,
        best_seen=max(
            (float(data.score_N.max()) for data in phases.values()), default=facts.trivial
        ),
        failed={n: int(counts.get(n, 0) - ran_counts.get(n, 0)) for n in names},
        trainings={n: int(counts.get(n, 0)) for n in names},
        fixed_losses={
            str(optimizer): _column(group, "test_loss", np.nan)
            for (optimizer, phase), group in groups.items()
            if phase == "fixed"
        },
    )


def _numbered(trials: pd.DataFrame, *, paired: bool) -> Whole:
    """Replicates from 0 without gaps: over all optimizers, or of each where they are unpaired.

    Those of `fixed`, which are its seeds, are numbered for themselves.
    """
    groups = [trials["phase"] == "fixed"]
    if not paired:
        groups.append(trials["optimizer"])
    numbered = trials.groupby(groups)["replicate"].rank(method="dense")
    whole_N: Whole = (numbered.to_numpy() - 1).astype(np.int64)
    return whole_N


def _settings(study: Study, optimizer: str, phase: str) -> tuple[str, ...]:
    """An optimizer's hyperparameters, and what holds the length of its steps in `radius`."""
    names = study.search_spaces[optimizer].names
    return names if phase != "radius" or LENGTH in names else (LENGTH, *names)


def _phase(group: pd.DataFrame, names: tuple[str, ...], facts: AnalysisFacts) -> PhaseData:
    diverged_N = _column(group, "diverged", 0.0).astype(bool)
    return PhaseData(
        replicate_N=group["replicate"].to_numpy(np.int64),
        point_N=group["point"].to_numpy(np.int64),
        seed_N=group["seed"].to_numpy(np.int64),
        settings={name: _column(group, name, np.nan) for name in names},
        score_N=_score(_column(group, "test_accuracy", np.nan), diverged_N, facts),
        chosen_by_N=_score(_chosen_by(group), diverged_N, facts),
        radius_N=_column(group, "radius", np.nan),
        diverged_N=diverged_N,
    )


def _score(value_N: Array, diverged_N: Flags, facts: AnalysisFacts) -> Array:
    known_N = np.where(diverged_N | np.isnan(value_N), facts.trivial, value_N)
    return np.maximum(known_N, facts.trivial)


def _chosen_by(group: pd.DataFrame) -> Array:
    """Validation scores, test scores where there is no validation split."""
    test_N = _column(group, "test_accuracy", np.nan)
    validation_N = _column(group, "val_accuracy", np.nan)
    return np.where(np.isnan(validation_N), test_N, validation_N)


def _column(group: pd.DataFrame, name: str, missing: float) -> Array:
    if name not in group:
        return np.full(len(group), missing)
    value_N: Array = group[name].to_numpy(np.float64, na_value=missing)
    return value_N
