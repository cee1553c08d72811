"""What an analysis must know besides the trials and the study.

In: nothing. Out: one frozen record. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["AnalysisFacts"]

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisFacts:
    """Facts of a run that neither its study file nor its trials say.

    Attributes:
        trivial: the trivial score: of accuracy the largest class's share of the test split, the
            mean over the replicates where each has its own.
        looks: replicates at each look so far, strictly increasing, this one last.
        complete: whether all trainings of this many replicates are there; else there are numbers
            and no verdict.
        radius_range: shortest and longest step of the phase `radius`; None where it is not known.
        paired: whether replicates are the same for all optimizers, as in one study; two runs that
            are compared are independent of each other.
        ranges: phase (`key`, `off`) → ends of what the key was drawn from, where the study does
            not say it, as of a table that is imported; else empty.
        metric: what the score is, `accuracy` where it is a share that people read in points.
        can_grow: whether more replicates could be had; a table is what it is.
    """

    trivial: float
    looks: tuple[int, ...]
    complete: bool = True
    radius_range: Ends | None = None
    paired: bool = True
    ranges: Mapping[str, Ends] = field(default_factory=dict)
    metric: str = "accuracy"
    can_grow: bool = True
