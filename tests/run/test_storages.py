"""`--storage`: what cannot be used is refused; two folders do not share one at a time; one that is
locked or gone is waited for."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.store import ResultStore, StorageError
from agsam_tune.study import load_study
from tests.run.commands import QUICK, TINY, agsam_tune, command, results, tree
from tests.store.servers import PostgreSQL

LONG = ("--set", "training.epochs=100")
SLOWLY = ("--set", "packs.rows=4")  # many small packs, with the same results


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL.started() as server:
        yield server


def stored(location: str, *more: str) -> int:
    """How many trials are stored; 0 while there is nothing to read."""
    overrides = [setting for setting in (*TINY, *more) if "=" in setting]
    try:
        store = ResultStore.read(load_study(Path(QUICK), overrides=overrides), location)
    except StorageError:
        return 0
    with closing(store):
        return sum(1 for _ in store.outcomes())


def started(*arguments: str | Path, program: list[str] | None = None) -> subprocess.Popen[str]:
    whole = command(*arguments)
    whole = [*program, *whole[1:]] if program else whole
    return subprocess.Popen(
        whole, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def wait_until_stored(process: subprocess.Popen[str], location: str, *more: str) -> None:
    end = time.monotonic() + 120
    while stored(location, *more) < 5:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)


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
    done = agsam_tune("run", QUICK, *TINY, "--storage", storage, "--executor=inline", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tree(tmp_path) == before
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_corrected_command_runs_after_a_wrong_one(tmp_path: Path, expected: pd.DataFrame) -> None:
    out = tmp_path / "run"
    wrong = agsam_tune("run", QUICK, *TINY, "--out", out, "--storage", "foo://x")
    assert wrong.returncode == 2
    right = agsam_tune("run", QUICK, *TINY, "--out", out, "--executor", "inline")
    assert right.returncode == 0, right.stderr
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


@pytest.mark.slow
def test_a_relative_url_is_found_again_from_another_folder(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    arguments = ("run", QUICK, *TINY, "--executor", "inline", "--out", tmp_path / "run")
    done = agsam_tune(*arguments, "--storage", "sqlite:///results.db", cwd=here)
    assert done.returncode == 0, done.stderr
    again = agsam_tune("report", tmp_path / "run", cwd=there)
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(results(tmp_path / "run"), expected, check_exact=True)
    assert tree(there) == []


def test_another_storage_than_the_run_began_with_is_refused(undisturbed: Path) -> None:
    done = agsam_tune("run", QUICK, *TINY, "--out", undisturbed, "--storage", "other.journal")
    assert done.returncode == 2
    assert "its results lie in" in done.stderr


@pytest.mark.slow
def test_two_folders_on_one_storage_take_turns(tmp_path: Path) -> None:
    storage = tmp_path / "one.journal"
    arguments = ("run", QUICK, *TINY, *LONG, "--executor", "inline", "--storage", storage)
    first = subprocess.Popen(command(*arguments, "--out", tmp_path / "a"))
    try:
        while not storage.exists() or storage.stat().st_size < 10_000:
            time.sleep(0.01)
        second = agsam_tune(*arguments, "--out", tmp_path / "b")
    finally:
        first.kill()
        first.wait()
    assert second.returncode == 1
    assert f"another driver uses this storage (process {first.pid} on " in second.stderr
    assert not (tmp_path / "b").exists()


def test_a_moved_or_copied_folder_takes_its_results_along(
    undisturbed: Path, tmp_path: Path, expected: pd.DataFrame
) -> None:
    shutil.copytree(undisturbed, tmp_path / "copy")
    before = (undisturbed / "study.journal").read_bytes()
    (tmp_path / "copy" / "trials.parquet").unlink()
    done = agsam_tune("run", QUICK, *TINY, "--out", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(results(tmp_path / "copy"), expected, check_exact=True)
    assert (undisturbed / "study.journal").read_bytes() == before


def test_what_a_killed_start_left_is_no_obstacle(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    for name in (".manifest.json-abc", ".driver.lock", "study.journal"):
        (out / name).touch()
    done = agsam_tune("run", QUICK, *TINY, "--out", out, "--executor", "inline")
    assert done.returncode == 0, done.stderr


def test_results_that_are_gone_are_named(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "copy")
    (tmp_path / "copy" / "study.journal").unlink()
    done = agsam_tune("report", tmp_path / "copy")
    assert done.returncode == 2
    assert "study.journal" in done.stderr
    assert not (tmp_path / "copy" / "study.journal").exists()


@pytest.mark.parametrize("kind", [pytest.param("sqlite", marks=pytest.mark.slow), "postgresql"])
def test_a_database_is_read_while_a_driver_writes_and_has_one_driver(
    kind: str, tmp_path: Path, server: PostgreSQL
) -> None:
    location = f"sqlite:///{tmp_path}/x.db" if kind == "sqlite" else server.new_database()
    out = tmp_path / "a"
    run = ("run", QUICK, *TINY, *LONG, "--executor", "inline", "--storage", location)
    first = started(*run, "--out", out)
    try:
        wait_until_stored(first, location, *LONG)
        table = agsam_tune("export", out)
        second = agsam_tune(*run, "--out", tmp_path / "b")
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()
    assert table.returncode == 0, table.stderr
    assert len(table.stdout.splitlines()) > 5
    assert second.returncode == 1, second.stderr
    assert f"process {first.pid} on " in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert not (tmp_path / "b").exists()


def test_a_server_that_is_gone_for_a_while_costs_nothing(
    tmp_path: Path, server: PostgreSQL, expected: pd.DataFrame
) -> None:
    location, out = server.new_database(), tmp_path / "run"
    secret = location.replace("postgres@", "postgres:s3cr3t@")
    run = ("run", QUICK, *TINY, *SLOWLY, "--executor", "inline", "--storage", secret, "--out", out)
    process = started(*run)
    wait_until_stored(process, location)
    server.stop()
    time.sleep(3)
    server.start()
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert said.count("The storage is away") == said.count("The storage is back") == 1
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)
    assert stored(location) == len(expected)
    for path in out.rglob("*"):
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes()


IMPATIENT = """
from agsam_tune.cli import main
from agsam_tune.store import ResultStore
ResultStore.open.__func__.__kwdefaults__["patience"] = 1.0
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", "ray"])
def test_a_file_that_stays_locked_stops_the_run_and_the_same_command_carries_on(
    executor: str, tmp_path: Path, expected: pd.DataFrame
) -> None:
    location, out = f"sqlite:///{tmp_path}/x.db?timeout=0.2", tmp_path / "run"
    run = ("run", QUICK, *TINY, *SLOWLY, "--executor", executor, "--out", out)
    run = (*run, "--storage", location)
    process = started(*run, program=[sys.executable, "-c", IMPATIENT])
    wait_until_stored(process, location)
    with closing(sqlite3.connect(tmp_path / "x.db", timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        _, said = process.communicate(timeout=100)
        other.rollback()
    assert process.returncode == 1, said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith(f"agsam-tune: {location}: cannot be written to: it was away for 1 s")
    assert "the same command carries on" in last
    before = stored(location)
    assert 5 <= before < len(expected)
    done = agsam_tune(*run)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)
