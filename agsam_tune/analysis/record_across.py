"""The typed record of several studies together, serialised as their `summary.json`.

In: nothing. Out: frozen records. Differences are fractions of best − trivial of each task, but in
a task's own rows, which are as its study has them. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from agsam_tune.analysis.record import Claim, Comparison, LensName, Metric

__all__ = ["Number", "OptimizerAcross", "Pooled", "TaskComparison", "TaskRow"]


class _Record(BaseModel):
    model_config = Metric.model_config


class Number(_Record):
    """A number with its interval, or null with the reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class OptimizerAcross(_Record):
    """Where an optimizer lies in the plane of performance and sensitivity."""

    performance: Number = Field(
        description="mean over tasks of the best half decade of the key, as a share of "
        "best − trivial"
    )
    sensitivity: Number = Field(
        description="Φ: what placing the key for each task gains over one placement for all, in "
        "the same unit; less is better"
    )


class Pooled(_Record):
    """The mean over tasks of candidate − baseline, each as a share of best − trivial."""

    lens: LensName
    metric: Literal["mean_score", "common_regret"]
    candidate: str
    baseline: str
    estimate: float
    low: float | None
    high: float | None
    tasks: Annotated[tuple[str, ...], Field(strict=False)]
    without: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="tasks of the pair that are not in it, with the reason"
    )


class TaskRow(_Record):
    """What one study says."""

    name: str
    study: str
    task: str
    candidate: str | None
    baseline: str | None
    replicates: int
    trainings: int
    diverged: int
    trivial: float
    best: float | None
    scale: Number = Field(description="best − trivial, by which differences are divided")
    claim: Claim
    comparisons: Annotated[tuple[Comparison, ...], Field(strict=False)] = Field(
        description="the study's own rows of its pair"
    )
    normalised: Annotated[tuple[Comparison, ...], Field(strict=False)] = Field(
        description="mean_score and common_regret of these as shares of best − trivial"
    )


class TaskComparison(_Record):
    """Several studies together; nothing is said of other tasks."""

    format: Literal[2] = 2
    comparison_of: Annotated[tuple[str, ...], Field(strict=False)]
    candidate: str | None
    baseline: str | None
    tasks: Annotated[tuple[TaskRow, ...], Field(strict=False)]
    pooled: Annotated[tuple[Pooled, ...], Field(strict=False)]
    optimizers: dict[str, OptimizerAcross]
    verdicts: dict[str, int] = Field(description="claim's verdict → number of tasks of the pair")
    text: str = Field(description="what the tasks say of the claim, one sentence")
    notes: Annotated[tuple[str, ...], Field(strict=False)] = ()
