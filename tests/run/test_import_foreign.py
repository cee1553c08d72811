"""`agsam-tune import` of other programs' tables: read as they are, nothing taken in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

import agsam_tune
from agsam_tune.errors import UsageError
from agsam_tune.importing import Imported, ImportOptions, import_trials
from agsam_tune.reporting import read_run
from tests.run.commands import tree

RHO = (0.0131687566, 0.0803080548, 0.4117826935, 0.8420987504)
SETTINGS = ("optimizer", "rho", "seed")


def sweep(seeds: int = 2) -> pd.DataFrame:
    """Two optimizers at the same settings, as a training script would write them down."""
    return pd.DataFrame(
        {"optimizer": name, "rho": rho, "seed": seed, "test_accuracy": 0.9 - loss * rho - seed / 99}
        for rho in RHO
        for name, loss in (("sam", 0.2), ("asam", 0.1))
        for seed in range(seeds)
    )


def prefixed(setting: str, measured: str) -> pd.DataFrame:
    names = {name: f"{setting}{name}" for name in SETTINGS}
    return sweep().rename(columns=names | {"test_accuracy": f"{measured}test_accuracy"})


def wandb() -> pd.DataFrame:
    table = sweep()
    front = {
        "Name": [f"run-{i}" for i in range(len(table))],
        "State": "finished",
        "Notes": "-",
        "Created": "2024-01-01T00:00:00.000Z",
        "Runtime": range(51, 51 + len(table)),
        "Sweep": "abc",
    }
    back = {
        "_runtime": np.arange(len(table)) + 0.1,
        "_step": 3900,
        "_timestamp": 1.7e9 + np.arange(len(table)) * 0.7,
        "train_loss": np.arange(len(table)) / 99,
        "epoch": 9,
        "power": np.arange(len(table)) * 1.3,  # no name tells what it is
    }
    table = pd.concat([pd.DataFrame(front), table.assign(**back)], axis=1)
    # A state can be said of a row without a result, and of one with the result of a moment.
    killed = table.iloc[[0, 1, 2, 3]].assign(State=["killed", "running", "crashed", "Preempted"])
    killed["test_accuracy"] = [0.1, 0.1, None, 0.1]
    return pd.concat([killed, table], ignore_index=True)


def wandb_api() -> pd.DataFrame:
    rows = sweep().to_dict("records")
    return pd.DataFrame(
        {
            "summary": [{"test_acc": row["test_accuracy"], "_step": 1} for row in rows],
            "config": [{n: row[n] for n in SETTINGS} | {"betas": (0.9, 0.99)} for row in rows],
            "name": [f"run-{i}" for i in range(len(rows))],
        }
    )


def mlflow() -> pd.DataFrame:
    table = prefixed("params.", "metrics.").assign(status="FINISHED", experiment_id=1)
    table["run_id"] = [f"r{i}" for i in range(len(table))]
    table["params.betas"] = "(0.9, 0.999)"
    table["params.amp"] = "True"
    table["params.weight_decay"] = np.where(table["params.optimizer"] == "sam", "None", "0.01")
    table["metrics.epoch_time"] = np.arange(len(table)) / 7
    table["tags.mlflow.parentRunId"] = "p0"
    others = table.iloc[:4].assign(status=["KILLED", "FAILED", "RUNNING", "SCHEDULED"])
    others["run_id"] = ["x0", "x1", "x2", "x3"]
    parent = pd.DataFrame({"run_id": ["p0"], "status": ["FINISHED"]})
    return pd.concat([parent, others, table], ignore_index=True)


def ray_grid() -> pd.DataFrame:
    table = prefixed("config/", "").rename(columns={"test_accuracy": "accuracy"})
    own = {"training_iteration": 3, "time_total_s": np.arange(len(table)) / 3, "pid": 7}
    return table.assign(trial_id=[f"a_{i:05}" for i in range(len(table))], **own)


def ray_lines() -> str:
    """Every trial's reports one after another, the last one being its result."""
    lines = []
    for i, row in enumerate(sweep().to_dict("records")):
        config = {name: row[name] for name in SETTINGS} | {
            "net": {"depth": 3},
            "clip": float("inf"),
        }
        for n, part in ((1, 0.5), (2, 0.8), (3, 1.0)):
            report = {"training_iteration": n, "accuracy": row["test_accuracy"] * part}
            lines.append(json.dumps(report | {"trial_id": f"a{i}", "config": config}))
    return "\n".join(lines) + "\n"


