"""Estimates with intervals from the trials table: pure functions, no training, no storage.

In: the trials table and the study. Out: `analyse` gives `summary.json`, `best_points` the own
best settings, and the others, from one `Context`, the tables behind the figures. Must not import
torch, Ray or Optuna.
"""

from agsam_tune.analysis.best import BestPoint, best_points
from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.profiles import (
    accuracy_along,
    accuracy_along_radius,
    around_own_best,
    gap_along,
    reference_lines,
)
from agsam_tune.analysis.summary import analyse, summarise
from agsam_tune.analysis.surfaces import Surfaces, fit_surfaces

__all__ = [
    "BestPoint",
    "Context",
    "Surfaces",
    "accuracy_along",
    "accuracy_along_radius",
    "analyse",
    "around_own_best",
    "best_points",
    "fit_surfaces",
    "gap_along",
    "make_context",
    "reference_lines",
    "summarise",
]
