"""`--storage`: what cannot be used is refused; two folders do not share one at a time."""

import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import QUICK, TINY, agsam_tune, command, results, tree

LONG = ("--set", "training.epochs=100")


@pytest.mark.parametrize(
    "storage", ["nowhere/x.journal", "sqlite:////nowhere/x.db", "foo://x", "folder"]
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    storage: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    done = agsam_tune("run", QUICK, *TINY, "--storage", storage, "--executor=inline", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_corrected_command_runs_after_a_wrong_one(tmp_path: Path, expected: pd.DataFrame) -> None:
    out = tmp_path / "run"
    wrong = agsam_tune("run", QUICK, *TINY, "--out", out, "--storage", "foo://x")
    assert wrong.returncode == 2
    right = agsam_tune("run", QUICK, *TINY, "--out", out, "--executor", "inline")
    assert right.returncode == 0, right.stderr
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


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
    assert "another driver uses this storage" in second.stderr
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
    for name in (".manifest.json-abc", ".driver.json", ".driver.json-x", "study.journal"):
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
