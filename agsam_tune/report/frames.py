"""Small tables behind the figures that are not estimates: points, surfaces' dots, typical curves.

In: the trials and curves tables of a run. Out: pandas frames, accuracies as fractions. Must not
import torch, Ray or Optuna; estimates with intervals come from `agsam_tune.analysis`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

KEY = ["optimizer", "phase", "point", "seed"]


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
    """Median and quartiles of the test accuracy by optimizer and epoch.

    Columns: optimizer, epoch, low (25 %), middle (50 %), high (75 %), n.
    """
    columns = ["optimizer", "epoch", "low", "middle", "high", "n"]
    if curves.empty:
        return pd.DataFrame(columns=columns)
    groups = curves.groupby(["optimizer", "epoch"], sort=True, observed=True)["test_accuracy"]
    table = groups.quantile([0.25, 0.5, 0.75]).unstack()
    table.columns = pd.Index(["low", "middle", "high"])
    return table.assign(n=groups.size()).reset_index()[columns]


def best_trials(trials: pd.DataFrame, phases: Sequence[str]) -> pd.DataFrame:
    """The trial of each optimizer with the best validation accuracy in those phases; its key."""
    rows = complete(trials)
    rows = rows[rows["phase"].isin(list(phases)) & rows["val_accuracy"].notna()]
    # A stable sort of a sorted table: ties go to the lowest (phase, point, seed).
    ranked = rows.sort_values("val_accuracy", ascending=False, kind="stable")
    return ranked.drop_duplicates("optimizer")[KEY]


def bad_trials(
    trials: pd.DataFrame, phases: Sequence[str], threshold: float, *, most: int
) -> pd.DataFrame:
    """Collapsed trials of each optimizer, at most so many, spread evenly over those there are.

    Columns: the key, diverged, and `of` (how many collapsed in all).
    """
    rows = complete(trials)
    rows = rows[rows["phase"].isin(list(phases))]
    rows = rows[collapsed(rows, threshold)]
    chosen = []
    for _, group in rows.groupby("optimizer", sort=True, observed=True):
        take = np.unique(np.linspace(0, len(group) - 1, min(most, len(group))).round().astype(int))
        chosen.append(group.iloc[take][[*KEY, "diverged"]].assign(of=len(group)))
    if not chosen:
        return pd.DataFrame(columns=[*KEY, "diverged", "of"])
    return pd.concat(chosen, ignore_index=True)


def curves_of(curves: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """The learning curves of the trials with those keys."""
    if curves.empty or keys.empty:
        return curves.iloc[:0]
    return curves.merge(keys[KEY], on=KEY, how="inner")
