"""Estimates with intervals from the trials table: pure functions, no training, no storage.

In: the trials table and the study. Out: `analyse` gives `summary.json`, `best_points` the own
best settings, and the others the tables behind the figures. Must not import torch, Ray or Optuna.
"""

from agsam_tune.analysis.best import BestPoint, best_points
from agsam_tune.analysis.profiles import (
    accuracy_along,
    accuracy_along_radius,
    around_own_best,
    gap_along,
    reference_lines,
)
from agsam_tune.analysis.summary import analyse

__all__ = [
    "BestPoint",
    "accuracy_along",
    "accuracy_along_radius",
    "analyse",
    "around_own_best",
    "best_points",
    "gap_along",
    "reference_lines",
]
