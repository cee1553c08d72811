"""The design: which points each phase has, and which trials they are made of."""

from agsam_tune.design.points import drawn_trials, misset_trials, radius_trials
from agsam_tune.design.samplers import GridSampler, SobolSampler
from agsam_tune.design.tune import BATCH, batch_sizes, tune_batch, tune_trials

__all__ = [
    "BATCH",
    "GridSampler",
    "SobolSampler",
    "batch_sizes",
    "drawn_trials",
    "misset_trials",
    "radius_trials",
    "tune_batch",
    "tune_trials",
]
