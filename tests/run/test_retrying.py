"""Failed trials are kept with their reasons, and run again when they are asked for."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import agsam_tune
from agsam_tune.analysis import best_settings
from agsam_tune.errors import RunError
from agsam_tune.executors import work
from agsam_tune.executors.work import Job
from agsam_tune.failures import LARGEST_FILE, Failure, distinct, failure, keep_failures
from agsam_tune.reporting import facts_of, read_run
from agsam_tune.store import ResultStore
from agsam_tune.trials import Key, Outcome, Pack, Trial
from tests.run.commands import QUICK, SMALL, TINY, invoke, results, stored_keys
from tests.run.drivers import Driver
from tests.run.guilty import TASK, write_study

INLINE = ("--executor", "inline", "--no-report")
CURSED = 'raise RuntimeError("this seed is cursed")'
OVERRIDES = [word for word in TINY if "=" in word]


def _mend(folder: Path, instead: str = "pass") -> None:
    assert CURSED in TASK
    (folder / "guilty.py").write_text(TASK.replace(CURSED, instead))


def _states(folder: Path) -> Counter[str]:
    table = pd.read_parquet(folder / "trials.parquet")
    assert not table.duplicated(["optimizer", "phase", "point", "seed"]).any()
    return Counter(table["state"])


def test_failed_trials_are_run_again_and_kill_9_loses_none(tmp_path: Path) -> None:
    study, out = write_study(tmp_path, 'trials = [["iid", 1, 0]]\ndoes = "raise"'), tmp_path / "run"
    done = invoke("run", study, *SMALL, *INLINE, "--out", out)
    assert done.returncode == 1
    assert f"with --retry-failed runs them again. What was raised, where: {out}" in done.stdout
    assert _states(out)["FAIL"] == 2
    errors = pd.read_parquet(out / "trials.parquet").groupby("state")["error"].unique()
    (error,) = errors["FAIL"]
    assert error.endswith("RuntimeError: this seed is cursed")
    assert list(errors["COMPLETE"]) == [""]
    raised = (out / "failures.txt").read_text()
    assert raised.count("\nRuntimeError: this seed is cursed") == 1
    assert "guilty.py" in raised

    # It fails again, and is FAIL again, once.
    before = len(stored_keys(out))
    done = invoke("run", out, "--retry-failed", *INLINE)
    assert done.returncode == 1
    assert "2 trials that failed are run again" in done.stdout
    assert len(stored_keys(out)) == before + 2
    assert _states(out)["FAIL"] == 2
    assert (out / "failures.txt").exists()

    # Mended, and killed while the second of the two is trained.
    log = tmp_path / "log"
    kill = (
        f"with open({str(log)!r}, 'a') as file: file.write('x')\n{' ' * 16}"
        f"if os.path.getsize({str(log)!r}) == 2: os.kill(os.getpid(), signal.SIGKILL)"
    )
    _mend(tmp_path, kill)
    driver = Driver("run", out, "--retry-failed", *INLINE, output=tmp_path / "output")
    assert driver.wait() == -9
    assert len(stored_keys(out)) == before + 3
    # What is missing now is run without a word.
    done = invoke("run", out, *INLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(stored_keys(out)) == before + 4
    assert log.read_text() == "xxx"
    assert set(_states(out)) == {"COMPLETE"}
    assert not (out / "failures.txt").exists()
    done = invoke("run", out, "--retry-failed", *INLINE)
    assert done.returncode == 0
    assert "No trial raised an error" in done.stdout


def test_a_run_whose_trials_were_set_aside_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, out = write_study(tmp_path, 'trials = [["iid", 1, 0]]\ndoes = "raise"'), tmp_path / "run"

    def is_whole() -> tuple[bool, bool]:
        run = read_run(out, curves=False)
        said = run.manifest["finished"] is not None
        return said, facts_of(run.manifest, run.study, run.trials).complete

    assert invoke("run", study, *SMALL, *INLINE, "--out", out).returncode == 1
    assert is_whole() == (True, True)
    with monkeypatch.context() as patch:
        set_aside = ResultStore.set_aside

        def ends(store: ResultStore, keys: frozenset[Key]) -> None:
            set_aside(store, keys)
            raise KeyboardInterrupt

        patch.setattr(ResultStore, "set_aside", ends)
        assert invoke("run", out, "--retry-failed", *INLINE).returncode == 3
    assert is_whole() == (False, False)
    _mend(tmp_path)
    assert invoke("run", out, *INLINE).returncode == 0
    assert is_whole() == (True, True)


@pytest.mark.parametrize("storage", ["journal", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_what_follows_from_failed_trials_is_run_again_and_nothing_else(
    storage: str,
    tmp_path: Path,
    expected: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study, out = agsam_tune.load_study(QUICK, overrides=OVERRIDES), tmp_path / "quick"
    url = None if storage == "journal" else f"sqlite:///{tmp_path}/results.db"
    best = best_settings(expected, "gsam")[0].hyperparameters["rho"]
    trains, trained = work._train, list[Trial]()

    def fails(trial: Trial) -> bool:
        is_best = trial.optimizer == "gsam" and dict(trial.hyperparameters)["rho"] == best
        return trial.phase in ("map", "tune") and is_best

    def _train(job: Job, pack: Pack) -> tuple[Outcome, ...]:
        if any(map(fails, pack.trials)):
            raise ValueError("not today")
        outcomes = trains(job, pack)
        trained.extend(pack.trials)
        return outcomes

    monkeypatch.setattr(work, "_train", _train)
    with pytest.raises(RunError):
        agsam_tune.run(study, out=out, storage=url, executor="inline", report=False)
    first, keys = results(out), ["optimizer", "phase", "point", "seed"]
    failed = first[first["state"] == "FAIL"]
    assert set(failed["rho"]) == {best}
    trained.clear()
    monkeypatch.setattr(
        work, "_train", lambda job, pack: (trained.extend(pack.trials), trains(job, pack))[1]
    )
    agsam_tune.run(out, executor="inline", report=False, retry_failed=True)
    said = capsys.readouterr().out
    assert f"{len(failed)} trial" in said
    assert "trials of misset are run again at other points" in said
    pd.testing.assert_frame_equal(results(out), expected)
    values = [*keys, "rho", "alpha", "gamma", "state"]
    whole = first[values].merge(expected[values], how="right", indicator=True)
    again = whole[whole["_merge"] == "right_only"]
    assert Counter(t.key for t in trained) == Counter(
        tuple(row) for row in again[keys].itertuples(index=False)
    )
    assert json.loads((out / "manifest.json").read_text())["finished"]


def _failure(number: int, message: str) -> Failure:
    trial = Trial(
        optimizer="gsam",
        phase="map",
        replicate=0,
        index=number,
        point=number,
        seed=0,
        hyperparameters=(("rho", 0.5),),
    )
    try:
        raise ValueError(message)
    except ValueError as error:
        return failure(trial, error)


def test_each_kind_of_failure_is_kept_once_and_the_file_does_not_grow_for_ever(
    tmp_path: Path,
) -> None:
    file = tmp_path / "failures.txt"
    alike = [_failure(n, f"rho = {n} \ud800") for n in range(100)]
    assert len(distinct(alike)) == 1
    keep_failures(file, alike)
    keep_failures(file, alike)
    text = file.read_text()
    assert text.count("ValueError: rho = ") == 1
    assert "gsam, map, point 0, seed 0, rho = 0.5" in text
    assert "test_retrying.py" in text
    for n in range(200):
        many = Failure(trial="one", kind=f"{n:012x}", text="x" * 20_000)
        keep_failures(file, [many])
    assert file.stat().st_size < LARGEST_FILE + 1000
    assert file.read_text().count("is full") == 1
    assert len(_failure(0, "y" * 10**6).text) < 30_000


def test_a_file_that_cannot_be_written_to_stops_nothing(tmp_path: Path) -> None:
    keep_failures(tmp_path / "missing" / "failures.txt", [_failure(0, "no")])
