"""Outcomes to store: usual ones, and the worst there may be."""

import dataclasses
import math
from pathlib import Path

from agsam_tune.study import Study, load_study
from agsam_tune.trials import Curve, Outcome, State, Trial

STUDY = load_study(Path(__file__).parents[2] / "studies" / "quick.toml")
HOSTILE = (
    """it's "quoted" 100%s %(x)s {} {0} \\ \n\t \0 <b> '; DROP TABLE trials; -- ü 漢 🎲 \ud800"""
)
INF = math.inf


def outcome(optimizer: str = "gsam", point: int = 0, seed: int = 0, **changes: object) -> Outcome:
    values = {"rho": 0.1, "alpha": 0.2} | ({} if optimizer == "gsam" else {"gamma": 0.01})
    trial = Trial(
        optimizer=optimizer,
        phase="map",
        replicate=0,
        index=point,
        point=point,
        seed=seed,
        hyperparameters=tuple(values.items()),
    )
    curve = Curve(
        val_accuracy=(0.5, 0.8),
        test_accuracy=(0.4, 0.7),
        f=(0.6, 0.123456789012345),
        f_p=(0.7, math.nan),
        surrogate_gap=(0.1, math.nan),
        radius=(0.1, 0.1),
    )
    base = Outcome(
        trial=trial,
        state=State.COMPLETE,
        val_accuracy=0.8,
        test_accuracy=0.7,
        test_loss=0.4,
        train_loss=0.3,
        radius=0.1,
        surrogate_gap=0.05,
        seconds=1.5,
        curve=curve,
    )
    return dataclasses.replace(base, **changes)


DIVERGED = outcome(point=1, diverged=True, diverged_step=7, test_loss=math.nan, train_loss=math.nan)
FAILED = outcome(
    "adaptive_gsam",
    state=State.FAIL,
    val_accuracy=math.nan,
    test_accuracy=math.nan,
    curve=Curve(),
    error="ValueError: <b>no</b>",
)
EXTREME = outcome(
    point=2,
    val_accuracy=5e-324,
    test_accuracy=0.1 + 0.2,
    test_loss=INF,
    train_loss=-INF,
    radius=-0.0,
    surrogate_gap=1.7976931348623157e308,
    seconds=math.nan,
    sharpness={"sigma_max": math.nan, "gap": INF, "trace": -0.0, "small": 5e-324},
    curve=Curve(
        val_accuracy=(0.0, 1.0),
        test_accuracy=(-0.0, 5e-324),
        f=(INF, -INF),
        f_p=(math.nan, 1e308),
        surrogate_gap=(1 / 3, -1 / 3),
        radius=(math.nan, math.nan),
    ),
)
LONG = outcome("gsam_matched", error=HOSTILE * 2000, state=State.FAIL, val_accuracy=math.nan)


def points(optimizer: str, numbers: range) -> list[Outcome]:
    """Outcomes that differ in every number they have."""
    return [
        outcome(optimizer, n, n % 3, val_accuracy=1 / (n + 1), radius=n / 7, test_loss=n / 3)
        for n in numbers
    ]


def named(study: str) -> Study:
    """The study by another name."""
    return Study.from_resolved(STUDY.resolved() | {"name": study})


def bare(whole: Outcome) -> Outcome:
    """The outcome as a driver reads it: without its learning curve."""
    return dataclasses.replace(whole, curve=Curve())
