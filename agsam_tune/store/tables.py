"""The trials and their learning curves as tables.

In: stored outcomes. Out: the frames that `trials.parquet`, the analysis and the report are
made of. Must not import torch or Ray.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SHARPNESS
from agsam_tune.study import Study, canonical_order
from agsam_tune.trials import Curve, Outcome

_ORDER = ["optimizer", "phase", "replicate", "point", "seed"]
_KEY = ["optimizer", "phase", "point", "seed"]


def trials_table(study: Study, numbered: Iterable[tuple[Outcome, int]]) -> pd.DataFrame:
    """One row a trial, with the columns and the order of `trials.parquet`.

    Args:
        study: the study; its hyperparameters are columns, NaN where an optimizer has none. So is
            rho where it has the phase `radius`, in which it is the length of the step.
        numbered: outcomes, each with its Optuna trial's number.
    """
    after = list(AFTER_HYPERPARAMETERS)
    if study.sharpness:
        place = after.index("diverged")
        after[place:place] = SHARPNESS
    columns: dict[str, list[object]] = {
        name: [] for name in (*BEFORE_HYPERPARAMETERS, *_hyperparameters(study), *after)
    }
    for outcome, number in numbered:  # which may be read as it comes
        row = _row(study, outcome, number)
        for name, column in columns.items():
            column.append(row.get(name))
    kinds = dict.fromkeys(columns, "float64")
    kinds |= dict.fromkeys(["study", "task", "optimizer", "phase", "state", "error"], "str")
    kinds |= dict.fromkeys(["replicate", "point", "seed", "trial_number"], "int64")
    kinds |= {"diverged": "bool", "diverged_step": "Int64"}
    frame = pd.DataFrame(columns, dtype=object).astype(kinds)
    return frame.sort_values(_ORDER, kind="stable", ignore_index=True)


def curves_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row an epoch of a trial: the key, `epoch` from 1, and everything of a curve."""
    lengths = [len(outcome.curve.f) for outcome in outcomes]
    keys = np.repeat(np.arange(len(outcomes)), lengths)
    frame = pd.DataFrame(
        {
            **{
                name: np.array([getattr(outcome.trial, name) for outcome in outcomes])[keys]
                for name in _KEY
            },
            "epoch": np.concatenate([np.arange(1, n + 1) for n in lengths] or [np.arange(0)]),
            **{
                name: np.array([v for outcome in outcomes for v in getattr(outcome.curve, name)])
                for name in Curve.__slots__
            },
        }
    )
    return frame.sort_values([*_KEY, "epoch"], kind="stable", ignore_index=True)


def _hyperparameters(study: Study) -> tuple[str, ...]:
    exact = ("rho",) if study.optimizers_of("radius") else ()
    return canonical_order((*study.hyperparameters, *exact))


def _row(study: Study, outcome: Outcome, number: int) -> dict[str, object]:
    trial = outcome.trial
    return {
        "study": study.name,
        "task": study.task,
        "optimizer": trial.optimizer,
        "phase": trial.phase,
        "replicate": trial.replicate,
        "point": trial.point,
        "seed": trial.seed,
        **dict(trial.hyperparameters),
        "val_accuracy": outcome.val_accuracy,
        "test_accuracy": outcome.test_accuracy,
        "test_loss": outcome.test_loss,
        "train_loss": outcome.train_loss,
        "radius": outcome.radius,
        "surrogate_gap": outcome.surrogate_gap,
        **outcome.sharpness,
        "diverged": outcome.diverged,
        "diverged_step": outcome.diverged_step,
        "state": outcome.state.value,
        "seconds": outcome.seconds,
        "trial_number": number,
        # A Parquet file takes no half of a character, which a message may hold.
        "error": (outcome.error or "").encode("utf-8", "backslashreplace").decode("utf-8"),
    }
