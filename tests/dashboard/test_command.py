"""`agsam-tune dashboard` as a user calls it: what is wrong use, and which runs it follows."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agsam_tune.cli import app
from agsam_tune.dashboard.listening import listen
from agsam_tune.signals import handler_kept
from agsam_tune.store import ResultStore
from tests.dashboard.processes import dashboard
from tests.dashboard.runs import CHANCE, outcomes_of, small_study, table_of, write_manifest


def refused(*arguments: str | Path) -> str:
    """What is said of wrong use, on one line."""
    with handler_kept(signal.SIGTERM):
        done = CliRunner().invoke(app, ["dashboard", *map(str, arguments)])
    assert done.exit_code == 2
    assert done.stdout == ""
    return str(done.stderr)


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    run, empty = tmp_path / "run", tmp_path / "empty"
    run.mkdir()
    empty.mkdir()
    (empty / "notes.txt").write_text("mine")
    write_manifest(run, small_study())
    with listen("127.0.0.1", 0) as other:
        for arguments, words in (
            ((empty,), str(empty)),
            ((tmp_path / "missing",), str(tmp_path / "missing")),
            ((run, "--port", str(other.server_port)), "another program listens there"),
            ((run, "--port", "0"), "the results are gone"),
        ):
            said = refused(*arguments)
            assert words in said
            assert len(said.splitlines()) == 1
    assert "65535" in refused(run, "--port", "70000")
    assert [path.name for path in run.iterdir()] == ["manifest.json"]


@pytest.mark.slow
def test_sqlite_is_followed_too(tmp_path: Path) -> None:
    study = small_study()
    location = f"sqlite:///{tmp_path / 'results.db'}"
    write_manifest(tmp_path, study, storage=location)
    outcomes = outcomes_of(study)
    with closing(ResultStore.open(study, location)) as driver:
        driver.add(outcomes[:5])
        with dashboard(tmp_path) as served:
            driver.add(outcomes[5:9])
            served.wait_until(lambda: served.n_trials() == 9)
            assert served.end()[0] == 0


@pytest.mark.slow
def test_trials_made_elsewhere(tmp_path: Path) -> None:
    table = table_of(small_study()).drop(columns=["study", "task", "val_accuracy", "trial_number"])
    table.to_csv(tmp_path / "mine.csv", index=False)
    out = tmp_path / "out"
    roles = ("--candidate", "adaptive_gsam", "--baseline", "gsam", "--chance", str(CHANCE))
    done = CliRunner().invoke(app, ["import", f"{tmp_path}/mine.csv", "--out", f"{out}", *roles])
    assert done.exit_code == 0, done.output
    with dashboard(out) as served:
        assert served.said.startswith(f"{len(table)} trials")
        served.wait_for_figures()
        assert "(/report)" in served.get("/studies/0")["note"]["body"]
        assert served.read("report") == (out / "report.html").read_bytes()
        assert served.end() == (0, "", "")
