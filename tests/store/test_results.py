"""One contract over all storages; what a killed driver leaves behind."""

import dataclasses
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from agsam_tune.store import ResultStore, StorageError
from agsam_tune.store.tables import curves_table, trials_table
from agsam_tune.study import Study, load_study
from agsam_tune.trials import Curve, Outcome, State, Trial

STUDY = load_study(Path(__file__).parents[2] / "studies" / "quick.toml")


@pytest.fixture(params=["journal", "sqlite"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield {
        "journal": str(tmp_path / "study.journal"),
        "sqlite": f"sqlite:///{tmp_path / 'results.db'}",
    }[request.param]


def outcome(optimizer: str = "gsam", point: int = 0, seed: int = 0, **changes: object) -> Outcome:
    values = {"rho": 0.1, "alpha": 0.2} | ({} if optimizer == "gsam" else {"gamma": 0.01})
    trial = Trial(
        optimizer=optimizer,
        phase="map",
        replicate=0,
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


def test_outcomes_come_back_as_they_were(location: str) -> None:
    written = [outcome(), DIVERGED, FAILED, outcome("gsam_matched", seed=1)]
    ResultStore.open(STUDY, location).add(written)
    read = ResultStore.open(STUDY, location).outcomes()
    assert sorted(map(repr, read)) == sorted(map(repr, written))


def test_optuna_reads_it_as_it_is(location: str) -> None:
    ResultStore.open(STUDY, location).add([outcome(), DIVERGED, FAILED])
    storage = location
    if "://" not in location:
        backend = optuna.storages.journal.JournalFileBackend(location)
        storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="quick/gsam", storage=storage)
    states = [t.state.name for t in study.trials]
    assert states == ["COMPLETE", "COMPLETE"]
    assert study.best_value == 0.8
    assert study.trials[0].params == {"rho": 0.1, "alpha": 0.2}
    assert study.trials[1].user_attrs["diverged"] is True
    failed = optuna.load_study(study_name="quick/adaptive_gsam", storage=storage).trials
    assert [t.state.name for t in failed] == ["FAIL"]


def test_values_beyond_the_search_box_are_stored(location: str) -> None:
    values = (("rho", 80.0), ("alpha", 0.0))
    beyond = dataclasses.replace(outcome().trial, hyperparameters=values, phase="misset")
    store = ResultStore.open(STUDY, location)
    store.add([outcome(), outcome(trial=beyond)])
    assert {dict(o.trial.hyperparameters)["rho"] for o in store.outcomes()} == {80.0, 0.1}


def test_fixed_points_at_zero_are_stored_beside_others(location: str) -> None:
    zero = {"rho": 0.0, "alpha": 0.0}
    fixed = {"name": "fixed", "fixed": [{"optimizer": "gsam", "hyperparameters": zero}]}
    resolved = STUDY.resolved()
    study = Study.from_resolved(resolved | {"phases": [*resolved["phases"], fixed]})
    trial = dataclasses.replace(
        outcome().trial, hyperparameters=tuple(zero.items()), phase="fixed", replicate=None
    )
    store = ResultStore.open(study, location)
    store.add([outcome(), outcome(trial=trial)])
    assert {dict(o.trial.hyperparameters)["rho"] for o in store.outcomes()} == {0.0, 0.1}


def test_another_study_of_that_name_is_refused(location: str) -> None:
    ResultStore.open(STUDY, location)
    other = Study.from_resolved(STUDY.resolved() | {"seed": 1})
    with pytest.raises(StorageError, match="quick/gsam"):
        ResultStore.open(other, location)


def test_reading_needs_the_study_to_be_there(location: str) -> None:
    with pytest.raises(StorageError, match="there is no"):
        ResultStore.read(STUDY, location)


def test_trials_of_others_in_the_same_study_are_left_alone(location: str) -> None:
    store = ResultStore.open(STUDY, location)
    store.add([outcome()])
    store._optuna["gsam"].enqueue_trial({"rho": 0.2, "alpha": 0.1})
    assert len(ResultStore.open(STUDY, location).outcomes()) == 1


def test_a_journal_cut_anywhere_opens_and_goes_on(tmp_path: Path) -> None:
    location = str(tmp_path / "study.journal")
    ResultStore.open(STUDY, location).add([outcome(point=p) for p in range(3)])
    whole = Path(location).read_bytes()
    start = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    rng = random.Random(0)
    for cut in [start + 1, len(whole) - 1, *(rng.randrange(start, len(whole)) for _ in range(8))]:
        Path(location).write_bytes(whole[:cut])
        store = ResultStore.open(STUDY, location)
        assert len(store.outcomes()) == 2
        store.add([outcome(point=2)])
        lines = Path(location).read_text().splitlines()
        assert all(json.loads(line) for line in lines)
        assert len(ResultStore.open(STUDY, location).outcomes()) == 3


def test_a_lock_left_by_a_killed_writer_does_not_block_for_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = str(tmp_path / "study.journal")
    store = ResultStore.open(STUDY, location)
    Path(location + ".lock").symlink_to(location)
    store.add([outcome()])
    assert "Forcibly releasing the lock file" in caplog.text
    assert len(store.outcomes()) == 1


def test_the_trials_table_has_its_columns_types_and_order() -> None:
    written = [(outcome("gsam_matched"), 3), (DIVERGED, 1), (FAILED, 0), (outcome(), 0)]
    table = trials_table(STUDY, written)
    assert list(table.columns) == [
        *("study", "task", "optimizer", "phase", "replicate", "point", "seed"),
        *("rho", "alpha", "gamma", "val_accuracy", "test_accuracy", "test_loss"),
        *("train_loss", "radius", "surrogate_gap", "diverged", "diverged_step"),
        *("state", "seconds", "trial_number"),
    ]
    assert list(table["optimizer"]) == ["adaptive_gsam", "gsam", "gsam", "gsam_matched"]
    assert list(table["point"]) == [0, 0, 1, 0]
    kinds = {name: str(kind) for name, kind in table.dtypes.items()}
    assert kinds["replicate"] == kinds["diverged_step"] == "Int64"
    assert kinds["diverged"] == "bool"
    assert kinds["point"] == kinds["seed"] == kinds["trial_number"] == "int64"
    assert kinds["optimizer"] == "str"
    assert table["gamma"].isna().tolist() == [False, True, True, False]
    assert table["state"].tolist() == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert table["diverged_step"].tolist()[2] == 7
    assert trials_table(STUDY, []).shape == (0, 21)


def test_the_curves_table_has_a_row_an_epoch() -> None:
    curves = curves_table([outcome(point=1), FAILED, outcome()])
    assert list(curves.columns) == [
        *("optimizer", "phase", "point", "seed", "epoch"),
        *("val_accuracy", "test_accuracy", "f", "f_p", "surrogate_gap", "radius"),
    ]
    assert curves["epoch"].tolist() == [1, 2, 1, 2]
    assert curves["point"].tolist() == [0, 0, 1, 1]
    assert curves_table([]).empty
