"""The study file: TOML in, one frozen, validated `Study` out, every error at once.

In: paths of study files and `--set` overrides. Out: `Study`, `StudyError`, and what studies and
search spaces there are. Must not import torch, Ray, Optuna or pandas.
"""

from agsam_tune.study.errors import Problem, StudyError
from agsam_tune.study.files import available_studies, find_study
from agsam_tune.study.hyperparameters import BASE_HYPERPARAMETERS, canonical_order, limit_problem
from agsam_tune.study.load import changed_study, load_study
from agsam_tune.study.misset import (
    MISSET_FACTORS,
    MISSET_LARGEST,
    MissetKind,
    misset_kind,
)
from agsam_tune.study.model import (
    UNKNOWN_TRAINING,
    AnalysisSettings,
    FixedPoint,
    Packs,
    Phase,
    PublishedResult,
    Range,
    Reference,
    Resources,
    SearchSpace,
    Sharpness,
    Training,
)
from agsam_tune.study.planned import planned_trials, seeds_of
from agsam_tune.study.reanalysis import (
    analysis_changes,
    analysis_changes_text,
    with_analysis,
)
from agsam_tune.study.references import announced_optimizers
from agsam_tune.study.spaces import (
    available_search_spaces,
    read_search_space,
    readable_search_spaces,
)
from agsam_tune.study.study import Study, changed_keys

__all__ = [
    "BASE_HYPERPARAMETERS",
    "MISSET_FACTORS",
    "MISSET_LARGEST",
    "UNKNOWN_TRAINING",
    "AnalysisSettings",
    "FixedPoint",
    "MissetKind",
    "Packs",
    "Phase",
    "Problem",
    "PublishedResult",
    "Range",
    "Reference",
    "Resources",
    "SearchSpace",
    "Sharpness",
    "Study",
    "StudyError",
    "Training",
    "analysis_changes",
    "analysis_changes_text",
    "announced_optimizers",
    "available_search_spaces",
    "available_studies",
    "canonical_order",
    "changed_keys",
    "changed_study",
    "find_study",
    "limit_problem",
    "load_study",
    "misset_kind",
    "planned_trials",
    "read_search_space",
    "readable_search_spaces",
    "seeds_of",
    "with_analysis",
]
