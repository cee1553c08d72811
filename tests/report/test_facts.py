"""What a run's manifest and trials say of the look that an analysis is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.reporting import facts_of
from agsam_tune.study import Study, planned_trials
from tests.report.records import manifest_of, study_of


def whole(study: Study) -> pd.DataFrame:
    """As many trials as the study plans, by optimizer and phase."""
    rows = [
        {"optimizer": optimizer, "phase": phase, "replicate": i % study.replicates, "point": i}
        for (optimizer, phase), n in planned_trials(study).items()
        for i in range(n or 0)
    ]
    trained = {"seed": 0, "rho": 0.1, "val_accuracy": 0.9, "test_accuracy": 0.9}
    return pd.DataFrame(rows).assign(**trained, state="COMPLETE")


def facts(study: Study, trials: pd.DataFrame, **manifest: Any) -> Any:
    return facts_of(manifest_of(study, **manifest), study, trials)


def test_a_look_is_whole_when_all_that_is_planned_is_there() -> None:
    study = study_of("quick")
    trials = whole(study)
    found = facts(study, trials, looks=[])
    assert (found.looks, found.complete, found.can_grow) == ((4,), True, True)
    assert found.trivial == 0.5
    assert found.radius_range == (0.123, 1.23)
    for place in (0, len(trials) - 1):
        assert not facts(study, trials.drop(index=place), looks=[]).complete
    # Though the run looked at it: a trial that was set aside since is to be run again.
    assert not facts(study, trials.iloc[1:], looks=[4]).complete


def test_nothing_is_waited_for_around_a_best_that_is_not_there() -> None:
    study = study_of("quick")
    trials = whole(study)
    of_one = (trials["optimizer"] == "gsam") & (trials["replicate"] == 2)
    failed = of_one & trials["phase"].isin(["map", "tune"])
    trials.loc[failed, ["state", "val_accuracy", "test_accuracy"]] = ["FAIL", np.nan, np.nan]
    assert facts(study, trials).complete
    trials = trials[~(of_one & (trials["phase"] == "misset"))]
    assert facts(study, trials).complete
    trials.loc[failed, ["state", "val_accuracy", "test_accuracy"]] = ["COMPLETE", 0.9, 0.9]
    assert not facts(study, trials).complete


def test_without_lengths_no_trials_of_radius_are_waited_for() -> None:
    study = study_of("quick")
    trials = whole(study)
    trials = trials[trials["phase"] != "radius"]
    assert not facts(study, trials, looks=[]).complete
    found = facts(study, trials, looks=[], radius_range=None)
    assert (found.complete, found.radius_range) == (True, None)


def test_lengths_that_the_study_gives_are_its_lengths() -> None:
    phases = [
        {**phase, "low": 0.2, "high": 3.0} if phase["name"] == "radius" else phase
        for phase in study_of("quick").resolved()["phases"]
    ]
    study = study_of("quick", phases=phases)
    assert facts(study, whole(study), radius_range=None).radius_range == (0.2, 3.0)


def test_an_earlier_look_stays_in_the_sequence() -> None:
    study = study_of("quick", replicates=8)
    found = facts(study, whole(study), looks=[2, 4])
    assert (found.looks, found.complete) == ((2, 4, 8), True)
    half = whole(study_of("quick", replicates=4))
    found = facts(study, half, looks=[2, 4])
    assert (found.looks, found.complete) == ((2, 4, 8), False)


@pytest.mark.parametrize("designed", [False, True])
def test_only_a_table_with_a_design_can_grow(designed: bool) -> None:
    study = study_of("quick")
    given = {"study_file": "quick.toml"} if designed else {}
    said = {"source": "trials.csv", "paired": False, "ranges": {"key": [0.1, 2.0]}} | given
    trials = whole(study)
    trials["replicate"] = trials["point"] % 3
    found = facts(study, trials, imported=said, looks=[])
    assert (found.looks, found.can_grow) == (((4,), True) if designed else ((3,), False))
    assert found.complete
    assert not found.paired
    assert found.ranges == {"key": (0.1, 2.0)}
    assert facts(study, trials.iloc[5:], imported=said, looks=[]).complete is not designed


def test_a_run_of_the_first_design_is_one_look_at_its_points() -> None:
    study = study_of("quick", format=1, replicates=1)
    trials = whole(study_of("quick"))
    trials["replicate"] = trials["point"]
    found = facts(study, trials, looks=[])
    own = trials["point"].nunique()
    assert (found.looks, found.complete, found.can_grow) == ((own,), True, False)


def test_seeds_of_fixed_points_are_replicates_only_where_there_is_nothing_else() -> None:
    study = study_of("quick", format=1, replicates=1)
    rows = [{"optimizer": "gsam", "phase": "fixed", "replicate": i, "point": 0} for i in range(9)]
    trials = pd.DataFrame(rows)
    assert facts(study, trials).looks == (9,)
    more = pd.DataFrame([{**row, "phase": "map", "replicate": i % 2} for i, row in enumerate(rows)])
    assert facts(study, pd.concat([trials, more])).looks == (2,)
