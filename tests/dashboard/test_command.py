"""`agsam-tune dashboard` as a user calls it: what it says, what it leaves alone, how it ends."""

from __future__ import annotations

import os
import shutil
import signal
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from agsam_tune.dashboard.listening import listen
from agsam_tune.store import ResultStore
from tests.dashboard.processes import dashboard
from tests.dashboard.runs import outcomes_of, small_study, write_manifest, write_run
from tests.report.runs import CHANCE, trials_of
from tests.run.commands import agsam_tune
from tests.run.processes import LOCAL, descendants, listeners


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    made = tmp_path_factory.mktemp("run")
    write_run(made, small_study())
    return made


def _content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_is_shown_and_left_as_it_was(folder: Path) -> None:
    before = _content(folder)
    with dashboard(folder) as served:
        assert served.said.startswith("366 trials at http://127.0.0.1:")
        named = [one["study_name"] for one in served.get("/studies")["study_summaries"]]
        assert named == [
            *("quick/gsam", "quick/adaptive_gsam", "quick/gsam_matched"),
            *("quick/gsam/map", "quick/adaptive_gsam/map", "quick/gsam_matched/map"),
        ]
        found = served.get("/studies/0")
        assert "are being made" in found["note"]["body"] or found["plotly_graph_objects"]
        assert found["objective_names"] == ["validation accuracy (fraction)"]
        assert found["directions"] == ["maximize"]
        served.wait_for_figures()
        ids = [one["id"] for one in served.get("/studies/0")["plotly_graph_objects"]]
        assert ids == sorted(ids)
        addresses = listeners(descendants(served.process.pid))
        assert addresses
        assert {address.partition(":")[0] for address in addresses} <= LOCAL
        for method in ("DELETE", "PUT"):
            request = urllib.request.Request(f"{served.url}api/studies/0", method=method)  # noqa: S310
            with pytest.raises(urllib.error.HTTPError, match="405"):
                urllib.request.urlopen(request, timeout=10)  # noqa: S310
        assert served.end() == (0, "", "")
    assert _content(folder) == before


def test_a_run_that_goes_on_is_followed(tmp_path: Path) -> None:
    study = small_study()
    outcomes = outcomes_of(study)
    write_run(tmp_path, study, outcomes[:30])
    with (
        closing(ResultStore.open(study, str(tmp_path / "study.journal"))) as driver,
        dashboard(tmp_path) as served,
    ):
        assert served.said.startswith("30 trials")
        driver.add(outcomes[30:40])
        served.wait_until(lambda: _n_trials(served.get) == 40)
        # Half a line, as a driver leaves it that is killed, which its successor cuts off.
        whole = (tmp_path / "study.journal").read_bytes()
        (tmp_path / "study.journal").write_bytes(whole + whole[-200:-100])
        with closing(ResultStore.open(study, str(tmp_path / "study.journal"))) as successor:
            successor.add(outcomes[40:45])
        served.wait_until(lambda: _n_trials(served.get) == 45)
        assert served.end(signal.SIGTERM) == (0, "", "")
    with closing(ResultStore.read(study, str(tmp_path / "study.journal"))) as store:
        assert len(list(store.outcomes())) == 45


def _n_trials(get: object) -> int:
    return sum(len(get(f"/studies/{number}")["trials"]) for number in range(3))  # type: ignore[operator]


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
            served.wait_until(lambda: _n_trials(served.get) == 9)
            assert served.end()[0] == 0


@pytest.mark.slow
def test_trials_made_elsewhere(tmp_path: Path) -> None:
    table = trials_of(small_study()).drop(columns=["study", "task", "val_accuracy", "trial_number"])
    table.to_csv(tmp_path / "mine.csv", index=False)
    out = tmp_path / "out"
    roles = ("--candidate", "adaptive_gsam", "--baseline", "gsam", "--chance", str(CHANCE))
    done = agsam_tune("import", tmp_path / "mine.csv", "--out", out, *roles)
    assert done.returncode == 0, done.stderr
    with dashboard(out) as served:
        assert served.said.startswith(f"{len(table)} trials")
        served.wait_for_figures()
        assert "(/report)" in served.get("/studies/0")["note"]["body"]
        with urllib.request.urlopen(f"{served.url}report", timeout=10) as answer:  # noqa: S310
            assert answer.read() == (out / "report.html").read_bytes()
        assert served.end() == (0, "", "")


def test_wrong_use_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for wrong in (tmp_path, tmp_path / "missing"):
        done = agsam_tune("dashboard", wrong)
        assert done.returncode == 2
        assert str(wrong) in done.stderr
        assert len(done.stderr.splitlines()) == 1
    with listen("127.0.0.1", 0) as other:
        done = agsam_tune("dashboard", folder, "--port", str(other.server_port))
        assert done.returncode == 2
        assert "another program listens there" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert agsam_tune("dashboard", folder, "--port", "70000").returncode == 2


def test_results_that_are_gone_are_one_line(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "manifest.json", tmp_path)
    done = agsam_tune("dashboard", tmp_path, "--port", "0")
    assert done.returncode == 2
    assert "the results are gone" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["manifest.json"]  # noqa: PTH208