def syne_tune() -> pd.DataFrame:
    table = prefixed("config_", "").rename(columns={"test_accuracy": "accuracy"})
    table = table.assign(trial_id=range(len(table)), st_decision="CONTINUE", elapsed_time=2.5)
    return pd.concat([table.assign(st_worker_iter=1, accuracy=0.1), table.assign(st_worker_iter=2)])


def optuna_frame() -> pd.DataFrame:
    """What Optuna itself writes, with a trial that failed and one that was pruned."""
    study = optuna.create_study(direction="maximize")
    drawn = {"rho": optuna.distributions.FloatDistribution(0.01, 1, log=True)}
    drawn["optimizer"] = optuna.distributions.CategoricalDistribution(["sam", "asam"])
    drawn["seed"] = optuna.distributions.IntDistribution(0, 1)
    for row in sweep().to_dict("records"):
        params = {name: row[name] for name in SETTINGS}
        for state in ("COMPLETE", *(["FAIL", "PRUNED"] if row["seed"] else [])):
            made = optuna.trial.create_trial(
                state=optuna.trial.TrialState[state],
                params=params,
                distributions=drawn,
                value=row["test_accuracy"] if state == "COMPLETE" else None,
                user_attrs={"epoch_time": row["rho"]},
            )
            study.add_trial(made)
    return study.trials_dataframe()


KINDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "wandb": ("csv", lambda path: wandb().to_csv(path, index=False)),
    "wandb api": ("csv", lambda path: wandb_api().to_csv(path)),
    "mlflow": ("csv", lambda path: mlflow().to_csv(path)),
    "ray grid": ("csv", lambda path: ray_grid().to_csv(path, index=False)),
    "ray lines": ("json", lambda path: path.write_text(ray_lines())),
    "syne tune": ("csv", lambda path: syne_tune().to_csv(path)),
    "optuna": ("csv", lambda path: optuna_frame().to_csv(path)),
    **{
        f"pandas {orient}": ("json", lambda path, o=orient: sweep().to_json(path, orient=o))
        for orient in ("columns", "index", "split", "table", "records")
    },
    "json lines": ("jsonl", lambda path: sweep().to_json(path, orient="records", lines=True)),
    "config.": ("parquet", lambda path: prefixed("config.", "summary.").to_parquet(path)),
    "capitals": (
        "csv",
        lambda path: sweep().rename(columns={"optimizer": "Optimizer"}).to_csv(path),
    ),
}


def read(path: Path, out: Path, **options: Any) -> Imported:
    return import_trials(ImportOptions(source=str(path), out=out, **options))


def written(table: pd.DataFrame, tmp_path: Path) -> Path:
    table.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def refusal(table: pd.DataFrame, tmp_path: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read(written(table, tmp_path), tmp_path / "refused", **options)
    assert tree(tmp_path / "refused") == []
    return str(caught.value)


def note(done: Imported, start: str) -> str:
    """The one note that begins like this."""
    (found,) = [one for one in done.notes if one.startswith(start)]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_other_programs_are_read_as_they_are(kind: str, tmp_path: Path) -> None:
    ending, write = KINDS[kind]
    write(tmp_path / f"theirs.{ending}")
    done = read(tmp_path / f"theirs.{ending}", tmp_path / "out")
    assert done.study.hyperparameters == ("rho",)
    trials = read_run(tmp_path / "out").trials
    expected = sweep().sort_values(list(SETTINGS), ignore_index=True)
    found = trials.sort_values(list(SETTINGS), ignore_index=True)[list(expected)]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-8)
    # Equal settings are a point, whatever the optimizer.
    assert trials.groupby("point")["rho"].nunique().tolist() == [1] * len(RHO)
    assert note(done, "Numbered here") == "Numbered here: points from equal settings."


