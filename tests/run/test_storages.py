"""`--storage`: what cannot be used is refused; two folders do not share one at a time; one that is
locked or gone is waited for."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.store import ResultStore, faults
from agsam_tune.study import load_study
from agsam_tune.trials import Outcome
from tests.run.commands import FEW, QUICK, TINY, invoke, results, tree
from tests.run.drivers import CONTEXT
from tests.store.servers import PostgreSQL

INLINE = ("--executor", "inline")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL.started() as server:
        yield server


@contextmanager
def amid(event: Callable[[], object]) -> Iterator[list[int]]:
    """Let something happen once, before the third pack of a run is stored; the packs' sizes."""
    packs: list[int] = []

    def add_and_more(store: ResultStore, outcomes: list[Outcome]) -> None:
        packs.append(len(outcomes))
        if len(packs) == 3:
            event()
        add(store, outcomes)

    add = ResultStore.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResultStore, "add", add_and_more)
        yield packs


def stored(location: str) -> int:
    overrides = [setting for setting in FEW if "=" in setting]
    with closing(ResultStore.read(load_study(Path(QUICK), overrides=overrides), location)) as store:
        return sum(1 for _ in store.outcomes())


@pytest.mark.parametrize(
    "storage",
    [
        *("nowhere/x.journal", "sqlite:////nowhere/x.db", "foo://x", "folder", "sqlite://"),
        *("thesis.txt", "sqlite:///thesis.txt", "mysql://u:s3cr3t@h/d", "", "/dev/zero"),
        *("broken.journal", "sqlite:///broken.db", "sqlite:///others.db", "sqlite:///x?a=b"),
        "postgresql://u:s3cr3t@127.0.0.1:9/d",
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    storage: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "broken.journal").write_text('{"op_code":99,"worker_id":"x"}\n')
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    with closing(sqlite3.connect(tmp_path / "others.db")) as others:
        others.execute("CREATE TABLE studies (study_id INTEGER, study_name TEXT)")
    before = tree(tmp_path)
    done = invoke("run", *FEW, *INLINE, "--storage", storage, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tree(tmp_path) == before
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_wrong_command_and_a_killed_start_are_no_obstacle(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("run", *FEW, *INLINE, "--out", out)
    assert invoke(*arguments, "--storage", "foo://x").returncode == 2
    assert not out.exists()
    out.mkdir()
    for name in (".manifest.json-abc", ".driver.lock", "study.journal"):
        (out / name).touch()
    done = invoke(*arguments)
    assert done.returncode == 0, done.stderr


def test_a_relative_url_is_found_again_from_another_folder(
    tmp_path: Path, expected_few: pd.DataFrame
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    arguments = ("run", *FEW, *INLINE, "--out", tmp_path / "run")
    done = invoke(*arguments, "--storage", "sqlite:///results.db", cwd=here)
    assert done.returncode == 0, done.stderr
    again = invoke("run", tmp_path / "run", *INLINE, "--no-report", cwd=there)
    assert again.returncode == 0, again.stderr
    assert "trials are stored; nothing is left" in again.stdout
    pd.testing.assert_frame_equal(results(tmp_path / "run"), expected_few, check_exact=True)
    assert tree(there) == []


def test_another_storage_than_the_run_began_with_is_refused(undisturbed: Path) -> None:
    done = invoke("run", QUICK, *TINY, "--out", undisturbed, "--storage", "other.journal")
    assert done.returncode == 2
    assert "its results lie in" in done.stderr


def test_a_moved_or_copied_folder_takes_its_results_along(
    undisturbed: Path, tmp_path: Path, expected: pd.DataFrame
) -> None:
    copy, before = tmp_path / "copy", (undisturbed / "study.journal").read_bytes()
    shutil.copytree(undisturbed, copy)
    (copy / "trials.parquet").unlink()
    done = invoke("run", QUICK, *TINY, "--out", copy)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(results(copy), expected, check_exact=True)
    assert (undisturbed / "study.journal").read_bytes() == before
    # Results that are gone are named, and not begun anew.
    (copy / "study.journal").unlink()
    done = invoke("report", copy)
    assert done.returncode == 2
    assert "study.journal" in done.stderr
    assert not (copy / "study.journal").exists()


@pytest.mark.parametrize("kind", ["journal", "sqlite", "postgresql"])
def test_a_storage_is_read_while_a_driver_writes_and_has_one_driver(
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    location = {"journal": f"{tmp_path}/x.journal", "sqlite": f"sqlite:///{tmp_path}/x.db"}.get(
        kind
    )
    location = location or request.getfixturevalue("server").new_database()
    run = ("run", *FEW, *INLINE, "--storage", location)
    answers = []

    def look() -> None:
        answers.append(invoke("export", tmp_path / "a"))
        answers.append(invoke(*run, "--out", tmp_path / "b"))
        raise KeyboardInterrupt  # that is all

    with amid(look) as packs:
        first = invoke(*run, "--out", tmp_path / "a")
    assert first.returncode == 3, first.stderr
    table, second = answers
    assert table.returncode == 0, table.stderr
    # The first run's progress is shown on whatever is the console just now.
    rows = [line for line in table.stdout.splitlines() if " trials/s" not in line]
    assert len(rows) == 1 + packs[0] + packs[1]
    assert second.returncode == 1, second.stderr
    assert f"process {os.getpid()} on " in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert not (tmp_path / "b").exists()


def test_a_server_that_is_gone_for_a_while_costs_nothing(
    tmp_path: Path,
    server: PostgreSQL,
    expected_few: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    location, out = server.new_database(), tmp_path / "run"
    secret = location.replace("postgres@", "postgres:s3cr3t@")
    monkeypatch.setattr(faults, "_sleep", lambda *_: server.start())
    with amid(server.stop):
        done = invoke("run", *FEW, *INLINE, "--storage", secret, "--out", out)
    assert done.returncode == 0, done.stderr
    assert caplog.text.count("The storage is away") == 1
    assert caplog.text.count("The storage is back") == 1
    pd.testing.assert_frame_equal(results(out), expected_few, check_exact=True)
    assert stored(location) == len(expected_few)
    for path in out.rglob("*"):
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes()


def _run_into_a_lock(file: Path, run: list[str]) -> tuple[int, str, int]:
    """The exit code, what is complained of, and how many trials were stored before."""
    kept = ResultStore.open.__func__.__kwdefaults__  # type: ignore[attr-defined]
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        amid(lambda: other.execute("BEGIN EXCLUSIVE")) as packs,
    ):
        patch.setitem(kept, "patience", 0.5)
        done = invoke(*run)
    return done.returncode, done.stderr, packs[0] + packs[1]


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_file_that_stays_locked_stops_the_run_and_the_same_command_carries_on(
    executor: str, tmp_path: Path, expected_few: pd.DataFrame
) -> None:
    location, out = f"sqlite:///{tmp_path}/x.db?timeout=0.1", tmp_path / "run"
    run = ["run", *FEW, "--out", str(out), "--storage", location, "--executor"]
    call = (tmp_path / "x.db", [*run, executor])
    if executor == "inline":
        code, said, before = _run_into_a_lock(*call)
    else:  # a process can have no more than one Ray that asks for a token
        with ProcessPoolExecutor(1, mp_context=CONTEXT) as pool:
            code, said, before = pool.submit(_run_into_a_lock, *call).result()
    assert code == 1, said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith(f"agsam-tune: {location}: cannot be written to: it was away for 0.5 s")
    assert "the same command carries on" in last
    assert stored(location) == before > 0
    done = invoke(*run, "inline")
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(results(out), expected_few, check_exact=True)
