"""Accuracy surfaces over pairs of hyperparameters, with two uncertainties apart.

In: a `Context`. Out: `Surfaces`. Must not import torch, Ray or Optuna.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["Surfaces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Fitted surfaces of all optimizers of a study.

    Attributes:
        grid: optimizer, second, rho, x2, accuracy, noise, uncertainty: the mean over the search
            space's other hyperparameters at rho and the hyperparameter called `second` (at x2),
            the standard deviation of one trial over seeds there, and the standard deviation of
            `accuracy` as an estimate. Fractions. Only of optimizers whose surface is usable.
        difference: second, rho, x2, difference, low, high, significant: candidate - baseline.
        quality: optimizer -> {"usable", "reason", "r2", "rmse", "coverage", "n_points"}.
    """

    grid: pd.DataFrame
    difference: pd.DataFrame
    quality: Mapping[str, Mapping[str, Any]]
