"""`agsam-tune import`: files of others, every break of a rule named with its rows, and no lie."""

from __future__ import annotations

import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.errors import UsageError
from agsam_tune.export import table_bytes
from agsam_tune.importing import ImportOptions, import_trials
from agsam_tune.importing.ranges import is_nearer_in_log
from agsam_tune.reporting import read_run
from agsam_tune.study import Study, load_study
from tests.run.asking import rounds
from tests.run.commands import QUICK, agsam_tune, invoke, tree

ROLES = {"candidate": "adaptive_gsam", "baseline": "gsam"}
MINIMAL = """optimizer,point,seed,rho,test_accuracy
a,0,0,0.01,0.90
a,0,1,0.01,0.91
a,1,0,0.1,0.85
a,1,1,0.1,0.86
b,0,0,0.01,0.80
b,0,1,0.01,0.81
b,1,0,0.1,0.82
b,1,1,0.1,0.83
"""


@pytest.fixture(scope="module")
def designed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the quick study, all its phases, as another program trained it."""
    folder = tmp_path_factory.mktemp("designed")
    *_, (_, done) = rounds(load_study(Path(QUICK)))
    done.to_csv(folder / "done.csv", index=False)
    told = ("import", folder / "done.csv", "--study", QUICK, "--chance", "0.5")
    said = invoke(*told, "--out", folder / "quick")
    assert said.returncode == 0, said.stderr
    return folder / "quick"


def write_spaces(study: Study, folder: Path) -> Path:
    """The study's search spaces as files."""
    folder.mkdir()
    for name, space in study.search_spaces.items():
        lines = [f'optimizer = "{name}"']
        for key, box in space.ranges.items():
            lines += [f"[{key}]", f"low = {box.low}", f"high = {box.high}"]
            lines += [f"log = {str(box.log).lower()}", f"default = {box.default}"]
            limits = {"min": box.min, "max": box.max}
            lines += [f"{end} = {value}" for end, value in limits.items() if value is not None]
        (folder / f"{name}.toml").write_text("\n".join(lines))
    return folder


def imported(path: Path, out: Path, **options: Any) -> Any:
    return import_trials(ImportOptions(source=str(path), out=out, **options))


def refusal_of(text: str | bytes, tmp_path: Path, **options: Any) -> str:
    """What is said of a file; nothing is written for it."""
    path = tmp_path / "trials.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as caught:
        imported(path, tmp_path / "out", **options)
    assert tree(tmp_path / "out") == []
    return str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_an_exported_run_comes_back_as_it_was(kind: str, designed: Path, tmp_path: Path) -> None:
    run = read_run(designed)
    path = tmp_path / f"trials.{kind}"
    path.write_bytes(table_bytes(run.trials, kind))
    spaces = write_spaces(run.study, tmp_path / "spaces")
    options = {**ROLES, "control": "gsam_matched", "chance": 0.5, "search_spaces": spaces}
    imported(path, tmp_path / "out", **options)
    found = read_run(tmp_path / "out")
    pd.testing.assert_frame_equal(found.trials, run.trials, check_exact=False, rtol=1e-15)
    spaces_of = [one.study.search_spaces.items() for one in (found, run)]
    there, here = ({name: space.ranges for name, space in own} for own in spaces_of)
    assert there == here
    assert [phase.name for phase in found.study.phases] == [p.name for p in run.study.phases]
    assert (found.study.key_box, found.study.factor) == (run.study.key_box, run.study.factor)
    assert found.study.replicates == run.study.replicates
    # Of what was drawn the ends are known here, and there what they were drawn from.
    for phase, (low, high) in found.manifest["imported"]["ranges"].items():
        assert 0.0005 <= low < 0.002, phase
        assert 20 < high <= 80, phase