@pytest.mark.parametrize(
    ("table", "left_out"),
    [
        (wandb, "4 lines, by State, not finished (killed 1, running 1, crashed 1, Preempted 1)"),
        (mlflow, "4 lines, by status, not finished (KILLED 1, FAILED 1, RUNNING 1, SCHEDULED 1)"),
        (mlflow, "1 line, parents of other runs"),
        (optuna_frame, "16 lines, by state, not finished (FAIL 8, PRUNED 8)"),
        (syne_tune, "16 lines, reports before a trial's last"),
    ],
)
def test_what_did_not_finish_is_left_out_and_counted(
    table: Callable[[], pd.DataFrame], left_out: str, tmp_path: Path
) -> None:
    done = read(written(table(), tmp_path), tmp_path / "out", hyperparameters=("rho",))
    assert any(one.startswith(f"Left out: {left_out}") for one in done.notes), done.notes


def test_states_of_one_s_own(tmp_path: Path) -> None:
    table = sweep().assign(status="done", diverged=False)
    table.loc[0, ["status", "test_accuracy", "diverged"]] = ["crashed", None, True]
    done = read(written(table, tmp_path), tmp_path / "out", chance=0.1)
    assert done.trials == 16  # what says that it diverged is a result, whatever the state
    assert "found oom, understood: " in refusal(table.replace("done", "oom"), tmp_path)
    queued = table.assign(status="queued", diverged=False)
    assert "found none that is finished (queued 16)" in refusal(queued, tmp_path)
    table = sweep().assign(outcome=["killed", *["finished"] * 15])
    for named in ((), ("rho",)):
        done = read(written(table, tmp_path), tmp_path / "out", hyperparameters=named)
        said = note(done, "outcome looks like a state (finished 15, killed 1), and is not used")
        assert "call it state" in said


def test_what_is_no_hyperparameter_is_named_with_the_reason(tmp_path: Path) -> None:
    done = read(written(wandb(), tmp_path), tmp_path / "out")
    names = note(done, "No hyperparameters by their names").removesuffix(".").split(": ")[1]
    expected = ["Name", "Created", "Runtime", "Sweep", "_runtime", "_step", "_timestamp", "epoch"]
    assert names.split(", ") == expected
    assert note(done, "No hyperparameters, since they differ").endswith("same: power.")
    done = read(written(mlflow(), tmp_path), tmp_path / "out2")
    constants = note(done, "What never varies")
    assert "sam betas = (0.9, 0.999), amp = True, weight_decay = None" in constants
    assert "asam betas = (0.9, 0.999), amp = True, weight_decay = 0.01" in constants


def random_search(name: str, seeds: object = None) -> pd.DataFrame:
    """One run a setting: a number that was drawn, and one of three batch sizes."""
    generator = np.random.default_rng(3)
    drawn = {name: 10 ** generator.uniform(-4, -1, 24), "width": np.tile([32, 64, 128], 8)}
    more = {} if seeds is None else {"seed": seeds}
    return pd.DataFrame({"optimizer": "sam", **drawn, **more, "test_accuracy": 0.8})


def test_a_search_without_repetitions_keeps_what_differs_in_every_row(tmp_path: Path) -> None:
    done = read(written(random_search("learning_rate"), tmp_path), tmp_path / "out")
    assert done.study.hyperparameters == ("learning_rate", "width")
    # A seed that is the same everywhere says that rows of one width are no repetitions; else
    # nothing tells whether a name that nobody knows was set or measured.
    said = refusal(random_search("zeta"), tmp_path)
    assert "in every row another value, while other columns repeat: zeta; name the" in said
    path = written(random_search("zeta"), tmp_path)
    named = read(path, tmp_path / "out", hyperparameters=("zeta", "width"))
    assert named.study.hyperparameters == ("width", "zeta")


def test_seeds_or_drawn_settings_tell_what_was_measured(tmp_path: Path) -> None:
    table = sweep().assign(power=np.arange(16) / 7, best=np.tile([3, 4, 4, 5], 4))
    table = table.rename(columns={"best": "best_after"})
    done = read(written(table, tmp_path), tmp_path / "out")
    assert note(done, "No hyperparameters, since they differ").endswith("power, best_after.")
    paired = sweep(seeds=1).drop(columns="seed").assign(power=np.arange(8) / 7)
    done = read(written(paired, tmp_path), tmp_path / "out")
    assert done.study.hyperparameters == ("rho",)
    assert note(done, "Numbered here").endswith("equal settings, seeds in the order of the rows.")


