"""Records to report on, made by hand, with trials of no meaning behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agsam_tune.analysis.record import (
    Changed,
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
    PublishedNumber,
    Summary,
    SurfaceQuality,
    TuningRow,
)
from agsam_tune.columns import AFTER_HYPERPARAMETERS, SHARPNESS
from agsam_tune.study import Sharpness, Study, load_study

STUDIES = Path(__file__).parents[2] / "studies"
TRIVIAL = 0.5
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
MATH = "$\\frac{1}{0}$ {{ 7*7 }} ]]> &amp; --> \x07"
LONG = "ß" * 300
LENSES = ("same_setting", "own_scale", "equal_radius", "around_best", "around_default")
METRICS = (
    *("mean_score", "best", "regret", "common_regret", "robust_score", "share_within_0.01"),
    *("collapse_rate", "win_probability", "misset_penalty_10_rho", "tolerance_decades"),
)


def study_of(name: str, **changes: Any) -> Study:
    """A study file of this repository, with changed keys of its resolved form."""
    return Study.from_resolved(load_study(STUDIES / f"{name}.toml").resolved() | changes)


class Numbers:
    """Numbers that differ in whatever form they are printed."""

    def __init__(self) -> None:
        self._generator = np.random.default_rng(0)

    def one(self, low: float = 0.51, high: float = 0.97) -> float:
        return float(self._generator.uniform(low, high))

    def around(self, low: float = 0.51, high: float = 0.97) -> dict[str, float]:
        """`low` and `high` around what is between them."""
        ends = sorted(self.one(low, high) for _ in range(2))
        return {"low": ends[0], "high": ends[1]}

    def count(self) -> int:
        return int(self._generator.integers(100, 30_000))


def summary_of(study: Study) -> Summary:
    """A record full of everything."""
    n = Numbers()
    candidate, baseline, control = study.candidate, study.baseline, study.control
    assert candidate is not None
    assert baseline is not None
    pair = {"candidate": candidate, "baseline": baseline}
    split = {"candidate": candidate, "baseline": control or baseline}
    return Summary(
        study=study.name,
        task=study.task,
        **pair,
        control=control,
        counts=Counts(trainings=n.count(), diverged=n.count(), collapsed=n.count(), failed=7),
        design=design_of(study, n),
        optimizers={name: _optimizer(study, name, n) for name in study.optimizers},
        comparisons=tuple(_comparisons(pair, split, n)),
        gap=tuple(
            Comparison(
                lens="same_setting",
                metric=f"{metric}.{part}",
                **(pair if part == "total" else split),
                estimate=n.one(-0.04, 0.04),
                **n.around(-0.04, 0.04),
                replicates=n.count(),
            )
            for metric in ("mean_score", "regret")
            for part in ("total", "unit_part", "direction_part")
        ),
        claim=Claim(
            verdict="supported",
            text="adaptive_gsam keeps 3.5 points more at steps of the same length.",
            because=("At the same radius it is better.", "On its own scale neither loses."),
        ),
        needed=(
            Needed(lens="own_scale", replicates=n.count(), half_width=0.01234, margin=0.00987),
            Needed(lens="equal_radius", replicates=None, half_width=None, margin=0.0199),
        ),
        tuning=tuple(
            TuningRow(optimizer=name, trials=trials, value=n.one(), **n.around())
            for name in (candidate, baseline, None)
            for trials in (1, 2, 4, 8)
        ),
        fixed=tuple(_fixed(study, n)),
        published=(
            PublishedNumber(
                source="a paper",
                optimizer=candidate,
                metric="test_accuracy",
                published=0.8907,
                ours=n.one(),
                **n.around(),
            ),
            PublishedNumber(
                source="a paper", optimizer=baseline, metric="test_loss", published=0.27, ours=None
            ),
        ),
        notes=("Splits are of one pool.",),
        changed=(Changed(key="analysis.margin", run=0.02, here=0.01),),
    )


def design_of(study: Study, n: Numbers, **changes: Any) -> Design:
    """How a record was made."""
    given: dict[str, Any] = {
        "replicates": 17,
        "complete": True,
        "looks": (9, 17),
        "max_replicates": 68,
        "next_look": 34,
        "data": "per_replicate",
        "key": study.key,
        "key_box": study.key_box,
        "factor": 10.0,
        "radius_range": (0.123, 1.23),
        "metric": "accuracy",
        "trivial": TRIVIAL,
        "best": n.one(),
        "margin": 0.0211,
        "confidence": 0.953,
        "epsilons": (0.0102, 0.0304),
    }
    return Design(**{**given, **changes})


def _optimizer(study: Study, name: str, n: Numbers) -> OptimizerRecord:
    names = study.search_spaces[name].names
    counts = {key: n.count() for key in ("trainings", "diverged", "collapsed", "failed")}
    if not names:
        return OptimizerRecord(hyperparameters=(), **counts, clipped_share=0.0)
    x = tuple(float(value) for value in np.geomspace(0.0005, 80, 12))
    return OptimizerRecord(
        hyperparameters=names,
        **counts,
        clipped_share=0.0763,
        metrics=tuple(_metrics(n)),
        curves=tuple(
            _curve(kind, x if kind != "misset" else (0.1, 1.0, 10.0), n)
            for kind in ("key", "off", "radius", "map", "range", "misset")
        ),
        own_best=OwnBest(
            replicates=17,
            hyperparameters={key: n.one() for key in names},
            spread={key: (n.one(0.1, 0.2), n.one(1, 2)) for key in names},
            helps=False,
        ),
        surface=SurfaceQuality(fitted=True, r2=0.8123, noise_share=0.34, reason="few points"),
        importance=(
            *(
                Importance(
                    method=method,  # type: ignore[arg-type]
                    hyperparameters=(key,),
                    value=n.one(),
                    **n.around(),
                )
                for method in ("ped_anova", "fanova", "sobol_first", "sobol_total")
                for key in names
            ),
            Importance(
                method="sobol_pair", hyperparameters=names[:2], value=None, reason="one seed"
            ),
        ),
        effective_number=EffectiveNumber(value=1.7, low=1.1, high=2.6),
    )


def _curve(kind: str, x: tuple[float, ...], n: Numbers) -> Curve:
    ends = [n.around() for _ in x]
    return Curve(
        kind=kind,  # type: ignore[arg-type]
        hyperparameter="radius" if kind in ("radius", "range") else "rho",
        x=x,
        mean=tuple(n.one() for _ in x),
        low=tuple(one["low"] for one in ends),
        high=tuple(one["high"] for one in ends),
        window=(n.one(0.01, 0.1), n.one(1, 2)) if kind in ("key", "off") else None,
    )


def _metrics(n: Numbers) -> Iterable[Metric]:
    for lens in LENSES:
        for metric in METRICS:
            yield Metric(
                lens=lens,  # type: ignore[arg-type]
                metric=metric,
                value=n.one(),
                **n.around(),
                replicates=n.count(),
                trainings=n.count(),
            )
        yield Metric(lens=lens, metric="tuned", value=None, reason="there is no tune")  # type: ignore[arg-type]


def _comparisons(
    pair: Mapping[str, str], split: Mapping[str, str], n: Numbers
) -> Iterable[Comparison]:
    verdicts = {"same_setting": "candidate", "own_scale": "equivalent", "equal_radius": "candidate"}
    for lens, verdict in verdicts.items():
        for metric in ("score", "regret"):
            judged = n.around(-0.05, 0.05)
            yield Comparison(
                lens=lens,  # type: ignore[arg-type]
                metric=metric,
                **pair,
                estimate=n.one(-0.03, 0.03),
                **n.around(-0.04, 0.04),
                verdict_low=judged["low"],
                verdict_high=judged["high"],
                verdict=verdict,  # type: ignore[arg-type]
                margin=0.01,
                reason="5.5 % of its draws are clipped" if lens == "own_scale" else None,
                replicates=n.count(),
            )
        for other in (pair, split):
            yield Comparison(
                lens=lens,  # type: ignore[arg-type]
                metric="collapse_rate",
                **other,
                estimate=n.one(-0.3, 0.3),
                **n.around(-0.4, 0.4),
                replicates=n.count(),
            )


def _fixed(study: Study, n: Numbers) -> Iterable[FixedPoint]:
    for name in study.optimizers[:2]:
        yield FixedPoint(
            optimizer=name,
            point=3,
            hyperparameters={key: n.one() for key in study.search_spaces[name].names},
            metrics=tuple(
                Metric(
                    lens="fixed", metric=metric, value=n.one(), **n.around(), replicates=n.count()
                )
                for metric in ("test_accuracy", "test_loss")
            ),
        )


def trials_of(study: Study, *, replicates: int = 2, points: int = 4) -> pd.DataFrame:
    """A few trials of each phase: a plain that ends with a cliff, a tenth of them diverged."""
    generator = np.random.default_rng(1)
    rows = []
    for phase in study.phases:
        for name in study.optimizers_of(phase.name):
            space = study.search_spaces[name].ranges
            for point in range(replicates * points):
                setting = {
                    key: float(
                        10 ** generator.uniform(np.log10(box.low or 1e-3), np.log10(box.high))
                    )
                    for key, box in space.items()
                }
                score = 0.9 - 0.3 * (setting.get("rho", 0) > 1) + generator.normal(0, 0.01)
                diverged = bool(generator.uniform() < 0.1)
                rows.append(
                    {
                        "study": study.name,
                        "task": study.task,
                        "optimizer": name,
                        "phase": phase.name,
                        "replicate": point // points,
                        "point": point,
                        "seed": 0,
                        **{key: setting.get(key, np.nan) for key in study.hyperparameters},
                        "val_accuracy": TRIVIAL if diverged else score,
                        "test_accuracy": TRIVIAL if diverged else score,
                        "test_loss": np.nan if diverged else 1 - score,
                        "train_loss": 0.2,
                        "radius": setting.get("rho", np.nan),
                        "surrogate_gap": 0.01,
                        **(dict.fromkeys(SHARPNESS, 1.5) if study.sharpness else {}),
                        "diverged": diverged,
                        "diverged_step": 12 if diverged else None,
                        "state": "COMPLETE",
                        "seconds": 0.5,
                        "trial_number": len(rows),
                        "error": "",
                    }
                )
    table = pd.DataFrame(rows)
    assert set(AFTER_HYPERPARAMETERS) <= set(table.columns)
    return table.astype({"diverged_step": "Int64", "replicate": "Int64"})


def curves_of(trials: pd.DataFrame, epochs: int = 4) -> pd.DataFrame:
    """Learning curves that end where the trials do."""
    keys = ["optimizer", "phase", "point", "seed"]
    table = trials.loc[trials.index.repeat(epochs), [*keys, "test_accuracy"]].reset_index(drop=True)
    table["epoch"] = np.tile(np.arange(1, epochs + 1), len(trials))
    rise = table["epoch"] / epochs
    table["test_accuracy"] = TRIVIAL + (table["test_accuracy"] - TRIVIAL) * rise
    return table


def manifest_of(study: Study, **changes: Any) -> dict[str, Any]:
    """The contents of `manifest.json`."""
    return {
        "format": 2,
        "study": study.resolved(),
        "study_hash": study.hash,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "commit": "0123abc",
        "device": "cpu",
        "data": {"train": 400, "validation": 400, "test": 400, "chance": TRIVIAL, "digest": "ab"},
        "started": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:14:05+00:00",
        "command": ["agsam-tune", "run", "studies/quick.toml"],
        "foreign_code": False,
        "looks": [9, 17],
        "radius_range": [0.123, 1.23],
    } | changes


def arguments(study: Study, summary: Summary, **manifest: Any) -> dict[str, Any]:
    """Keyword arguments of `write_report`."""
    trials = trials_of(study)
    return {
        "summary": summary,
        "trials": trials,
        "curves": curves_of(trials),
        "manifest": manifest_of(study, **manifest),
        "study": study,
    }


def full() -> dict[str, Any]:
    """Everything that a report can show, one trial that raised included."""
    study = study_of("quick", sharpness=Sharpness().model_dump())
    given = arguments(study, summary_of(study))
    trials = given["trials"]
    raised = trials.index[-1]
    trials.loc[raised, ["state", "error"]] = ["FAIL", "ValueError: a message"]
    trials.loc[raised, ["val_accuracy", "test_accuracy", "test_loss", "diverged_step"]] = np.nan
    trials.loc[raised, "diverged"] = False
    return given


def hostile() -> dict[str, Any]:
    """Names, notes and reasons of somebody who wishes the reader ill."""
    resolved = study_of("quick").resolved()
    resolved |= {"name": SCRIPT, "task": IMAGE, "task_options": {SCRIPT: IMAGE}}
    resolved["optimizers"] = [SCRIPT, MATH, LONG]
    resolved |= {"candidate": SCRIPT, "baseline": LONG, "control": MATH}
    space = resolved["search_spaces"]["gsam"]["ranges"]
    own = {SCRIPT: {"low": 0.1, "high": 1.0, "log": True, "default": 0.5}}
    resolved["search_spaces"] = {
        name: {"optimizer": name, "ranges": space | own} for name in (SCRIPT, MATH, LONG)
    }
    study = Study.from_resolved(resolved)
    summary = summary_of(study)
    rows = tuple(row.model_copy(update={"reason": IMAGE}) for row in summary.comparisons)
    claim = Claim(verdict="undecided", text=SCRIPT, because=(IMAGE, MATH))
    summary = summary.model_copy(
        update={"comparisons": rows, "claim": claim, "notes": (SCRIPT, IMAGE)}
    )
    said = {"device": SCRIPT, "commit": IMAGE, "command": ["agsam-tune", SCRIPT]}
    return arguments(study, summary, **said, versions={SCRIPT: IMAGE})


def _bare(study: Study, **changes: Any) -> Summary:
    """A record with as little as there can be."""
    n = Numbers()
    counts = {"trainings": 8, "diverged": 0, "collapsed": 0, "failed": 0}
    given: dict[str, Any] = {
        "study": study.name,
        "task": study.task,
        "candidate": study.candidate,
        "baseline": study.baseline,
        "control": study.control,
        "counts": Counts(**counts),
        "design": design_of(
            *(study, n),
            replicates=1,
            looks=(),
            max_replicates=1,
            next_look=None,
            best=None,
            radius_range=None,
            complete=False,
        ),
        "optimizers": {
            name: OptimizerRecord(
                hyperparameters=study.search_spaces[name].names, **counts, clipped_share=0.0
            )
            for name in study.optimizers
        },
        "comparisons": (),
        "claim": Claim(verdict="undecided", text="Nothing is known yet."),
    }
    return Summary(**{**given, **changes})


def minimal() -> dict[str, Any]:
    """One optimizer without hyperparameters, a few trials, no pair, no learning curves."""
    study = study_of("paper_moons", optimizers=["sgd"], candidate=None, baseline=None, control=None)
    phases = [{"name": "map", "sampler": "sobol", "points": 2}]
    study = Study.from_resolved(study.resolved() | {"phases": phases})
    return {**arguments(study, _bare(study), command=[]), "curves": pd.DataFrame()}


def fixed() -> dict[str, Any]:
    """Fixed points alone."""
    study = study_of("paper_moons")
    whole = summary_of(study)
    summary = _bare(study, fixed=whole.fixed, published=whole.published)
    return arguments(study, summary)


def imported() -> dict[str, Any]:
    """A table without replicates: the same settings alone, and notes on what it cannot give."""
    study = study_of("quick")
    whole = summary_of(study)
    rows = [row for row in whole.comparisons if row.lens == "same_setting"]
    summary = _bare(
        study,
        comparisons=tuple(rows),
        notes=("Points are taken as independent: own_scale and equal_radius are not given.",),
    )
    given = {"source": "trials.csv", "at": "2026-01-02T03:04:05+00:00", "digest": "cd" * 32}
    return arguments(study, summary, imported=given)


def not_applicable() -> dict[str, Any]:
    """Lenses that cannot be asked, with reasons and no numbers."""
    study = study_of("quick", control=None)
    rows = tuple(
        Comparison(
            lens=lens,  # type: ignore[arg-type]
            metric=metric,
            candidate=str(study.candidate),
            baseline=str(study.baseline),
            estimate=None,
            verdict="not_applicable",
            reason=f"no {lens} here",
        )
        for lens in ("own_scale", "equal_radius")
        for metric in ("score", "regret")
    )
    claim = Claim(verdict="not_applicable", text="Neither fair lens can be asked.")
    return arguments(study, _bare(study, comparisons=rows, claim=claim))


REPORTS: dict[str, Callable[[], dict[str, Any]]] = {
    one.__name__: one for one in (full, hostile, minimal, fixed, imported, not_applicable)
}
"""A record of each kind that a report must stand."""
