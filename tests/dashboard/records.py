"""A record in which every number is another, made without an analysis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from agsam_tune.analysis.record import (
    Claim,
    Comparison,
    Counts,
    Curve,
    Design,
    EffectiveNumber,
    FixedPoint,
    Importance,
    Metric,
    Needed,
    OptimizerRecord,
    OwnBest,
    Summary,
    SurfaceQuality,
    TuningRow,
)
from agsam_tune.study import Study

LENSES = ("same_setting", "own_scale", "equal_radius")
METRICS = ("score", "regret", "share_within_0.01", "collapse_rate", "tolerance_decades")
X = (0.01, 0.1, 1.0)


def summary_of(study: Study, *, trainings: int = 240) -> Summary:
    """Whatever may be in a record of this study, of that many trainings."""
    fresh = (n / 1000 for n in itertools.count(10))
    tuned = [
        TuningRow(optimizer=name, trials=n, value=next(fresh), low=next(fresh), high=next(fresh))
        for name in (*study.optimizers, None)
        for n in (1, 2, 4)
    ]
    points = [point for phase in study.phases for point in phase.fixed]
    fixed = [
        FixedPoint(
            optimizer=point.optimizer,
            point=number,
            hyperparameters=dict(point.hyperparameters),
            metrics=(_metric("fixed", "mean_score", fresh),),
        )
        for number, point in enumerate(points)
    ]
    paired = study.candidate is not None and study.baseline is not None
    return Summary(
        study=study.name,
        task=study.task,
        candidate=study.candidate,
        baseline=study.baseline,
        control=study.control,
        counts=Counts(trainings=trainings, diverged=3, collapsed=5, failed=1),
        design=_design(study),
        optimizers={name: _optimizer(study, name, fresh) for name in study.optimizers},
        comparisons=tuple(_comparisons(study, fresh)) if paired else (),
        claim=Claim(verdict="undecided", text="Nothing is decided yet.", because=("A reason.",)),
        needed=(Needed(lens="own_scale", replicates=48, half_width=0.02, margin=0.01),),
        tuning=tuple(tuned),
        fixed=tuple(fixed),
        notes=("Something <b>to know</b>.",),
    )


def _design(study: Study) -> Design:
    return Design(
        replicates=16,
        complete=True,
        looks=(16,),
        max_replicates=64,
        next_look=32,
        data="per_replicate",
        key=study.key,
        key_box=study.key_box,
        factor=study.factor,
        radius_range=None,
        metric="accuracy",
        trivial=0.5,
        best=0.9,
        margin=0.02,
        confidence=0.95,
        epsilons=(0.01,),
    )


def _comparisons(study: Study, fresh: Iterator[float]) -> Iterator[Comparison]:
    """Of each lens its two numbers, all of another verdict; one cannot be asked."""
    verdicts = dict(zip(LENSES, ("candidate", "undecided", "not_applicable"), strict=True))
    for lens, verdict in verdicts.items():
        for metric in ("score", "regret"):
            asked = verdict != "not_applicable"
            low, judged_low, value, judged_high, high = (next(fresh) for _ in range(5))
            yield Comparison(
                lens=lens,
                metric=metric,
                candidate=str(study.candidate),
                baseline=str(study.baseline),
                estimate=value if asked else None,
                low=judged_low if asked else None,
                high=judged_high if asked else None,
                verdict_low=low if asked else None,
                verdict_high=high if asked else None,
                verdict=verdict,
                reason=None if asked else "sgd has no ascent step",
                replicates=16,
            )


def _optimizer(study: Study, name: str, fresh: Iterator[float]) -> OptimizerRecord:
    names = study.search_spaces[name].names
    numbers = [_metric(lens, metric, fresh) for lens in LENSES for metric in METRICS]
    kinds = ("key", "off", "radius", "range")
    curves = [_curve(kind, names[0], fresh) for kind in kinds if names]
    curves += [_curve("map", one, fresh) for one in names]
    return OptimizerRecord(
        hyperparameters=names,
        trainings=80,
        diverged=1,
        collapsed=2,
        failed=0,
        clipped_share=next(fresh),
        metrics=tuple(numbers),
        curves=tuple(curves),
        own_best=OwnBest(
            replicates=16,
            hyperparameters={one: next(fresh) for one in names},
            spread={one: (next(fresh), next(fresh)) for one in names},
            helps=False,
        ),
        surface=SurfaceQuality(fitted=True, r2=next(fresh), noise_share=next(fresh)),
        importance=tuple(
            Importance(method="fanova", hyperparameters=(one,), value=next(fresh)) for one in names
        ),
        effective_number=EffectiveNumber(value=1 + next(fresh), low=1.0, high=2.0),
    )


def _metric(lens: str, metric: str, fresh: Iterator[float]) -> Metric:
    low, value, high = (next(fresh) for _ in range(3))
    return Metric.model_validate(
        {
            "lens": lens,
            "metric": metric,
            "value": value,
            "low": low,
            "high": high,
            "replicates": 16,
            "trainings": 256,
        }
    )


def _curve(kind: str, hyperparameter: str, fresh: Iterator[float]) -> Curve:
    low, mean, high = (tuple(next(fresh) for _ in X) for _ in range(3))
    return Curve.model_validate(
        {
            "kind": kind,
            "hyperparameter": hyperparameter,
            "x": X,
            "mean": mean,
            "low": low,
            "high": high,
        }
    )
