"""The typed record of an analysis, of which `summary.json` is the serialised form.

In: nothing. Out: frozen records. Every list is flat, a row a number, so that whoever shows them
needs no more than to filter. Scores and their differences are fractions, higher is better.
Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agsam_tune import __version__

__all__ = [
    "Changed",
    "Claim",
    "Comparison",
    "Counts",
    "Curve",
    "Design",
    "EffectiveNumber",
    "FixedPoint",
    "Importance",
    "Metric",
    "Needed",
    "OptimizerRecord",
    "OwnBest",
    "PublishedNumber",
    "Summary",
    "SurfaceQuality",
    "TuningRow",
    "summary_schema",
]

#: The version of the form of `summary.json`.
FORMAT: Literal[2] = 2

LensName = Literal[
    "same_setting", "own_scale", "equal_radius", "around_best", "around_default", "fixed"
]
LensVerdictName = Literal[
    "candidate",
    "baseline",
    "equivalent",
    "level_candidate",
    "level_baseline",
    "opposed",
    "undecided",
    "not_applicable",
]
Numbers = Annotated[tuple[float, ...], Field(strict=False)]


class _Record(BaseModel):
    """Frozen, no unknown key, no NaN or infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True, strict=True
    )


class Metric(_Record):
    """One number of one optimizer, with its interval at the study's confidence.

    `value` is null where the data cannot give it, and `reason` says why; `low` and `high` are
    null besides where a single replicate says nothing of the spread.
    """

    lens: LensName
    metric: str = Field(
        description="such as mean_score, regret, share_within_0.01; a lens's `score` is its "
        "robust_score in own_scale, its mean_score elsewhere: one number, by the name that all "
        "lenses share and by its own"
    )
    value: float | None
    low: float | None = None
    high: float | None = None
    replicates: int = Field(default=0, description="independent values that the interval is of")
    trainings: int = Field(default=0, description="trainings that the value is made from")
    reason: str | None = Field(default=None, description="why there is no value, or what it lacks")


class Comparison(_Record):
    """candidate − baseline of one metric in one lens; of a loss, how much less is lost.

    A lens's verdict stands in its rows of the metrics `score` and `regret`; all else is
    secondary and has none. `candidate` and `baseline` are the pair in this order; rows of other
    pairs (with the control) name theirs.
    """

    lens: LensName
    metric: str
    candidate: str
    baseline: str
    estimate: float | None = Field(description="positive: the candidate does better")
    low: float | None = None
    high: float | None = None
    verdict_low: float | None = None
    verdict_high: float | None = None
    verdict: LensVerdictName | None = None
    margin: float | None = Field(
        default=None, description="differences up to it count as none; of rows with a verdict"
    )
    reason: str | None = Field(
        default=None, description="why it is not applicable, or what keeps it undecided"
    )
    replicates: int = 0


class Claim(_Record):
    """What the fair lenses say together."""

    verdict: Literal[
        "supported", "contradicted", "mixed", "no_difference", "not_applicable", "undecided"
    ]
    text: str = Field(description="the headline, at most 30 words")
    because: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="a sentence for each lens, and what else bears on it"
    )


class Needed(_Record):
    """How many replicates a lens would need to be decided, if what was found is so."""

    lens: LensName
    replicates: int | None = Field(description="null where more of the same would not decide it")
    half_width: float | None = Field(description="of the wider verdict interval now")
    margin: float


class Curve(_Record):
    """A mean score along one setting, with bands over the replicates."""

    kind: Literal["key", "off", "radius", "map", "range", "misset"] = Field(
        description="which trainings: of a phase; `range`: the map along the measured radius"
    )
    hyperparameter: str = Field(description="what x is; `radius` for the length of a step")
    x: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers
    window: tuple[float, float] | None = Field(
        default=None, description="ends of the best window, in x"
    )


class OwnBest(_Record):
    """What an Optuna search of the map's and tune's size reaches: the middle over replicates."""

    replicates: int
    hyperparameters: dict[str, float] = Field(description="medians of the replicates' own best")
    spread: dict[str, tuple[float, float]] = Field(description="quartiles of the same")
    helps: bool | None = Field(
        default=None, description="whether it beats the base optimizer alone; null if not known"
    )


class SurfaceQuality(_Record):
    """How well the fitted surface says what new trainings would."""

    fitted: bool
    r2: float | None = None
    noise_share: float | None = Field(
        default=None, description="of the variance of scores, measured from second seeds"
    )
    reason: str | None = None


