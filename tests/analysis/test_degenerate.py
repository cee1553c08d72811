"""Whatever is missing, the analysis ends, with null and a reason instead of NaN."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import (
    accuracy_along,
    accuracy_along_radius,
    analyse,
    around_own_best,
    gap_along,
    reference_lines,
)
from agsam_tune.analysis.context import make_context
from agsam_tune.study import Study
from tests.analysis.conftest import lenses, world_of
from tests.synthetic import synthetic_study

CANDIDATE = "adaptive_gsam"

Cut = Callable[[pd.DataFrame], pd.DataFrame]


def diverge(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        diverged=True, test_accuracy=0.5, val_accuracy=0.5, test_loss=np.nan, radius=np.nan
    )


def fail(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(state="FAIL", test_accuracy=np.nan, val_accuracy=np.nan, radius=np.nan)


def for_candidate(change: Cut) -> Cut:
    def changed(table: pd.DataFrame) -> pd.DataFrame:
        own = table["optimizer"] == CANDIDATE
        return pd.concat([table[~own], change(table[own])])

    return changed


def some(share: float) -> Cut:
    return lambda table: table[np.random.default_rng(8).random(len(table)) < share]


CUTS: dict[str, Cut] = {
    "nothing": lambda t: t.iloc[:0],
    "one row": lambda t: t.iloc[[0]],
    "candidate diverged": for_candidate(diverge),
    "candidate failed": for_candidate(fail),
    "everything diverged": diverge,
    "everything failed": fail,
    "no candidate": lambda t: t[t["optimizer"] != CANDIDATE],
    "no baseline": lambda t: t[t["optimizer"] != "gsam"],
    "no control": lambda t: t[t["optimizer"] != "gsam_matched"],
    "no map": lambda t: t[t["phase"] != "map"],
    "no tune": lambda t: t[t["phase"] != "tune"],
    "no misset": lambda t: t[t["phase"] != "misset"],
    "misset alone": lambda t: t[t["phase"] == "misset"],
    "no best in misset": lambda t: t[(t["phase"] != "misset") | (t["point"] > 0)],
    "one seed": lambda t: t[t["seed"] == 0],
    "odd seeds": lambda t: t[t["seed"] % 2 == 1],
    "one fresh seed": lambda t: t[(t["phase"] != "misset") | (t["seed"] == 2)],
    "one replicate": lambda t: t[(t["phase"] != "map") | (t["point"] < 4)],
    "half": some(0.5),
    "a tenth": some(0.1),
    "a twentieth": some(0.05),
    "a few": some(0.02),
    "stopped early": lambda t: t.iloc[:90],
    "all alike": lambda t: t.assign(test_accuracy=0.9, val_accuracy=0.9),
    "no radius": lambda t: t.assign(radius=np.nan),
    "radius zero": lambda t: t.assign(radius=0.0),
    "one radius": lambda t: t.assign(radius=0.1),
    "no validation": lambda t: t.assign(val_accuracy=np.nan),
}

PROFILES = (accuracy_along, accuracy_along_radius, around_own_best, gap_along, reference_lines)


def checked(table: pd.DataFrame, study: Study) -> dict[str, Any]:
    summary = analyse(table, study, chance=0.5, test_size=4000)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    for own in summary["optimizers"].values():
        for lens in own["metrics"].values():
            assert all(leaf["value"] is not None or leaf["reason"] for leaf in lens.values())
    for row in summary["comparisons"]:
        assert row["difference"] is not None or (row["verdict"], bool(row["reason"])) == (
            "undecided",
            True,
        )
    context = make_context(table, study, chance=0.5)
    for profile in PROFILES:
        profile(context)
    return summary


# One of each kind: nothing, a part of the optimizers, of the phases, of the seeds, of the columns.
FAST = (
    *("nothing", "one row", "candidate diverged", "everything diverged", "everything failed"),
    *("no candidate", "no control", "no map", "misset alone", "one seed", "a tenth", "all alike"),
    *("no radius", "no validation"),
)


def kinds(fast: Iterable[str], all_of: Iterable[str]) -> list[Any]:
    """All of them; those that are not of the fast tier are slow."""
    own = set(fast)
    return [kind if kind in own else pytest.param(kind, marks=pytest.mark.slow) for kind in all_of]


@pytest.mark.parametrize("cut", kinds(FAST, CUTS))
def test_what_is_missing(cut: str, small_trials: pd.DataFrame, small_study: Study) -> None:
    checked(CUTS[cut](small_trials), small_study)


SHAPES: dict[str, dict[str, Any]] = {
    "quick": {"points": 8, "replicates": 2, "seeds": 2, "misset_seeds": 2, "tune": 4},
    "one of all": {"points": 4, "replicates": 1, "seeds": 1, "misset_seeds": 1, "tune": 0},
    "one trial": {"points": 1, "replicates": 1, "seeds": 1, "misset_seeds": 0, "tune": 0},
    "two points a replicate": {"points": 16, "replicates": 8, "seeds": 3, "misset_seeds": 3},
    "no baseline": {"points": 16, "replicates": 2, "optimizers": ("sam",)},
    "no hyperparameters": {"optimizers": ("sgd", "sgd_2x")},
    "bare candidate": {"points": 16, "replicates": 2, "candidate": "sgd"},
    "bare baseline": {"points": 16, "replicates": 2, "candidate": "gsam", "baseline": "sgd"},
    "bare control": {"points": 16, "replicates": 2, "control": "sgd"},
    "without sgd": {"points": 16, "replicates": 4, "seeds": 2, "optimizers": ("gsam", CANDIDATE)},
}


FAST_SHAPES = ("one of all", "one trial", "no baseline", "no hyperparameters", "bare baseline")


@pytest.mark.parametrize("shape", kinds(FAST_SHAPES, SHAPES))
def test_small_and_odd_studies(shape: str) -> None:
    study = synthetic_study(**SHAPES[shape])
    checked(world_of(study).trials(generator=np.random.default_rng(1)), study)


def test_points_without_replicates_are_independent(
    trials: pd.DataFrame, study: Study, summary: dict[str, Any]
) -> None:
    table = trials.assign(replicate=pd.array([pd.NA] * len(trials), dtype="Int64"))
    leaf, sobol = (
        found["optimizers"]["gsam"]["metrics"]["rho"]["mean_accuracy"]
        for found in (lenses(table, study), summary)
    )
    assert leaf["method"] == "t over points and seeds"
    assert sobol["value"] == pytest.approx(leaf["value"])
    assert leaf["high"] - leaf["low"] > 2 * (sobol["high"] - sobol["low"])


def test_all_diverged_loses(trials: pd.DataFrame, study: Study) -> None:
    summary = lenses(for_candidate(diverge)(trials), study)
    rows = {(r["lens"], r["metric"]): r["verdict"] for r in summary["comparisons"]}
    assert rows["rho", "mean_accuracy"] == rows["rho", "failure_rate"] == "baseline"
    leaf = summary["optimizers"][CANDIDATE]["metrics"]["rho"]["failure_rate"]
    assert (leaf["value"], leaf["high"]) == (1.0, 1.0)
    assert leaf["low"] > 0.9
