"""`agsam-tune import` loses nothing that was set or measured, whatever columns are called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.errors import UsageError
from agsam_tune.importing.options import ImportOptions
from agsam_tune.importing.tables import read_frame, read_tables
from agsam_tune.importing.trials import Checked, check_trials

POINTS, SEEDS = 8, 2
N = POINTS * SEEDS
DRAWN = tuple(0.0123456 * 1.7**i for i in range(N))


def taken(frame: pd.DataFrame, *hyperparameters: str) -> Checked:
    options = ImportOptions(
        source="x", out=Path("x"), chance=0.1, hyperparameters=tuple(hyperparameters)
    )
    return check_trials(read_frame(frame), options)


def sweep(**columns: Any) -> pd.DataFrame:
    own = {"optimizer": "sam", "rho": np.repeat(DRAWN[:POINTS], SEEDS)}
    own |= {"seed": np.tile(range(SEEDS), POINTS), "test_accuracy": np.linspace(0.5, 0.9, N)}
    return pd.DataFrame(own | columns)


def halves(*values: object) -> np.ndarray:
    return np.repeat(np.array(values, dtype=object), N // 2)


TRIAL = np.repeat([f"t{i}" for i in range(POINTS)], SEEDS)
KEPT = {
    "an id that is a point's, beside a constant counter": {"trial_id": TRIAL, "epoch": 10},
    "an id that is a point's, beside a counter": {"trial_id": TRIAL, "step": range(N)},
    "a column that begins with config_": {"trial_id": range(N), "config_file": "a.yaml"},
    "−0 and 0 are one": {"weight_decay": np.tile([0.0, -0.0], POINTS)},
    "a clock that differs in its last digits": {"began": 1_700_000_000_000 + np.arange(N)},
    "another word for finished": {"status": "ok"},
    "lists as Parquet gives them": {"layers": [np.array([8, 8])] * N},
}


@pytest.mark.parametrize("case", KEPT)
def test_every_training_stays_at_its_point(case: str) -> None:
    checked = taken(sweep(**KEPT[case]))
    assert (len(checked.trials), checked.trials["point"].nunique()) == (N, POINTS)
    assert checked.spaces["sam"].names == ("rho",)


SET = {
    "a size": ({"hidden": halves(32, 64)}, {"hidden"}),
    "a number called a value": ({"clip_value": halves(0.5, 2.0)}, {"clip_value"}),
    "lr drawn for each training": ({"lr": DRAWN}, {"lr"}),
    "beside a table of the same name": (
        {"config": [{"rho": 9.0, "tilt": i} for i in range(N)], "config/rho": DRAWN, "rho": None},
        {"tilt"},
    ),
}


@pytest.mark.parametrize("case", SET)
def test_what_was_set_is_a_hyperparameter(case: str) -> None:
    columns, names = SET[case]
    checked = taken(sweep(**columns))
    assert set(checked.spaces["sam"].names) == {"rho", *names}
    assert checked.trials["rho"].nunique() in (POINTS, N)


def test_other_columns_are_settings_where_only_the_optimizer_has_a_prefix() -> None:
    checked = taken(
        sweep().rename(columns={"optimizer": "config.optimizer", "seed": "config.seed"})
    )
    assert checked.spaces["sam"].names == ("rho",)


def test_a_setting_that_differs_at_one_point_is_refused_and_not_dropped() -> None:
    with pytest.raises(UsageError, match=r"column 'lr': .*a point is one setting"):
        taken(sweep(point=np.repeat(range(POINTS), SEEDS), lr=DRAWN))


def test_a_hyperparameter_with_a_counter_s_name_is_asked_for_and_can_be_named() -> None:
    frame = sweep().rename(columns={"rho": "step"})
    with pytest.raises(UsageError, match="--hyperparameter names what is one of: step"):
        taken(frame)
    assert taken(frame, "step").spaces["sam"].names == ("step",)


def test_a_table_without_a_training_is_refused_with_what_was_left_out() -> None:
    empty = {f"params.{name}": [None, None] for name in ("optimizer", "rho")}
    with pytest.raises(UsageError, match="none that is a training; Left out: 2 rows"):
        taken(pd.DataFrame(empty | {"metrics.test_accuracy": [None, None]}))


def test_a_folder_of_tables_is_no_experiment_of_ray_s(tmp_path: Path) -> None:
    sweep()[:3].to_csv(tmp_path / "a.csv", index=False)
    sweep()[3:].to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "params.json").write_text('{"rho": 0.1}')
    assert len(read_tables(tmp_path).table) == N


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "records: found none"),
        ("[{}]", "records: found none"),
        ('{"columns": ["a"], "data": [1, 2]}', "record 1, 2: no object"),
    ],
)
def test_json_without_trials_is_refused_in_words(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_tables(path)


def test_a_name_with_a_space_at_its_end_keeps_its_column(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"rho ": 0.1}]')
    assert read_tables(path).table["rho"].tolist() == [0.1]


def test_a_state_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "f_1").mkdir()
    (tmp_path / "f_1" / "params.json").write_text('{"rho": 0.1}')
    state = tmp_path / "experiment_state-1.json"
    state.write_text('{"trial_data": [["no JSON", "{}"]]}')
    with pytest.raises(UsageError, match=state.name):
        read_tables(tmp_path)


def column(usual: object, *others: object) -> list[object]:
    return [usual] * (N - len(others)) + list(others)


STOOD_ON = column("Completed", "InProgress", "Stopped", "Paused")
ENDED = {
    "Syne Tune's state": ({"st_status": STOOD_ON}, 2, "by st_status, .*Stopped 1, Paused 1"),
    "a state by its words": ({"trial_status": column("OK", "ERROR")}, 1, "by trial_status, "),
    "with dots": ({"attributes.status": column("FINISHED", "FAILED")}, 1, "attributes.status"),
    "without a state": ({"State": column("finished", None)}, 1, r"\(without a state 1\)"),
    "a flag": ({"finished": column(True, False)}, 1, r"\(finished = False 1\)"),
    "Optuna's": ({"state": column("TrialState.COMPLETE", "TrialState.FAIL")}, 1, "State.FAIL 1"),
    "SLURM's": (
        {"State": column("COMPLETED", "CANCELLED by 1000", "OUT_OF_MEMORY")},
        2,
        " by 1000",
    ),
    "not called a state": ({"result": column("ok", "killed")}, 0, "result looks like a state"),
    "Ray Tune's": (
        {"done": column(True, False), "training_iteration": 3},
        0,
        r"Not done by Ray Tune \(done = False\): 1 of 16, row 15",
    ),
    "diverged": (
        {"State": column("ok", "crashed"), "diverged": column(False, True)},
        0,
        r"a result though not finished by State: row 15 \(crashed 1\)",
    ),
}


@pytest.mark.parametrize("case", ENDED)
def test_a_state_is_no_setting_and_what_did_not_finish_is_counted(case: str) -> None:
    columns, left_out, said = ENDED[case]
    checked = taken(sweep(**columns))
    assert len(checked.trials) == N - left_out
    assert checked.trials["point"].nunique() == POINTS - left_out // SEEDS
    assert not checked.constants
    assert not any("makes points of its own" in one for one in checked.notes)
    assert re.search(said, "\n".join(checked.notes))


@pytest.mark.parametrize("counter", [{}, {"st_status": "InProgress", "st_decision": "STOP"}])
def test_trials_with_fewer_reports_are_named(counter: dict[str, str]) -> None:
    ids = [f"t{i}" for i in range(N)]
    rows = pd.concat([sweep(trial_id=ids, epoch=1, **counter), sweep(trial_id=ids, epoch=2)[:-1]])
    checked = taken(rows.fillna(counter))
    assert len(checked.trials) == N
    assert any("Fewer reports than other trials made row 15." in note for note in checked.notes)


@pytest.mark.parametrize("words", [("finished", "Ohio"), ("Texas", "Ohio")])
def test_a_state_of_another_kind_is_refused_with_the_way_out(words: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=r"found .*Ohio.*, understood: .*rename the column if it"):
        taken(sweep(state=halves(*words)))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"point": 0}, "column 'rho': .*another value than at other seeds of the same point"),
        ({"clip": halves(None, 1.0)}, "write None where none was set, inf .*--hyperparameter"),
        ({"test_accuracy": "91.3%"}, "allowed: a number; for 91.3% write 0.913"),
        ({"k" * 900: halves(1, "x")}, "column '[k…]{250,320}': rows"),
    ],
)
def test_what_is_refused_is_said_with_the_way_out(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        taken(sweep(**columns))


def test_long_names_are_short_in_notes() -> None:
    notes = taken(sweep(**{"k" * 900: 1})).notes
    assert "kkk…kkk" in "".join(notes)
    assert max(map(len, notes)) < 500


@pytest.mark.parametrize("mark", [",", "."])
def test_numbers_with_grouping_are_refused_and_not_read_as_small_ones(
    mark: str, tmp_path: Path
) -> None:
    group = {",": ".", ".": ","}[mark]
    path = tmp_path / "a.csv"
    wide = sweep(size=halves(f"1{group}024", f"12{group}048{group}000"), old=f"2{mark}500")
    wide.to_csv(path, sep=";", decimal=mark, index=False)
    with pytest.raises(UsageError, match=r"'size': found 1.024 beside .*Write numbers") as caught:
        read_tables(path)
    assert "'old'" not in str(caught.value)
    wide.assign(size=f"1{mark}024").to_csv(path, sep=";", decimal=mark, index=False)
    assert set(read_tables(path).table["size"]) == {"1.024"}


def test_the_line_that_names_the_separator_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\n" + sweep().to_csv(sep=";", decimal=",", index=False))
    source = read_tables(path)
    assert list(source.table) == list(sweep())
    assert source.labels[0] == "3"


def test_columns_called_as_what_is_measured_here_are_named() -> None:
    notes = "\n".join(taken(sweep(gap=halves(1, 2), error="boom", radius=None)).notes)
    assert "trials.parquet of these names, and as no settings: gap, error; rename" in notes


@pytest.mark.parametrize(
    ("columns", "is_taken"),
    [
        ({"val_acc": np.linspace(0.4, 0.8, N)}, True),
        ({"Val/Accuracy": np.linspace(0.4, 0.8, N)}, True),
        ({"val_acc": np.linspace(40, 80, N)}, False),
        ({"val_acc": column(0.5, None)}, False),
        ({"val_acc": 0.5, "valid_acc": 0.6}, False),
    ],
)
def test_a_validation_accuracy_is_taken_where_it_can_only_be_it(
    columns: dict[str, Any], is_taken: bool
) -> None:
    checked = taken(sweep(**columns).rename(columns={"test_accuracy": "acc"}))
    said = [note for note in checked.notes if note.startswith("Taken as val_accuracy")]
    assert bool(said) == is_taken
    same = np.allclose(checked.trials["val_accuracy"], checked.trials["test_accuracy"])
    assert same != is_taken
