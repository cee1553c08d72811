"""`agsam-tune show`: how far runs are and what they found."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agsam_tune.agenda import Agenda
from agsam_tune.analysis.record import Summary
from agsam_tune.cli import app
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder, now
from agsam_tune.report import text
from agsam_tune.showing import facts_of
from agsam_tune.study import available_studies, load_study, planned_trials
from tests.dashboard.first_design import first_design
from tests.dashboard.runs import outcomes_of, small_study, study_of, write_manifest, write_run
from tests.report.records import REPORTS, summary_of
from tests.run.light import imported


def write_summary(folder: Path, summary: Summary, trainings: int) -> Summary:
    """A summary of so many trainings, in the folder."""
    counts = summary.counts.model_copy(update={"trainings": trainings})
    summary = summary.model_copy(update={"counts": counts})
    (folder / "summary.json").write_text(summary.model_dump_json(), "utf-8")
    return summary


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its summary."""
    folder = tmp_path_factory.mktemp("show") / "runs" / "one"
    folder.mkdir(parents=True)
    trainings = len(write_run(folder, small_study()))
    write_summary(folder, summary_of(small_study()), trainings)
    (folder / "report.html").write_text("the report")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, below the working folder."""
    shutil.copytree(made, tmp_path / "runs" / "one")
    monkeypatch.chdir(tmp_path)
    return Path("runs/one")


@pytest.fixture
def driver(run: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the run's lock."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom agsam_tune.folder import RunFolder\n"
        "with RunFolder(path=Path(sys.argv[1])).driver():\n"
        "    print('holds', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(run)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        yield process
        process.kill()


def show(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["show", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def as_json(*arguments: str | Path) -> Any:
    return json.loads(show(*arguments, "--json"))


def summary_in(run: Path) -> Summary:
    return Summary.model_validate_json((run / "summary.json").read_text("utf-8"))


def test_a_finished_run_shows_what_was_found(run: Path) -> None:
    summary = summary_in(run)
    n = summary.counts.trainings
    said = show(run)
    assert said.startswith(
        f"quick (runs/one): {n:,} of {n:,} trials stored; finished 2026-01-02 03:14"
    )
    total = facts_of(run).total
    assert f"{total.diverged} diverged, {total.collapsed} collapsed" in said
    assert summary.claim.text in said
    assert "Look 2 of up to 4 (17 replicates); next: 34." in said
    assert "Report: runs/one/report.html" in said
    rows = [" ".join(line.split()) for line in said.splitlines()]
    judged = [row for row in summary.comparisons if row.verdict is not None]
    assert len(judged) == 6
    for row in judged:
        shown = text.with_interval(
            row.estimate, row.low, row.high, text.unit_of(row.metric, "accuracy"), sign=True
        )
        found = [line for line in rows if line.startswith(f"{row.lens} {row.metric} {shown} ")]
        assert len(found) == 1
        assert f"{row.verdict}" in found[0]
    for number in summary.optimizers["gsam"].metrics:
        if number.metric in ("regret", "tuned"):
            unit = text.unit_of(number.metric, "accuracy")
            shown = text.with_interval(number.value, number.low, number.high, unit)
            line = f"{number.lens} {number.metric} {unit.name} {shown} "
            assert any(one.startswith(line) for one in rows)


def test_trials_are_counted_by_phase(run: Path) -> None:
    rows = [line.split() for line in show(run).splitlines()]
    planned = planned_trials(small_study())
    phases = list(dict.fromkeys(phase for _, phase in planned))
    assert ["optimizer", *phases] in rows
    for name in small_study().optimizers:
        cells = (planned.get((name, phase)) for phase in phases)
        assert [name, *("–" if n is None else str(n) for n in cells)] in rows
    (run / "study.journal").unlink()
    few = outcomes_of(small_study())[:7]
    write_run(run, small_study(), few)
    (one,) = {(o.trial.optimizer, o.trial.phase) for o in few}
    assert f" 7 of {planned[one]} " in show(run)


def test_the_same_as_json(run: Path) -> None:
    summary = summary_in(run)
    (found,) = as_json(run)
    assert found["state"] == "finished"
    assert found["stored"] == found["planned"] == found["analysed"] == summary.counts.trainings
    assert found["verdict"] == summary.claim.verdict
    assert found["report"] == "runs/one/report.html"
    whole = json.loads((run / "summary.json").read_text())
    assert found["comparisons"] == whole["comparisons"]
    assert found["design"] == whole["design"]
    shown = found["optimizers"]["gsam"]
    assert shown["metrics"] == whole["optimizers"]["gsam"]["metrics"]
    assert sum(shown["phases"].values()) == shown["stored"]


def test_fixed_points_have_a_table_of_their_own(tmp_path: Path) -> None:
    study = study_of("paper_moons")
    trainings = len(write_run(tmp_path, study))
    summary = write_summary(tmp_path, REPORTS["fixed"]()["summary"], trainings)
    rows = [" ".join(line.split()) for line in show(tmp_path).splitlines()]
    assert "optimizer fixed setting metric estimate unit" in rows
    for point in summary.fixed:
        row = point.metrics[0]
        value = text.number(row.value, text.unit_of(row.metric, "accuracy"))
        setting = text.setting(point.hyperparameters) or "–"
        line = f"{point.optimizer} {setting} {row.metric} {value} "
        assert any(one.startswith(line) for one in rows)


@pytest.mark.parametrize("kind", ["of fewer trials", "of the first design", "broken"])
def test_a_summary_of_other_trials_or_another_form_is_not_shown(run: Path, kind: str) -> None:
    summary = summary_in(run)
    write_summary(run, summary, 12)
    if kind != "of fewer trials":
        other = {"of the first design": '{"n_trials": 12, "n_raised": 0}', "broken": "[1, 2"}
        (run / "summary.json").write_text(other[kind])
    said = show(run)
    assert summary.claim.text not in said
    assert "Counted without an analysis: agsam-tune report runs/one makes the estimates." in said
    assert ("Report of 12 trials: runs/one/report.html" in said) == (kind == "of fewer trials")
    (found,) = as_json(run)
    assert (found["verdict"], found["claim"]) == (None, None)
    assert found["optimizers"]["gsam"]["metrics"] is None


def test_a_run_of_the_first_design_is_counted(tmp_path: Path) -> None:
    said = show(first_design(tmp_path))
    assert ": 173 trials stored; finished " in said
    assert "Counted without an analysis: " in said
    (found,) = as_json(tmp_path)
    assert (found["planned"], found["verdict"]) == (None, None)
    assert found["optimizers"]["gsam"]["phases"] == {"map": 16, "tune": 8, "misset": 25, "iid": 4}


def test_a_run_that_goes_on(run: Path, driver: subprocess.Popen[str]) -> None:
    lock = (run / ".driver.lock").read_bytes()
    said = show(run)
    assert f"running since {now()[:4]}" in said
    assert f"by process {driver.pid} on host " in said
    assert (run / ".driver.lock").read_bytes() == lock
    (found,) = as_json()
    assert (found["state"], found["driver"]["pid"]) == ("running", driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert facts_of(run).progress == "finished"
    write_manifest(run, small_study(), finished=None)
    assert f"stopped (process {driver.pid} on host " in show(run)


def test_another_process_with_the_number_of_a_driver_that_is_gone(run: Path) -> None:
    """After a restart of the machine, its number is soon somebody else's."""
    lock = {"host": os.uname().nodename, "pid": os.getpid(), "started": "2026-01-01T00:00:00+00:00"}
    write_manifest(run, small_study(), finished=None)
    (run / ".driver.lock").write_text(json.dumps(lock))
    assert facts_of(run).progress == "stopped"
    (run / ".driver.lock").write_text(json.dumps({**lock, "started": now()}))
    assert facts_of(run).progress == "running"
    (run / ".driver.lock").write_text(json.dumps({**lock, "host": "elsewhere"}))
    assert "on host elsewhere, as its lock says" in show(run)
    (run / ".driver.lock").write_text('{"host": 3')
    assert facts_of(run).progress == "stopped"


