"""`agsam-tune import` of Optuna storages: this project's own and others', none of them changed."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from agsam_tune.errors import UsageError
from agsam_tune.importing import Imported, ImportOptions, import_trials
from agsam_tune.reporting import read_run
from tests.run.commands import tree

RHO = [0.01, 0.1, 1.0]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(params=["journal", "sqlite"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / "theirs.store"
    return str(path) if request.param == "journal" else f"sqlite:///{path}"


def storage_at(location: str) -> Any:
    if "://" in location:
        return RDBStorage(location)
    return JournalStorage(JournalFileBackend(location))


def fill(location: str, name: str, objective: Callable[..., Any], points: Any, **study: Any) -> Any:
    made = optuna.create_study(
        storage=storage_at(location), study_name=name, **({"direction": "maximize"} | study)
    )
    for point in points:
        made.enqueue_trial(point)
    made.optimize(objective, n_trials=len(points), catch=(ValueError,))
    return made


def accuracy(trial: optuna.Trial) -> float:
    rho = trial.suggest_float("rho", 0.001, 10.0, log=True)
    return 0.9 - 0.05 * rho if rho < 1 else float("nan")


def taken(location: str, out: Path, **options: Any) -> Imported:
    return import_trials(ImportOptions(source=location, out=out, **options))


def test_one_study_for_each_optimizer(location: str, tmp_path: Path) -> None:
    for name in ("gsam", "mine"):
        fill(location, name, accuracy, [{"rho": rho} for rho in (*RHO, *RHO)])
    before = (tmp_path / "theirs.store").read_bytes()
    done = taken(location, tmp_path / "out", candidate="mine", baseline="gsam", chance=0.1)
    assert (tmp_path / "theirs.store").read_bytes() == before
    trials = read_run(tmp_path / "out").trials
    assert trials.groupby(["optimizer", "point"])["seed"].apply(list).tolist() == [[0, 1]] * 6
    diverged = trials[trials["rho"] == 1.0]
    assert diverged["diverged"].all()
    assert (diverged["test_accuracy"] == 0.1).all()
    box = done.study.search_spaces["mine"].ranges["rho"]
    assert (box.low, box.high, box.log) == (0.001, 10.0, True)
    assert any("one that raised an error. There are 4." in note for note in done.notes)
    assert any("TPE" in note for note in done.notes)


def test_one_study_with_the_optimizer_as_a_parameter(location: str, tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        name = trial.suggest_categorical("optimizer", ["sgd", "sam"])
        seed = trial.suggest_int("seed", 0, 9)
        rho = trial.suggest_float("rho", 0.0, 1.0) if name == "sam" else 0.0
        trial.set_user_attr("acc", 0.8 + 0.01 * seed - 0.1 * rho)
        return 1.0 - trial.user_attrs["acc"]

    points = [{"optimizer": "sam", "seed": s, "rho": r} for s in (0, 1) for r in (0.1, 0.4)]
    points += [{"optimizer": "sgd", "seed": s} for s in (0, 1)]
    fill(location, "all", objective, points, direction="minimize")
    with pytest.raises(UsageError, match=r"is minimised.*--metric"):
        taken(location, tmp_path / "out", chance=0.1)
    with pytest.raises(UsageError, match="did you mean 'acc'"):
        taken(location, tmp_path / "out", metric="accu")
    done = taken(location, tmp_path / "out", metric="acc")
    assert set(done.study.optimizers) == {"sam", "sgd"}
    assert done.study.search_spaces["sgd"].names == ()
    trials = read_run(tmp_path / "out").trials
    row = trials[(trials["optimizer"] == "sam") & (trials["rho"] == 0.4) & (trials["seed"] == 1)]
    assert row["test_accuracy"].item() == pytest.approx(0.77)


def test_unfinished_and_pruned_trials_are_left_out_and_counted(
    location: str, tmp_path: Path
) -> None:
    study = fill(location, "gsam", lambda t: 0.9 - t.suggest_float("rho", 0, 1), [{"rho": 0.1}] * 2)
    study.optimize(lambda t: 0.5 - t.suggest_float("rho", 0, 1) / 10, n_trials=2)
    study.ask()
    pruned = optuna.trial.create_trial(state=TrialState.PRUNED, intermediate_values={0: 0.1})
    study.add_trial(pruned)
    study.enqueue_trial({"rho": 0.5})
    done = taken(location, tmp_path / "out")
    assert done.trials == 4
    for word in ("still running", "waiting", "pruned"):
        assert any(
            note.startswith(f"Trials that are left out, {word}") and note.endswith(": 1.")
            for note in done.notes
        ), word


def test_studies_of_several_tasks_are_told_apart(location: str, tmp_path: Path) -> None:
    for name in ("moons/gsam", "digits/gsam"):
        fill(location, name, lambda t: t.suggest_float("rho", 0, 1), [{"rho": 0.1}, {"rho": 0.2}])
    with pytest.raises(UsageError, match="found moons, digits; say which with --name"):
        taken(location, tmp_path / "out")
    done = taken(location, tmp_path / "out", name="digits")
    assert (done.study.name, done.study.optimizers) == ("digits", ("gsam",))


def test_several_objectives_need_a_metric(location: str, tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        return trial.suggest_float("rho", 0, 1), 1.0

    points = [{"rho": 0.1}]
    fill(location, "gsam", objective, points, direction=None, directions=["maximize", "minimize"])
    with pytest.raises(UsageError, match="found 2 objectives"):
        taken(location, tmp_path / "out")


def test_what_is_no_storage_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("create table notes (text)")
    database.close()
    before = (tmp_path / "other.db").read_bytes()
    (tmp_path / "broken.journal").write_text('{"op_code": 0, "worker')
    for source, said in (
        (str(tmp_path / "other.db"), "cannot be read as an Optuna storage"),
        (f"sqlite:///{tmp_path}/none.db", "there is no such file"),
        (str(tmp_path / "broken.journal"), "cannot be read as an Optuna storage|found none"),
        ("foo://user:secret@host/x", "cannot be read as an Optuna storage"),
        ("mysql+nothing://user:secret@host/x", "cannot be read as an Optuna storage"),
    ):
        with pytest.raises(UsageError, match=said) as caught:
            taken(source, tmp_path / "out")
        assert "secret" not in str(caught.value)
        assert len(str(caught.value).splitlines()) <= 2
    assert (tmp_path / "other.db").read_bytes() == before
    assert tree(tmp_path) == ["broken.journal", "other.db"]


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_nothing_is_unpickled_and_no_sampler_sees_an_attribute(
    location: str, tmp_path: Path
) -> None:
    study = fill(location, "gsam", lambda t: t.suggest_float("rho", 0, 1), [{"rho": 0.1}])
    text = pickle.dumps(Trap(tmp_path / "sprung")).hex()
    for key in ("cma:optimizer:0", "optimizer_state"):
        study.set_user_attr(key, text)
        study._storage.set_study_system_attr(study._study_id, key, text)
        trial = study.ask({"rho": optuna.distributions.FloatDistribution(0, 1)})
        study._storage.set_trial_system_attr(trial._trial_id, key, text)
        study.tell(trial, 0.5)
    taken(location, tmp_path / "out")
    assert not (tmp_path / "sprung").exists()


def test_a_run_of_this_project_comes_back_from_its_storage(
    undisturbed: Path, tmp_path: Path
) -> None:
    shutil.copy(undisturbed / "study.journal", tmp_path / "study.journal")
    before = (tmp_path / "study.journal").read_bytes()
    roles = {"candidate": "adaptive_gsam", "baseline": "gsam", "control": "gsam_matched"}
    taken(str(tmp_path / "study.journal"), tmp_path / "out", chance=0.5, **roles)
    assert (tmp_path / "study.journal").read_bytes() == before
    ours, theirs = read_run(undisturbed), read_run(tmp_path / "out")
    assert theirs.study.name == ours.study.name
    columns = [c for c in ours.trials.columns if c != "task"]
    pd.testing.assert_frame_equal(theirs.trials[columns], ours.trials[columns], check_exact=True)
    for name, space in ours.study.search_spaces.items():
        for key, box in space.ranges.items():
            found = theirs.study.search_spaces[name].ranges[key]
            assert (found.low, found.high, found.log) == (box.low, box.high, box.log)