def test_points_keep_their_numbers_where_rows_are_missing(tmp_path: Path) -> None:
    table = sweep().query("not (optimizer == 'asam' and rho < 0.02)")
    gsam = sweep().query("optimizer == 'sam'").assign(optimizer="gsam")
    gsam["alpha"] = gsam["rho"] / 3
    sgd = sweep().query("rho < 0.02 and optimizer == 'sam'").assign(optimizer="sgd", rho=None)
    table = pd.concat([table, gsam, sgd], ignore_index=True)
    done = read(written(table, tmp_path), tmp_path / "out")
    trials = read_run(tmp_path / "out").trials
    points = trials.dropna(subset="rho").groupby("point")
    assert points["rho"].nunique().tolist() == [1] * 4
    assert points["optimizer"].nunique().tolist() == [2, 3, 3, 3]
    assert done.study.search_spaces["gsam"].names == ("rho", "alpha")
    bare = trials.query("optimizer == 'sgd'")  # its seeds are what is independent
    assert bare[["replicate", "point", "seed"]].to_numpy().tolist() == [[0, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize("level", ["inf", "None", "-inf"])
def test_a_setting_that_is_no_number_is_a_level(level: str, tmp_path: Path) -> None:
    table = sweep().astype({"rho": str})
    table["clip"] = np.where(sweep()["rho"] < 0.1, level, "1.5")
    done = read(written(table, tmp_path), tmp_path / "out")
    assert done.study.hyperparameters == ("rho",)
    said = note(done, "What is not always a finite number makes points of its own")
    assert f"sam clip ({level}, 1.5); asam clip ({level}, 1.5)" in said
    alone = table.drop(columns="rho").drop_duplicates(["optimizer", "clip", "seed"])
    said = refusal(alone, tmp_path)
    assert "clip is not always a finite number: write one instead" in said


def test_one_optimizer_in_two_spellings_is_merged_aloud(tmp_path: Path) -> None:
    table = sweep()
    table["optimizer"] = np.where(table["seed"] == 1, table["optimizer"].str.upper(), "sam")
    table = table.query("seed == 0 or optimizer == 'SAM'").drop_duplicates(["rho", "seed"])
    done = read(written(table, tmp_path), tmp_path / "out")
    assert done.study.optimizers == ("sam",)
    assert note(done, "Taken as one") == "Taken as one optimizer: sam (4) and SAM (4) as sam."
    said = refusal(table, tmp_path, candidate="SAM", baseline="sam")
    assert "--candidate: found 'SAM', allowed: sam; did you mean 'sam'?" in said
    said = refusal(pd.concat([sweep(), sweep().replace("sam", "SAM")]), tmp_path)
    assert "the same trial more than once (optimizer sam" in said
    assert "Taken as one optimizer: sam (8) and SAM (8) as sam. Give them other names" in said


@pytest.mark.parametrize(
    ("column", "scale", "said"),
    [
        ("test_accuracy", 100, "they look like percentages: divide them by 100"),
        ("test_acc", 100, "they look like percentages: divide them by 100"),
        ("test_accuracy", 500, "is it a loss, of which lower is better?"),
        ("test_accuracy", -1, "is it a loss, of which lower is better?"),
        ("objective", 100, "allowed: fractions from 0 to 1"),
        ("test_loss", 3, "'test_accuracy': missing; test_loss is a loss, of which lower is better"),
        ("nll", 0.5, "'test_accuracy': missing; nll is a loss, of which lower is better"),
    ],
)
def test_only_a_percentage_is_to_be_divided(
    column: str, scale: float, said: str, tmp_path: Path
) -> None:
    table = sweep().rename(columns={"test_accuracy": column})
    table[column] *= scale
    metric = "objective" if column == "objective" else None
    found = refusal(table, tmp_path, metric=metric)
    assert said in found
    assert ("divide" in found) == ("divide" in said)


def test_the_metric_is_named_or_the_only_one_that_it_can_be(tmp_path: Path) -> None:
    table = sweep().rename(columns={"test_accuracy": "val_accuracy"})
    assert "a column of another name is named with --metric" in refusal(table, tmp_path)
    done = read(written(table, tmp_path), tmp_path / "out", metric="val_accuracy")
    assert note(done, "Taken as test_accuracy: the column val_accuracy")
    both = table.assign(accuracy=0.5, acc=0.6).drop(columns="val_accuracy")
    assert "'test_accuracy': missing" in refusal(both, tmp_path)
    assert "did you mean 'acc'" in refusal(both, tmp_path, metric="ac")
    said = refusal(both.assign(test_loss=0.3), tmp_path, metric="test_loss")
    assert "--metric: test_loss is a loss" in said


def experiment(folder: Path) -> Path:
    """A folder as Ray Tune leaves it: one trial failed, one was never started."""
    states = []
    lines = ray_lines().splitlines()
    rows = [json.loads(line) for line in lines[2::3]]
    for i, last in enumerate(rows):
        name = f"train_904cc_{i:05}_{i}_rho={last['config']['rho']:.4f}_2026-01-01_11-25-23"
        trial = folder / name
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps(last["config"], indent=2))
        (trial / "params.pkl").write_bytes(b"\x80\x04.")
        status = {3: "ERROR", 5: "PENDING"}.get(i, "TERMINATED")
        if status != "PENDING":
            (trial / "result.json").write_text("\n".join(lines[3 * i : 3 * i + 3]) + "\n")
            progress = pd.DataFrame([{k: v for k, v in last.items() if k != "config"}])
            progress.to_csv(trial / "progress.csv", index=False)
        if status == "ERROR":
            (trial / "error.txt").write_text("boom")
        states.append([json.dumps({"relative_logdir": name, "status": status}), "{}"])
    state = json.dumps({"trial_data": states, "runner_data": {}})
    (folder / "experiment_state-2026-01-01_11-25-23.json").write_text(state)
    return folder


def test_an_experiment_of_ray_tune_is_read(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "exp")
    before = tree(folder)
    done = read(folder, tmp_path / "out")
    assert tree(folder) == before
    assert done.trials == 14
    assert "2 trials, by status, not finished (ERROR 1, PENDING 1)" in note(done, "Left out")
    assert "net/depth = 3" in note(done, "What never varies")
    (trial,) = folder.glob("*_00002_*")
    for path in (trial, trial / "progress.csv", trial / "result.json"):
        done = read(path, tmp_path / f"out {path.name}")
        assert (done.trials, done.study.optimizers) == (1, ("asam",))
    # Without the experiment's own file the trials' folders say it.
    next(folder.glob("experiment_state*")).unlink()
    done = read(folder, tmp_path / "again")
    assert "(ERROR 1, PENDING 1)" in note(done, "Left out")


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04",
        b"\x80\x04\x95pickle",
        b"Step,run-1 - test_accuracy,run-1 - test_accuracy__MIN\n1,0.9,0.9\n",
        b'[["sam", 0.1, 0.9]]',
        b'{"rows": 3}',
        b"number,params,params,state\n,optimizer,rho,\n0,sam,0.1,COMPLETE\n",
        b"SQLite format 3\x00 of MLflow",
    ],
)
def test_what_is_not_read_names_the_page_with_recipes(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(content)
    with pytest.raises(UsageError, match=r"docs/coming_from\.md"):
        read(tmp_path / "theirs", tmp_path / "out")
    assert tree(tmp_path / "out") == []


def test_what_did_not_finish_is_asked_for_again() -> None:
    asked = agsam_tune.next_trials("quick")
    told = asked.assign(test_accuracy=0.8, val_accuracy=0.8, State="finished")
    told.loc[[0, 3], "State"] = ["killed", "running"]
    again = agsam_tune.next_trials("quick", told, chance=0.5)
    keys = ["optimizer", "phase", "point", "seed"]
    lost = asked.loc[[0, 3], keys]
    assert len(again.merge(lost, on=keys)) == len(lost)
