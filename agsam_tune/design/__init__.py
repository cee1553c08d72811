"""The design: which points each phase has, and which trials they are made of."""

from agsam_tune.design.misset import first_fresh_seed, misset_factors, misset_trials
from agsam_tune.design.points import drawn_trials
from agsam_tune.design.samplers import GridSampler, SobolSampler
from agsam_tune.design.tune import batch_sizes, tune_batch, tune_trials

__all__ = [
    "GridSampler",
    "SobolSampler",
    "batch_sizes",
    "drawn_trials",
    "first_fresh_seed",
    "misset_factors",
    "misset_trials",
    "tune_batch",
    "tune_trials",
]
