"""An outcome as the Optuna trial that it is stored as, and back.

In: outcomes; Optuna's trials. Out: the one made of the other. Must not import torch or Ray.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from agsam_tune.study import Study
from agsam_tune.trials import Curve, Key, Outcome, State, Trial

# Everything of an outcome that is one number, besides Optuna's own value.
METRICS = ("test_accuracy", "test_loss", "train_loss", "radius", "surrogate_gap", "seconds")
CURVE = "curve"


def frozen_trial(study: Study, outcome: Outcome) -> FrozenTrial:
    """The finished Optuna trial that an outcome is stored as."""
    trial = outcome.trial
    ran = outcome.state is State.COMPLETE
    values = dict(trial.hyperparameters)
    return create_trial(
        state=TrialState.COMPLETE if ran else TrialState.FAIL,
        value=outcome.val_accuracy if ran else None,
        params=values,
        distributions={
            name: distribution(study, trial.optimizer, name, values[name]) for name in values
        },
        user_attrs=_attributes(outcome),
    )


def key_of(optimizer: str, trial: FrozenTrial) -> Key:
    """The key of a trial that was stored."""
    attributes = trial.user_attrs
    return Key(optimizer, attributes["phase"], attributes["point"], attributes["seed"])


def distribution(study: Study, optimizer: str, name: str, value: float) -> FloatDistribution:
    """The search space's range, widened for a value beyond it.

    A rho that the optimizer does not have is the length of an exact step: a range of its own.
    Optuna wants one scale for all trials of a parameter, so a `fixed` point at zero makes it
    linear for all of them; the study file says which before the first trial.
    """
    box, fixed = study.search_spaces[optimizer].ranges.get(name), study.phase("fixed")
    if box is None:
        return FloatDistribution(value, value)
    lowest = min(
        (
            p.hyperparameters[name]
            for p in (fixed.fixed if fixed else ())
            if p.optimizer == optimizer
        ),
        default=box.low,
    )
    low, high = min(box.low, value), max(box.high, value)
    return FloatDistribution(low, high, log=box.log and lowest > 0)


def _place(attributes: Mapping[str, Any]) -> tuple[int, int]:
    """The replicate of a trial that was stored, and the number of its point there.

    The first design had no replicates of its own, so its points are taken as independent.
    """
    if "index" in attributes:
        return attributes["replicate"], attributes["index"]
    point, seed = attributes["point"], attributes["seed"]
    return (seed, point) if attributes["phase"] == "fixed" else (point, 0)


def _attributes(outcome: Outcome) -> dict[str, Any]:
    """Plain JSON: Optuna refuses NumPy's numbers, and browsers JSON's NaN."""
    trial = outcome.trial
    attributes: dict[str, Any] = {
        "phase": trial.phase,
        "replicate": trial.replicate,
        "index": trial.index,
        "point": trial.point,
        "seed": trial.seed,
        "diverged": outcome.diverged,
        "diverged_step": outcome.diverged_step,
        **{name: _json_number(getattr(outcome, name)) for name in METRICS},
        CURVE: {
            name: [_json_number(value) for value in getattr(outcome.curve, name)]
            for name in Curve.__slots__
        },
    }
    if outcome.sharpness:
        attributes["sharpness"] = {n: _json_number(v) for n, v in outcome.sharpness.items()}
    texts = {"error": outcome.error, "taken_from": outcome.taken_from}
    return attributes | {name: text for name, text in texts.items() if text is not None}


def _json_number(value: float) -> float | str | None:
    """NaN as null and infinities as texts, which JSON has no numbers for."""
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else str(float(value))


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def outcome_of(optimizer: str, frozen: FrozenTrial, *, curves: bool) -> Outcome:
    """The outcome that was stored as an Optuna trial, with its learning curve if asked."""
    attributes: Mapping[str, Any] = frozen.user_attrs
    replicate, index = _place(attributes)
    curve = attributes[CURVE] if curves else {}
    trial = Trial(
        optimizer=optimizer,
        phase=attributes["phase"],
        replicate=replicate,
        index=index,
        point=attributes["point"],
        seed=attributes["seed"],
        hyperparameters=tuple(frozen.params.items()),
    )
    ran = frozen.state is TrialState.COMPLETE
    return Outcome(
        trial=trial,
        state=State.COMPLETE if ran else State.FAIL,
        val_accuracy=_number(frozen.value) if ran else math.nan,
        **{name: _number(attributes[name]) for name in METRICS},
        diverged=attributes["diverged"],
        diverged_step=attributes["diverged_step"],
        curve=Curve(**{name: tuple(map(_number, values)) for name, values in curve.items()}),
        sharpness={n: _number(v) for n, v in attributes.get("sharpness", {}).items()},
        error=attributes.get("error"),
        taken_from=attributes.get("taken_from"),
    )