def test_the_manifest_says_what_is_known_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(MINIMAL)
    imported(tmp_path / "mine.csv", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert "training" not in manifest["study"]
    assert manifest["device"] is manifest["started"] is manifest["finished"] is None
    assert manifest["imported"]["source"] == str((tmp_path / "mine.csv").resolve())
    assert any("rho 0.01 to 0.1" in note for note in manifest["imported"]["notes"])
    assert manifest["data"] == {"chance": 0.0, "test": None}
    assert (manifest["format"], manifest["looks"], manifest["radius_range"]) == (2, [2], None)
    assert (manifest["imported"]["paired"], manifest["imported"]["ranges"]) == (True, {})


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL.encode(),
        b"\xef\xbb\xbf" + MINIMAL.encode(),
        MINIMAL.replace(",", ";").encode(),
        MINIMAL.replace(",", "\t").encode(),
        MINIMAL.replace(",", ";").replace("0.", "0,").encode(),
        MINIMAL.replace("\n", "\r\n\r\n").encode(),
        gzip.compress(MINIMAL.encode()),
        "\n".join(f",{line}" for line in MINIMAL.split()).encode(),
    ],
    ids=["plain", "BOM", "semicolon", "tab", "decimal comma", "CRLF, blank", "gzip", "index"],
)
def test_csv_as_programs_write_it(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(text)
    imported(tmp_path / "mine.csv", tmp_path / "out", name="mine")
    run = read_run(tmp_path / "out")
    assert list(run.study.hyperparameters) == ["rho"]
    assert run.trials["test_accuracy"].tolist() == [
        *(0.90, 0.91, 0.85, 0.86, 0.80, 0.81, 0.82, 0.83),
    ]
    assert run.study.search_spaces["a"].ranges["rho"].high == 0.1


def test_a_table_written_by_pandas_with_its_index(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    rho = 10 ** generator.uniform(-2, 1, 40)
    table = pd.DataFrame(
        {
            "optimizer": np.repeat(["mine", "theirs"], 80),
            "point": np.tile(np.repeat(np.arange(40), 2), 2),
            "seed": np.tile([0, 1], 80),
            "rho": np.tile(np.repeat(rho, 2), 2),
            "beta": np.tile(np.repeat(generator.random(40), 2), 2),
            "host": "box-3",
            "test_accuracy": generator.normal(0.9, 0.01, 160),
        }
    )
    table.to_csv(tmp_path / "mine.csv")
    done = imported(tmp_path / "mine.csv", tmp_path / "out", candidate="mine", baseline="theirs")
    assert any("host" in note for note in done.notes)
    ranges = done.study.search_spaces["mine"].ranges
    assert ranges["rho"].log
    assert not ranges["beta"].log
    run = read_run(tmp_path / "out")
    assert len(run.trials) == 160


def test_every_problem_at_once_with_its_lines(tmp_path: Path) -> None:
    text = (
        "optimizer,point,seed,rho,test_accuracy,phase\n"
        "a,0,-1,0.1,0.9,map\n"
        "\n"
        "a,0.5,0,x,91,map\n"
        '"a",1,0,0.2,92,mapp\n'
        ",2,0,0.3,0.9,map\n"
    )
    said = refusal_of(text, tmp_path).splitlines()[1:]
    assert {line.strip() for line in said} == {
        "column 'test_accuracy': lines 4, 5: found 91, allowed: fractions from 0 to 1",
        "column 'phase': line 5: found 'mapp', allowed: map, key, off, radius, tune, "
        "misset, default, iid, fixed; did you mean 'map'?",
        "column 'optimizer': line 6: empty, needed: a value",
        "column 'point': line 4: found 0.5, allowed: whole numbers from 0 to 9007199254740992",
        "column 'seed': line 2: found -1, allowed: whole numbers from 0 to 9007199254740992",
        "column 'rho': line 4: found 'x', allowed: numbers; if it is no hyperparameter, name those "
        "that are with --hyperparameter",
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("test_accuracy", "test_ac", "'test_accuracy': missing, found: .*did you mean 'test_ac'"),
        ("b,1,1", f"b,1,{2**60}", "'seed': line 9: found '?1152921504606846976'?, allowed: whole"),
        ("b,1,1", "b,1,0", "key: lines 8, 9: the same trial more than once .*point 1, seed 0"),
        ("b,1,1,0.1", "b,1,1,0.2", "'rho': line 9: another value than at other seeds"),
        ("b,1,1,0.1", "b,1,1,", "'rho': line 9: no finite number, though other trials of b"),
        ("b,1,1,0.1", "b,1,1,inf", "'rho': line 9: no finite number"),
        ("b,1,1,0.1,0.83", "b,1,1,0.1", "cells: the header has 5, but line 9 has 4"),
        ("b,1,1,0.1,0.83", "b,1,1,0.1,0.83,7", "cells: the header has 5, but line 9 has 6"),
        ("seed", "point", "column 'point': found 2 of this name"),
    ],
)
def test_one_problem(old: str, new: str, expected: str, tmp_path: Path) -> None:
    said = refusal_of(MINIMAL.replace(old, new), tmp_path)
    assert re.search(expected, said), said


def test_one_mistake_is_one_problem(tmp_path: Path) -> None:
    said = refusal_of(MINIMAL.replace("a,1,1,0.1", "a,1,1,nan"), tmp_path)
    assert [line.split(":")[0] for line in said.splitlines()[1:]] == ["  column 'rho'"]


def test_levels_are_named_where_a_hyperparameter_is_missed(tmp_path: Path) -> None:
    said = refusal_of(re.sub(r"(\d,\d),0\.(\d+),", r"\1,1.\2.0,", MINIMAL), tmp_path)
    assert "no hyperparameter that differs between them (rho is not always a finite number" in said


def test_percentages_are_recognised(tmp_path: Path) -> None:
    text = MINIMAL.replace("0.9", "9").replace("0.8", "8").replace(",90", ",90.5")
    assert "divide them by 100" in refusal_of(text, tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"  \n", "the file is empty"),
        (b"optimizer,point,seed,rho,test_accuracy\n", "found none below the header"),
        (b"PAR1 and no more", "cannot be read"),
        (b"PK\x03\x04", "a spreadsheet"),
        (b'{"optimizer": "a"}', "column 'test_accuracy': missing, found: optimizer"),
        (b'{"optimizer": "a"}\n{"optimi', "line 2: Unterminated string"),
        (b'[{"optimizer": "a"}, 3]', "record 2: no object, needed: a list of objects"),
        (b"[]", "records: found none, needed: one a trial"),
        (b'[{"optimizer": "a"', "cannot be read: Expecting"),
        (MINIMAL.encode("utf-16"), "line 1 is no text in UTF-8; save the file as that"),
        (gzip.compress(MINIMAL.encode())[:40], "cannot be read"),
        (b"\x80\x04\x95cposix\nsystem\n.", "a pickle, which is not read"),
        (MINIMAL.replace("b,", "ü,").encode("latin-1"), "line 6 is no text in UTF-8"),
        (MINIMAL.replace("a,1,1", '"a,1,1').encode(), "cannot be read: line 5: unexpected end"),
    ],
    ids=[
        "empty",
        "blank",
        "header",
        "parquet",
        "zip",
        "JSON object",
        "cut lines",
        "JSON list",
        "empty JSON",
        "cut JSON",
        "UTF-16",
        "cut gzip",
        "pickle",
        "Latin-1",
        "quote",
    ],
)
def test_what_is_no_table(content: bytes, expected: str, tmp_path: Path) -> None:
    assert expected in refusal_of(content, tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.csv: cannot be read: No such file"):
        imported(tmp_path / "no.csv", tmp_path / "out")


def test_bytes_are_no_names(tmp_path: Path) -> None:
    table = pd.read_csv(io.StringIO(MINIMAL), converters={"optimizer": str.encode})
    said = refusal_of(table.to_parquet(index=False), tmp_path)
    assert re.search(r"'optimizer': rows 1, 2, 3, 4, 5 and 3 more: found .*, allowed: text", said)


def test_a_diverged_trial_counts_at_chance_and_chance_is_asked_for(tmp_path: Path) -> None:
    text = MINIMAL.replace("b,1,1,0.1,0.83", "b,1,1,0.1,")
    said = refusal_of(text, tmp_path)
    assert "--chance: needed, since 1 trial diverged (line 9)" in said
    imported(tmp_path / "trials.csv", tmp_path / "out", chance=0.25)
    last = read_run(tmp_path / "out").trials.iloc[-1]
    assert last["diverged"]
    assert last["test_accuracy"] == last["val_accuracy"] == 0.25


def test_a_constant_column_is_no_hyperparameter(tmp_path: Path) -> None:
    text = "\n".join(f"{line},{'lr' if 'seed' in line else 0.1}" for line in MINIMAL.split())
    (tmp_path / "mine.csv").write_text(text)
    done = imported(tmp_path / "mine.csv", tmp_path / "out")
    assert done.study.hyperparameters == ("rho",)
    assert any("a lr = 0.1" in note for note in done.notes)


def test_roles_and_spaces_are_checked(tmp_path: Path) -> None:
    said = refusal_of(MINIMAL, tmp_path, candidate="c")
    assert "--candidate: found 'c', allowed: a, b" in said
    assert "--baseline: missing" in said
    folder = tmp_path / "spaces"
    folder.mkdir()
    (folder / "a.toml").write_text(
        'optimizer = "a"\n[rho]\nlow = 0.05\nhigh = 1.0\ndefault = 0.1\n[beta]\nlow = 0.0\n'
        "high = 1.0\ndefault = 0.1\n"
    )
    said = refusal_of(MINIMAL, tmp_path, search_spaces=folder)
    assert "'rho': lines 2, 3: found 0.01, allowed: 0.05 to 1, the range in a.toml" in said
    assert "a.toml has beta, of which these trials have no values" in said


def test_two_studies_in_one_file_are_told_apart(tmp_path: Path) -> None:
    head, *rows = MINIMAL.split()
    both = [f"study,{head}", *(f"{s},{row}" for s in ("one", "two") for row in rows)]
    said = refusal_of("\n".join(both), tmp_path)
    assert "column 'study': found one, two; say which with --name" in said
    done = imported(tmp_path / "trials.csv", tmp_path / "out", name="two")
    assert (done.study.name, done.trials) == ("two", 8)


def test_optimizers_sampled_apart_have_ranges_of_their_own(tmp_path: Path) -> None:
    text = MINIMAL.replace("b,0,0,0.01", "b,0,0,0.02").replace("b,0,1,0.01", "b,0,1,0.02")
    (tmp_path / "mine.csv").write_text(text)
    done = imported(tmp_path / "mine.csv", tmp_path / "out")
    assert any("not the same setting for a and b" in note for note in done.notes)
    spaces = done.study.search_spaces
    assert spaces["a"].ranges["rho"].low == 0.01
    assert spaces["b"].ranges["rho"].low == 0.02


def test_the_scale_is_told_from_the_spread() -> None:
    seed = 20240601
    print(f"seed {seed}")  # noqa: T201
    generator = np.random.default_rng(seed)
    logs = [is_nearer_in_log(10 ** generator.uniform(-2, 0, 32)) for _ in range(300)]
    evens = [is_nearer_in_log(generator.uniform(0.01, 1, 32)) for _ in range(300)]
    assert np.mean(logs) > 0.97
    assert np.mean(evens) < 0.03
    assert is_nearer_in_log(np.array([0.001, 0.01, 0.1, 1.0]))
    assert not is_nearer_in_log(np.linspace(0.1, 1.0, 10))
    assert not is_nearer_in_log(np.linspace(0.0, 1.0, 5))


def test_another_runs_folder_is_left_alone_and_ones_own_made_again(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(MINIMAL)
    (tmp_path / "two.csv").write_text(MINIMAL.replace("0.83", "0.84"))
    imported(tmp_path / "one.csv", tmp_path / "out")
    before = (tmp_path / "out" / "trials.parquet").read_bytes()
    with pytest.raises(UsageError, match="holds another run, of the study one"):
        imported(tmp_path / "two.csv", tmp_path / "out")
    assert (tmp_path / "out" / "trials.parquet").read_bytes() == before
    done = imported(tmp_path / "one.csv", tmp_path / "out", candidate="a", baseline="b")
    assert done.study.candidate == "a"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        imported(tmp_path / "one.csv", tmp_path / "full")


def test_the_command_reports_and_export_reads_it(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(MINIMAL)
    arguments = ("--candidate", "a", "--baseline", "b", "--chance", "0.1", "--test-size", "500")
    done = agsam_tune("import", tmp_path / "mine.csv", "--out", tmp_path / "out", *arguments)
    assert done.returncode == 0, done.stderr
    assert "8 trials of a, b" in done.stdout
    assert f"Report: {tmp_path / 'out' / 'report.html'}" in done.stdout
    exported = agsam_tune("export", tmp_path / "out")
    assert exported.stdout.count("\n") == 9
    wrong = agsam_tune("import", tmp_path / "mine.csv", "--out", tmp_path / "x", "--candidate", "c")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / "x").exists()
