"""Small tables behind the figures that are not estimates.

In: the trials and curves tables of a run. Out: pandas frames, scores as stored. Must not import
torch, Ray or Optuna; estimates with intervals come from `agsam_tune.analysis`.
"""

from __future__ import annotations

import pandas as pd


def complete(trials: pd.DataFrame) -> pd.DataFrame:
    """Trials with a result: diverged ones too, those that raised not."""
    return trials[(trials["state"] == "COMPLETE") & trials["test_accuracy"].notna()]


def collapsed(trials: pd.DataFrame, threshold: float) -> pd.Series:
    """Which trials diverged or score no better than the threshold; aligned with `trials`."""
    return trials["diverged"].astype(bool) | (trials["test_accuracy"] <= threshold)


def hyperparameter_columns(trials: pd.DataFrame) -> tuple[str, ...]:
    """The table's hyperparameters: the columns between `seed` and `val_accuracy`."""
    columns = list(trials.columns)
    if "seed" not in columns or "val_accuracy" not in columns:
        return ()
    return tuple(columns[columns.index("seed") + 1 : columns.index("val_accuracy")])


def typical_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles of the test score by optimizer and epoch.

    Columns: optimizer, epoch, low (25 %), middle (50 %), high (75 %).
    """
    groups = curves.groupby(["optimizer", "epoch"], sort=True, observed=True)["test_accuracy"]
    table = groups.quantile([0.25, 0.5, 0.75]).unstack()
    table.columns = pd.Index(["low", "middle", "high"])
    return table.dropna().reset_index()
