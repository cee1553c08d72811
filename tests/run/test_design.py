"""`agsam-tune design`: what another program is asked to train is what `run` would train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import agsam_tune
from agsam_tune.agenda import Agenda
from agsam_tune.errors import UsageError
from agsam_tune.reporting import analysed, read_run
from agsam_tune.study import StudyError, load_study
from tests.run.asking import assert_same, rounds, trained
from tests.run.commands import QUICK, TINY, invoke
from tests.run.light import imported

SETS = [text for text in TINY if "=" in text]
KEY = ["optimizer", "phase", "point", "seed"]
MINE = """
task = "nothing that there is"
optimizers = ["adamw", "plain", "lion"]
candidate = "adamw"
baseline = "lion"
seed = 3
replicates = 2
[search_spaces.adamw.lr]
low = 1e-5
high = 0.1
log = true
default = 1e-3
[search_spaces.adamw.beta]
low = 0.5
high = 0.99
default = 0.9
max = 0.999
[search_spaces.lion.lr]
low = 1e-6
high = 0.01
log = true
default = 1e-4
[search_spaces.plain]
[[phases]]
name = "map"
points = 8
[[phases]]
name = "key"
points = 4
[[phases]]
name = "off"
points = 4
[[phases]]
name = "tune"
points = 10
[[phases]]
name = "misset"
points = 4
[analysis]
margin = 0.03
"""


def write(folder: Path, text: str = MINE) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_it_asks_for_exactly_the_trials_that_a_run_made(undisturbed: Path, tmp_path: Path) -> None:
    stored = read_run(undisturbed).trials
    (tmp_path / "stored.csv").write_text(stored.to_csv(index=False))
    theirs = pd.read_csv(tmp_path / "stored.csv", dtype=str).set_index(KEY)
    (tmp_path / "results").mkdir()
    sets = [word for text in SETS for word in ("--set", text)]
    sizes = []
    for number in range(9):
        out = tmp_path / "next.csv"
        there = ("--results", tmp_path / "results", "--chance", "0.5")
        done = invoke("design", QUICK, *sets, *there, "--out", out)
        assert done.returncode == 0, done.stderr
        asked = pd.read_csv(out, dtype=str)
        if asked.empty:
            break
        # Cell by cell as texts: the settings are the run's to the last digit.
        found = theirs.loc[pd.MultiIndex.from_frame(asked[KEY])].reset_index()
        own = [name for name in asked if name != "index"]
        pd.testing.assert_frame_equal(asked[own], found[own])
        found.to_csv(tmp_path / "results" / f"{number}.csv", index=False)
        sizes.append(len(asked))
    assert sum(sizes) == len(stored)
    assert len(sizes) == 4  # what is drawn and a batch of tune; radius; its next batch; misset
    assert f"{len(stored)} of {len(stored)} trials are there" in done.stdout
    command = done.stdout.splitlines()[-1].split()[1:]
    assert command[:2] == ["import", str(tmp_path / "results")]
    assert command[2:6] == ["--study", QUICK, "--out", "runs/quick"]


def test_the_report_of_the_results_is_the_runs_own(undisturbed: Path, tmp_path: Path) -> None:
    stored = read_run(undisturbed)
    data = stored.manifest["data"]
    columns = [*KEY, "rho", "alpha", "gamma", "val_accuracy", "test_accuracy", "test_loss"]
    columns += ["train_loss", "radius", "surrogate_gap", "diverged"]
    # To the last digit: bands far from all trainings amplify the sixteenth.
    done = stored.trials.sample(frac=1, random_state=1)[columns]
    done.to_parquet(tmp_path / "done.parquet")
    done = invoke(
        *("import", tmp_path / "done.parquet", "--study", QUICK, "--out", tmp_path / "out"),
        *("--chance", str(data["chance"]), "--test-size", str(data["test"])),
        *[word for text in SETS for word in ("--set", text)],
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file()
    found = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert_same(json.loads(analysed(stored).model_dump_json()), found)
    assert "design" not in done.stdout


def test_a_study_of_another_program_is_played_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path)
    *_, (_, done) = rounds(path)
    study = load_study(path, trained_elsewhere=True)
    agenda = Agenda(study, ())
    assert len(done) == agenda.total
    assert set(done["phase"]) == {"map", "key", "off", "tune", "misset"}
    phase = done.groupby("phase")
    assert (
        done["point"] == done["replicate"] * phase["index"].transform("max").add(1) + done["index"]
    )[done["optimizer"] != "plain"].all()
    plain = done[done["optimizer"] == "plain"]
    assert list(plain["phase"]) == ["map"] * 2
    assert plain[["lr", "beta"]].isna().all(axis=None)
    inside = (done["optimizer"] == "adamw") & done["phase"].isin(["map", "tune"])
    assert done.loc[inside, "lr"].between(1e-5, 0.1).all()
    assert done["beta"].dropna().between(0, 0.999).all()


def test_lengths_of_steps_are_found_from_the_key(tmp_path: Path) -> None:
    asked = agsam_tune.next_trials("quick")
    assert "radius" not in set(asked["phase"])
    with pytest.raises(UsageError, match="--chance: needed, since the lengths of steps"):
        agsam_tune.next_trials("quick", trained(asked).assign(diverged=False, test_accuracy=0.8))
    *_, (_, done) = rounds("quick")
    lengths = done.loc[done["phase"] == "radius", "rho"]
    assert len(lengths) == 4 * 4 * 2
    assert 1 < lengths.max() / lengths.min() < 10.01
    wrong = done.copy()
    wrong.loc[lengths.index[0], "rho"] *= 1.01
    with pytest.raises(UsageError, match=r"phase radius.*found .*rho = "):
        agsam_tune.next_trials("quick", wrong, chance=0.5)
    lost = done.drop(done.index[(done["phase"] == "key")][0]).reset_index(drop=True)
    with pytest.raises(UsageError, match="in radius from results that are not there: 1 in key"):
        agsam_tune.next_trials("quick", lost, chance=0.5)
    for out in ("next.csv", "later.csv"):
        done.to_csv(tmp_path / "done.csv", index=False)
        told = ("--results", tmp_path / "done.csv", "--chance", "0.5")
        said = invoke("design", "quick", *told, "--out", tmp_path / out)
        assert said.returncode == 0, said.stderr
        done = done.assign(radius=np.nan)  # without measured lengths there are none to go by
        done = done[done["phase"] != "radius"]
    assert "The phase radius has no trials: " in said.stdout
    assert "give low and high of the phase radius" in said.stdout


def test_half_a_round_is_asked_for_again(tmp_path: Path) -> None:
    path = write(tmp_path)
    asked = agsam_tune.next_trials(path)
    half = trained(asked.iloc[::2])
    again = agsam_tune.next_trials(path, half, chance=0.5)
    rest = asked.iloc[1::2].sort_values(KEY, ignore_index=True)
    pd.testing.assert_frame_equal(again.sort_values(KEY, ignore_index=True), rest)


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_every_kind_of_table_goes_there_and_back(kind: str, tmp_path: Path) -> None:
    study = write(tmp_path)
    first = invoke("design", study, "--out", tmp_path / f"next.{kind}")
    assert first.returncode == 0, first.stderr
    assert "mine: 90 of 130 trials to train now (" in first.stdout
    read: Any = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": pd.read_json}[kind]
    done = trained(read(tmp_path / f"next.{kind}"))
    write_to = getattr(done, f"to_{kind}")
    options = {"orient": "records", "double_precision": 15} if kind == "json" else {"index": False}
    write_to(tmp_path / f"done.{kind}", **options)
    found = agsam_tune.next_trials(study, tmp_path / f"done.{kind}", chance=0.5)
    expected = agsam_tune.next_trials(study, trained(agsam_tune.next_trials(study)), chance=0.5)
    pd.testing.assert_frame_equal(found, expected)
    assert set(found["phase"]) == {"tune"}


def refusal(study: Path, results: pd.DataFrame) -> list[str]:
    with pytest.raises(UsageError) as caught:
        agsam_tune.next_trials(study, results, chance=0.5)
    first, *lines = str(caught.value).splitlines()
    assert first == "results: does not fit the study mine"
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (
            "optimizer",
            "adam",
            "column 'optimizer': row 5: found 'adam', allowed: adamw, plain, lion",
        ),
        (
            "phase",
            "iid",
            "column 'phase': row 5: found 'iid', allowed: map, key, off, tune, misset",
        ),
        ("point", 40, "row 5: no trial of the study is optimizer adamw, phase map, point 40, seed"),
        ("lr", 0.5, ", lr = 0.5, needed: beta = "),
        ("lr", None, ", lr = nothing, needed: beta = "),
        ("test_accuracy", 91.0, "column 'test_accuracy': row 5: found 91"),
    ],
)
def test_a_row_that_is_no_trial_is_named(
    column: str, value: Any, expected: str, tmp_path: Path
) -> None:
    study = write(tmp_path)
    rows = agsam_tune.next_trials(study)
    rows = rows[(rows["optimizer"] == "adamw") & (rows["phase"] == "map")]
    done = trained(rows.reset_index(drop=True)).astype({column: object})
    done.loc[5, column] = value
    said = refusal(study, done)
    assert expected in said[0]
    if column == "optimizer":
        assert said[0].endswith("did you mean 'adamw'?")
    if column == "point":
        assert said[0].endswith("the nearest is point 15, seed 0")
    if column == "lr":
        assert f", lr = {rows['lr'].iloc[5]:.9g}" in said[0]


def test_a_row_of_another_point_is_recognised(tmp_path: Path) -> None:
    study = write(tmp_path)
    done = trained(agsam_tune.next_trials(study))
    mine = (done["optimizer"] == "lion") & (done["phase"] == "map")
    done.loc[mine & (done["point"] == 4), "lr"] = done.loc[
        mine & (done["point"] == 8), "lr"
    ].to_numpy()
    said = refusal(study, done)
    assert said[0].endswith("that is the setting of point 8")
    assert len(said) == 3  # two seeds, and where settings come from


def test_a_row_before_its_time_is_refused(tmp_path: Path) -> None:
    study = write(tmp_path)
    *_, (_, done) = rounds(study)
    lost = done.drop(done.index[(done["phase"] == "map") & (done["optimizer"] == "lion")][0])
    said = refusal(study, lost.reset_index(drop=True))
    assert len(said) == 1
    missing = "lion has its settings in misset from results that are not there: 1 in "
    assert missing in said[0]


def test_a_result_that_changes_what_followed_is_noticed(tmp_path: Path) -> None:
    study = write(tmp_path)
    *_, (_, done) = rounds(study)
    chosen_by = done["phase"].isin(["map", "tune"])
    done.loc[chosen_by, "val_accuracy"] = 1 - done.loc[chosen_by, "val_accuracy"]
    said = refusal(study, done)
    assert all("phase misset, point " in line for line in said[:5])
    assert "from the results before them" in said[-1]


def test_single_precision_is_precise_enough_and_a_digit_less_is_not(tmp_path: Path) -> None:
    study = write(tmp_path)
    asked = agsam_tune.next_trials(study)
    single = asked.astype(dict.fromkeys(("lr", "beta"), "float32"))
    expected = agsam_tune.next_trials(study, trained(asked), chance=0.5)
    found = agsam_tune.next_trials(study, trained(single), chance=0.5)
    pd.testing.assert_frame_equal(found, expected)
    assert refusal(study, trained(asked.round(5)))


def test_the_import_knows_the_study_and_says_what_is_missing(tmp_path: Path) -> None:
    study = write(tmp_path)
    *_, (_, done) = rounds(study)
    part = done[(done["phase"] != "misset") | (done["optimizer"] != "lion")]
    part.drop(columns=["replicate", "index"]).to_csv(tmp_path / "done.csv", index=False)
    arguments = ["import", tmp_path / "done.csv", "--study", study, "--out", tmp_path / "out"]
    said = invoke(*arguments)
    assert said.returncode == 2
    assert "--chance: needed" in said.stderr
    said = invoke(*arguments, "--chance", "0.5", "--margin", "0.1", "--range", "lr=1e-5:1")
    assert said.returncode == 2
    assert "found --study with --range, --margin" in said.stderr
    said = invoke(*arguments, "--chance", "0.5")
    assert said.returncode == 0, said.stderr
    found = read_run(tmp_path / "out")
    assert found.study == load_study(study, trained_elsewhere=True)
    assert found.study.analysis.margin == 0.03
    assert set(found.trials["replicate"]) == {0, 1}
    assert found.manifest["looks"] == []
    assert "122 of 130 trainings" in (tmp_path / "out" / "summary.json").read_text("utf-8")
    done.to_csv(tmp_path / "done.csv", index=False)
    assert invoke(*arguments, "--chance", "0.5").returncode == 0
    assert read_run(tmp_path / "out").manifest["looks"] == [2]


def test_nothing_that_was_trained_is_written_over(tmp_path: Path) -> None:
    study = write(tmp_path)
    path = tmp_path / "next.csv"
    trained(agsam_tune.next_trials(study)).to_csv(path, index=False)
    for results in ([], ["--results", str(path)], ["--results", str(tmp_path)]):
        before = path.read_bytes()
        done = invoke("design", study, "--out", path, *results)
        assert done.returncode == 2
        assert "choose another file with --out" in done.stderr
        assert path.read_bytes() == before
    done = invoke("design", study, "--out", tmp_path / "next.txt")
    assert done.returncode == 2
    assert "found the ending '.txt', allowed: .csv, .parquet, .json" in done.stderr


def test_what_a_run_must_know_is_still_asked_for_there(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(StudyError) as caught:
        load_study(path)
    said = str(caught.value)
    assert "training.epochs" in said
    assert "task: found 'nothing that there is'" in said
    assert "optimizers: found 'adamw'" in said
    path = write(tmp_path, MINE.replace('"plain", ', '"plian", '))
    with pytest.raises(StudyError, match=r"found 'plian', .*did you mean 'plain'"):
        load_study(path, trained_elsewhere=True)
    path = write(tmp_path, MINE.replace("default = 0.9\n", ""))
    with pytest.raises(StudyError, match=r"search_spaces\.adamw\.beta\.default: missing"):
        load_study(path, trained_elsewhere=True)


def test_neither_torch_nor_the_task_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, MINE.replace("nothing that there is", "no_such_module:task"))
    call = ["design", "mine.toml", "--out", "next.csv"]
    assert imported([call], tmp_path, of=("torch", "ray", "numba", "matplotlib")) == [[]]
    assert (tmp_path / "next.csv").is_file()
