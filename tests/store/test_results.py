"""What becomes of values beyond the search space, and the tables that are made of outcomes."""

import dataclasses
from contextlib import closing
from pathlib import Path

import pandas as pd

from agsam_tune.store import ResultStore
from agsam_tune.store.tables import curves_table, trials_table
from agsam_tune.study import Study
from tests.store.outcomes import DIVERGED, FAILED, LONG, STUDY, outcome


def test_values_beyond_the_search_box_are_stored(location: str) -> None:
    values = (("rho", 80.0), ("alpha", 0.0))
    beyond = dataclasses.replace(outcome().trial, hyperparameters=values, phase="misset")
    with closing(ResultStore.open(STUDY, location)) as store:
        store.add([outcome(), outcome(trial=beyond)])
        assert {dict(o.trial.hyperparameters)["rho"] for o in store.outcomes()} == {80.0, 0.1}


def test_fixed_points_at_zero_are_stored_beside_others(location: str) -> None:
    zero = {"rho": 0.0, "alpha": 0.0}
    fixed = {"name": "fixed", "fixed": [{"optimizer": "gsam", "hyperparameters": zero}]}
    resolved = STUDY.resolved()
    study = Study.from_resolved(resolved | {"phases": [*resolved["phases"], fixed]})
    trial = dataclasses.replace(outcome().trial, hyperparameters=tuple(zero.items()), phase="fixed")
    with closing(ResultStore.open(study, location)) as store:
        store.add([outcome(), outcome(trial=trial)])
        assert {dict(o.trial.hyperparameters)["rho"] for o in store.outcomes()} == {0.0, 0.1}


def test_the_trials_table_has_its_columns_types_and_order() -> None:
    written = [(outcome("gsam_matched"), 3), (DIVERGED, 1), (FAILED, 0), (outcome(), 0)]
    table = trials_table(STUDY, written)
    assert list(table.columns) == [
        *("study", "task", "optimizer", "phase", "replicate", "point", "seed"),
        *("rho", "alpha", "gamma", "val_accuracy", "test_accuracy", "test_loss"),
        *("train_loss", "radius", "surrogate_gap", "diverged", "diverged_step"),
        *("state", "seconds", "trial_number", "error"),
    ]
    assert list(table["optimizer"]) == ["adaptive_gsam", "gsam", "gsam", "gsam_matched"]
    assert list(table["point"]) == [0, 0, 1, 0]
    kinds = {name: str(kind) for name, kind in table.dtypes.items()}
    assert (kinds["replicate"], kinds["diverged_step"]) == ("int64", "Int64")
    assert kinds["diverged"] == "bool"
    assert kinds["point"] == kinds["seed"] == kinds["trial_number"] == "int64"
    assert kinds["optimizer"] == "str"
    assert table["gamma"].isna().tolist() == [False, True, True, False]
    assert table["state"].tolist() == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert table["diverged_step"].tolist()[2] == 7
    assert table["error"].tolist() == ["ValueError: <b>no</b>", "", "", ""]
    assert trials_table(STUDY, []).shape == (0, 22)


def test_a_message_of_half_a_character_can_be_written(tmp_path: Path) -> None:
    trials_table(STUDY, [(LONG, 0)]).to_parquet(tmp_path / "trials.parquet")
    (found,) = pd.read_parquet(tmp_path / "trials.parquet")["error"]
    assert found.startswith("it's")
    assert "\\ud800" in found


def test_the_curves_table_has_a_row_an_epoch() -> None:
    curves = curves_table([outcome(point=1), FAILED, outcome()])
    assert list(curves.columns) == [
        *("optimizer", "phase", "point", "seed", "epoch"),
        *("val_accuracy", "test_accuracy", "f", "f_p", "surrogate_gap", "radius"),
    ]
    assert curves["epoch"].tolist() == [1, 2, 1, 2]
    assert curves["point"].tolist() == [0, 0, 1, 1]
    assert curves_table([]).empty


def test_a_length_of_a_step_is_kept_where_the_optimizer_has_no_rho(tmp_path: Path) -> None:
    resolved = STUDY.resolved()
    for space in resolved["search_spaces"].values():
        del space["ranges"]["rho"]
    study = Study.from_resolved(resolved)
    settings = (("rho", 0.7), ("alpha", 0.2))
    length = dataclasses.replace(outcome().trial, phase="radius", hyperparameters=settings)
    with closing(ResultStore.open(study, str(tmp_path / "x.journal"))) as store:
        store.add([outcome(trial=length), outcome()])
        (first, _) = [o.trial for o in store.outcomes()]
        table = trials_table(study, store.numbered_outcomes())
    assert first == length
    assert list(table.columns[7:10]) == ["rho", "alpha", "gamma"]
    assert dict(table.groupby("phase")["rho"].first()) == {"map": 0.1, "radius": 0.7}