class Importance(_Record):
    """The share of a hyperparameter, or of a pair, in one of three senses."""

    method: Literal["ped_anova", "fanova", "sobol_first", "sobol_total", "sobol_pair"]
    hyperparameters: Annotated[tuple[str, ...], Field(strict=False)]
    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class EffectiveNumber(_Record):
    """The effective number of hyperparameters, of opda's noisy quadratic."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class TuningRow(_Record):
    """Best score after n trials, of an optimizer, or the difference of the pair."""

    optimizer: str | None = Field(description="null for candidate − baseline")
    trials: int
    value: float
    low: float
    high: float


class OptimizerRecord(_Record):
    """All that is said of one optimizer."""

    hyperparameters: Annotated[tuple[str, ...], Field(strict=False)]
    trainings: int
    diverged: int
    collapsed: int
    failed: int
    clipped_share: float = Field(
        description="of draws of off, radius and misset, those at a bound of the rule"
    )
    metrics: Annotated[tuple[Metric, ...], Field(strict=False)] = ()
    curves: Annotated[tuple[Curve, ...], Field(strict=False)] = ()
    own_best: OwnBest | None = None
    surface: SurfaceQuality | None = None
    importance: Annotated[tuple[Importance, ...], Field(strict=False)] = ()
    effective_number: EffectiveNumber | None = None


class FixedPoint(_Record):
    """One of the settings of the phase `fixed`."""

    optimizer: str
    point: int
    hyperparameters: dict[str, float]
    metrics: Annotated[tuple[Metric, ...], Field(strict=False)]


class PublishedNumber(_Record):
    """A published number beside ours."""

    source: str
    optimizer: str
    metric: Literal["test_accuracy", "test_loss"]
    published: float
    ours: float | None
    low: float | None = None
    high: float | None = None


class Design(_Record):
    """What the analysis was made with."""

    replicates: int
    complete: bool = Field(description="whether all trainings of this size are there")
    looks: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        description="sizes that were analysed so far, this one last"
    )
    max_replicates: int
    next_look: int | None = Field(description="replicates of the next look, null after the last")
    data: Literal["per_replicate", "fixed"]
    key: str | None
    key_box: tuple[float, float] | None = Field(description="the union of both boxes")
    factor: float | None
    radius_range: tuple[float, float] | None
    metric: str
    trivial: float
    best: float | None = Field(description="the better of the two, from the phase key")
    margin: float
    confidence: float
    epsilons: Annotated[tuple[float, ...], Field(strict=False)]


class Counts(_Record):
    """Trainings by what became of them."""

    trainings: int
    diverged: int
    collapsed: int
    failed: int


class Changed(_Record):
    """A setting of the analysis that is not the run's own."""

    key: str
    run: Any
    here: Any


class Summary(_Record):
    """Every estimate of the report."""

    format: Literal[2] = FORMAT
    study: str
    task: str
    candidate: str | None
    baseline: str | None
    control: str | None
    counts: Counts
    design: Design
    optimizers: dict[str, OptimizerRecord]
    comparisons: Annotated[tuple[Comparison, ...], Field(strict=False)]
    gap: Annotated[tuple[Comparison, ...], Field(strict=False)] = Field(
        default=(),
        description="metrics total, unit_part, direction_part of mean_score and of regret, as "
        "`mean_score.total`, with the pair that each is the difference of",
    )
    claim: Claim
    needed: Annotated[tuple[Needed, ...], Field(strict=False)] = ()
    tuning: Annotated[tuple[TuningRow, ...], Field(strict=False)] = ()
    fixed: Annotated[tuple[FixedPoint, ...], Field(strict=False)] = ()
    published: Annotated[tuple[PublishedNumber, ...], Field(strict=False)] = ()
    notes: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="what a reader must know besides, a sentence each"
    )
    changed: Annotated[tuple[Changed, ...], Field(strict=False)] = ()

    def comparison(self, lens: str, metric: str) -> Comparison | None:
        """The pair's row of a lens and a metric, or None."""
        return next(
            (
                row
                for row in self.comparisons
                if (row.lens, row.metric) == (lens, metric)
                and (row.candidate, row.baseline) == (self.candidate, self.baseline)
            ),
            None,
        )

    def metric(self, optimizer: str, lens: str, metric: str) -> Metric | None:
        """One number of one optimizer, or None."""
        rows = self.optimizers[optimizer].metrics
        return next((row for row in rows if (row.lens, row.metric) == (lens, metric)), None)


def summary_schema() -> dict[str, Any]:
    """The JSON Schema of `summary.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Made by agsam-tune {__version__}: agsam-tune schema summary",
        **Summary.model_json_schema(mode="serialization"),
        "title": "agsam-tune summary",
    }
