"""Estimates with intervals from the trials table: pure functions, no training, no storage.

In: the trials table and the study. Out: `analyse` gives the record of which `summary.json` is the
serialised form; `best_settings` and `radius_range` give what later phases are drawn around. Must
not import torch, Ray or Optuna.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from agsam_tune.analysis.facts import AnalysisFacts
from agsam_tune.analysis.record import Summary

if TYPE_CHECKING:
    from agsam_tune.analysis.data import Data, PhaseData, read_data
    from agsam_tune.analysis.lengths import radius_range
    from agsam_tune.analysis.own_best import BestSetting, best_settings
    from agsam_tune.analysis.whole import analyse, analyse_data

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

# Only where something is estimated: who reads a record does not need pandas. No module may have the
# name of what it gives, since it would stand in its place.
_LATER = {
    **dict.fromkeys(("analyse", "analyse_data"), "whole"),
    **dict.fromkeys(("Data", "PhaseData", "read_data"), "data"),
    **dict.fromkeys(("BestSetting", "best_settings"), "own_best"),
    "radius_range": "lengths",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"agsam_tune.analysis.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
