"""The records that travel from the design to the store: trials, packs and outcomes.

In: nothing. Out: frozen dataclasses of plain Python values, so that they can be sent to
any process and written to any storage. Imports the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What identifies a trial within a study."""

    optimizer: str
    phase: str
    point: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training run to be made.

    Attributes:
        optimizer: the name of its update rule.
        phase: one of `study.PHASE_NAMES`.
        replicate: the small study that it belongs to, from 0; in `fixed` its seed.
        index: the number of the point within its phase and replicate, from 0.
        point: the same within its phase: replicate × points of a replicate + index; in `fixed`
            the index.
        seed: 0, 1 for a second seed of the map; in `default` and `fixed` from 0 on.
        hyperparameters: (name, value) of each hyperparameter, in canonical order.
    """

    optimizer: str
    phase: str
    replicate: int
    index: int
    point: int
    seed: int
    hyperparameters: tuple[tuple[str, float], ...]

    @property
    def key(self) -> Key:
        return Key(self.optimizer, self.phase, self.point, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Trials of one optimizer that are trained together as the rows of a matrix."""

    trials: tuple[Trial, ...]

    @property
    def optimizer(self) -> str:
        return self.trials[0].optimizer

    @property
    def phase(self) -> str:
        return self.trials[0].phase

    @property
    def has_exact_steps(self) -> bool:
        """Whether each ascent step is scaled to the length rho, whatever the rule makes of rho."""
        return self.phase == "radius"

    @property
    def replicate(self) -> int:
        """The first trial's replicate: an order among packs."""
        return self.trials[0].replicate

    @property
    def name(self) -> str:
        """A readable name, such as `map-3/gsam/48x0…63x3`."""
        first, last = self.trials[0], self.trials[-1]
        span = f"{first.point}x{first.seed}…{last.point}x{last.seed}"
        return f"{first.phase}-{first.replicate}/{first.optimizer}/{span}"

    def to_list(self) -> list[dict[str, Any]]:
        return [asdict(trial) for trial in self.trials]

    @classmethod
    def from_list(cls, rows: list[dict[str, Any]]) -> Pack:
        return cls(trials=tuple(_trial(row) for row in rows))


class State(StrEnum):
    """How a trial ended; a diverged trial is COMPLETE, since divergence is a result."""

    COMPLETE = "COMPLETE"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What was recorded after each epoch; all tuples have one entry an epoch.

    Attributes:
        val_accuracy: validation accuracy (the test accuracy where there is no validation
            split), a fraction.
        test_accuracy: test accuracy, a fraction.
        f: mean training loss of the epoch's batches at w.
        f_p: the same at w + Δw; NaN for rules with one gradient a step.
        surrogate_gap: mean of f_p − f over the epoch's steps.
        radius: mean ‖Δw‖₂ over the epoch's steps.
    """

    val_accuracy: tuple[float, ...] = ()
    test_accuracy: tuple[float, ...] = ()
    f: tuple[float, ...] = ()
    f_p: tuple[float, ...] = ()
    surrogate_gap: tuple[float, ...] = ()
    radius: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a trial.

    Attributes:
        trial: the trial.
        state: COMPLETE, or FAIL where training raised; then all metrics are NaN.
        val_accuracy, test_accuracy: at the end, fractions; chance where it diverged.
        test_loss, train_loss: mean loss of the split at the final weights; NaN where it
            diverged.
        radius, surrogate_gap: means over the steps before any divergence.
        diverged: whether the weights or the loss became non-finite.
        diverged_step: how many steps were whole before that, or None.
        seconds: the pack's training time divided by its rows.
        curve: the learning curve.
        sharpness: what the study's [sharpness] asks for, by its column in the trials table;
            NaN where the trial diverged, but for means over the steps before that. Empty where
            the study does not ask.
        error: what was raised, for FAIL.
        taken_from: the folder of the earlier run that trained it; None where this one did.
    """

    trial: Trial
    state: State
    val_accuracy: float = math.nan
    test_accuracy: float = math.nan
    test_loss: float = math.nan
    train_loss: float = math.nan
    radius: float = math.nan
    surrogate_gap: float = math.nan
    diverged: bool = False
    diverged_step: int | None = None
    seconds: float = math.nan
    curve: Curve = Curve()
    sharpness: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    taken_from: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the trial: whoever asked for it has it."""
        values = asdict(self)
        del values["trial"]
        return values

    @classmethod
    def from_dict(cls, trial: Trial, values: Mapping[str, Any]) -> Outcome:
        curve = Curve(**{name: tuple(series) for name, series in values["curve"].items()})
        state = State(values["state"])
        return cls(**{**values, "trial": trial, "curve": curve, "state": state})


def _trial(row: Mapping[str, Any]) -> Trial:
    pairs = tuple((str(name), float(value)) for name, value in row["hyperparameters"])
    return Trial(**{**row, "hyperparameters": pairs})
