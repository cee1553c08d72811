"""What a machine or a cluster has in its environment does not keep a study from running."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agsam_tune.errors import UsageError
from agsam_tune.executors.ray_environment import check_ray, ray_notes, scratch_parent
from tests.run.commands import QUICK, TINY, agsam_tune, tree

DEAD = "127.0.0.1:9"
SMALL = [f"--set=phases.{key}" for key in ("tune.points=4", "misset.points=2")]


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as folder:
        yield Path(folder)


def temporary(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Let this be where temporary files lie."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_study_runs_quietly_where_nothing_is_as_usual(tmp_path: Path) -> None:
    """A temporary folder of 150 characters, a cluster that is gone, a home that is none."""
    deep = tmp_path / ("x" * (149 - len(str(tmp_path))))
    deep.mkdir()
    (tmp_path / "home").touch()
    unusual = {"TMPDIR": str(deep), "RAY_ADDRESS": DEAD, "HOME": str(tmp_path / "home")}
    environment = {name: v for name, v in os.environ.items() if not name.startswith("XDG_")}
    arguments = ("run", QUICK, *TINY, *SMALL, "--report", "--cpus", "1", "--quiet")
    done = agsam_tune(*arguments, "--out", tmp_path / "run", environment=environment | unusual)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "run" / "report.html").is_file()
    assert tree(deep) == []


def test_files_of_ray_lie_in_the_temporary_folder_if_they_can(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary(monkeypatch, short)
    assert scratch_parent() == short
    assert ray_notes(address=None) == []
    longest = short / ("x" * (23 - len(str(short))))
    assert len(str(longest)) == 24  # with which a socket's path has 107
    temporary(monkeypatch, longest)
    assert scratch_parent() == longest


@pytest.mark.parametrize("name", ["x" * 25, "ü", "a b", "a%20b", "a#b", "{a}"])
def test_else_they_lie_in_a_short_one_and_one_line_says_so(
    name: str, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = temporary(monkeypatch, short / name)
    assert scratch_parent() == Path("/tmp")  # noqa: S108
    (note,) = ray_notes(address=None)
    assert note.endswith(f": {usual}")
    assert "private folder in /tmp" in note
    assert ray_notes(address="auto") == []


def test_where_there_is_none_the_run_does_not_begin(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary(monkeypatch, short / ("x" * 40))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match=r"can be written to; set TMPDIR .* at most 24"):
        check_ray(None)


def test_the_address_of_a_cluster_is_told_not_to_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", DEAD)
    (note,) = ray_notes(address=None)
    assert DEAD in note
    assert "--address auto" in note


@pytest.mark.parametrize(
    ("found", "said"),
    [(DEAD, "no Ray cluster is there"), ("ray://h:1", "client"), ("local", "allowed: auto")],
)
def test_auto_is_the_cluster_of_the_environment(
    found: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", found)
    with pytest.raises(UsageError, match=rf"^--address auto, RAY_ADDRESS {found}: .*{said}"):
        check_ray("auto")
