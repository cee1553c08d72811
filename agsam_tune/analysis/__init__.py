"""Estimates with intervals from the trials table: pure functions, no training, no storage.

In: the trials table and the study. Out: `analyse` gives the record of which `summary.json` is the
serialised form; `best_settings` and `radius_range` give what later phases are drawn around. Must
not import torch, Ray or Optuna.
"""

from agsam_tune.analysis.analyse import analyse, analyse_data
from agsam_tune.analysis.data import Data, PhaseData, read_data
from agsam_tune.analysis.facts import AnalysisFacts
from agsam_tune.analysis.own_best import BestSetting, best_settings
from agsam_tune.analysis.radius_range import radius_range
from agsam_tune.analysis.record import Summary

__all__ = [
    "AnalysisFacts",
    "BestSetting",
    "Data",
    "PhaseData",
    "Summary",
    "analyse",
    "analyse_data",
    "best_settings",
    "radius_range",
    "read_data",
]