def test_a_run_that_has_just_begun(run: Path, driver: subprocess.Popen[str]) -> None:
    (run / "study.journal").unlink()
    (run / "summary.json").unlink()
    assert "0 of " in show(run)
    driver.kill()
    driver.wait()
    with pytest.raises(UsageError, match="results are gone"):
        facts_of(run)


def test_all_runs_a_line_each(run: Path) -> None:
    nested = Path("runs/more/two")
    nested.mkdir(parents=True)
    study = small_study(candidate=None, baseline=None, control=None)
    study = study.model_copy(update={"name": "two"})
    write_run(nested, study, outcomes_of(study)[:10])
    write_manifest(nested, study, finished=None)
    broken = Path("runs/broken")
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    rows = [line.split() for line in show().splitlines()]
    assert rows[0] == ["run", "study", "trials", "state", "verdict"]
    assert rows[-1][:5] == ["runs/broken", "–", "–", "cannot", "be"]
    verdict = summary_in(run).claim.verdict
    total, other = (
        str(sum(n or 0 for n in planned_trials(own).values())) for own in (small_study(), study)
    )
    assert ["runs/one", "quick", total, "of", total, "trials", "finished", verdict] in rows
    assert ["runs/more/two", "two", "10", "of", other, "trials", "stopped", "–"] in rows
    listed = as_json()
    assert [one["run"] for one in listed] == ["runs/more/two", "runs/one", "runs/broken"]
    assert "not a readable manifest" in listed[-1]["error"]


def test_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert show() == "No run is below runs/ here; agsam-tune run STUDY makes one.\n"
    assert as_json() == []
    done = CliRunner().invoke(app, ["show", "runs/moons"])
    assert done.exit_code == 2
    assert "no run is here" in done.stderr


def test_nothing_is_written(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    folder_before = run.stat().st_mtime_ns
    show(run)
    show()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert run.stat().st_mtime_ns == folder_before


def test_nothing_heavy_is_loaded(run: Path) -> None:
    assert imported([["show", str(run)], ["show"]], Path()) == [[], []]


def test_a_trial_is_counted_without_reading_its_curve(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a trial's line, its attributes alone are read, however long its curve is."""
    journal = run / "study.journal"
    *beginning, line = journal.read_bytes().splitlines(keepends=True)[:200]
    log = json.loads(line)
    curve = dict.fromkeys(log["user_attrs"]["curve"], [0.123456789012345678] * 30)
    with journal.open("wb") as file:
        file.writelines(beginning)
        for point in range(1000):
            log["user_attrs"] |= {"point": point, "curve": curve}
            file.write(json.dumps(log, separators=(",", ":")).encode() + b"\n")
    whole = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: (whole.append(text), loads(text))[1])
    assert facts_of(run).total.trials > 1000
    assert sum("curve" in str(text) for text in whole) < 10


@pytest.mark.parametrize("path", available_studies().values(), ids=lambda path: path.stem)
def test_what_is_planned_is_what_would_run(path: Path) -> None:
    study = load_study(path)
    planned = {(optimizer, phase): n for (phase, optimizer), n in Agenda(study, []).planned.items()}
    assert planned_trials(study) == planned


def test_the_folder_knows_who_runs_it(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    assert folder.driver_named() is None
    with folder.driver():
        found = folder.driver_named()
        assert found is not None
        assert (found.pid, found.is_here, found.works) == (os.getpid(), True, True)
    assert folder.driver_named() is None
