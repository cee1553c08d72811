"""Trials that raise, kill, hang or starve their worker are FAIL, and the others finish."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.console import Console

from agsam_tune import engine
from agsam_tune.agenda import Fault
from agsam_tune.executors.ray_faults import fault_of, greediest
from agsam_tune.running import RunOptions, run_study
from agsam_tune.study import load_study
from agsam_tune.trials import Outcome, Pack
from tests.run.commands import QUICK, SMALL, agsam_tune, invoke, of_one
from tests.run.guilty import write_study

# A trial of each optimizer.
GUILTY = ("iid", 1, 0)


def _run(
    folder: Path, does: str, *more: str, alone: bool = False
) -> subprocess.CompletedProcess[str]:
    study = write_study(folder, f"trials = [{[*GUILTY]}]\ndoes = '{does}'", alone=alone)
    call = invoke if "inline" in more else agsam_tune
    return call("run", study, *(of_one(SMALL) if alone else SMALL), *more, "--out", folder / "run")


def _check_failed(folder: Path, optimizers: int = 2) -> None:
    """The guilty trials alone are FAIL."""
    table = pd.read_parquet(folder / "run" / "trials.parquet")
    assert not table.duplicated(["optimizer", "phase", "point", "seed"]).any()
    failed = table[table["state"] == "FAIL"]
    points = failed["point"] - failed["replicate"] * 2
    found = list(zip(failed["phase"], failed["replicate"], points, strict=True))
    assert found == [GUILTY] * optimizers
    assert table.loc[table["state"] == "COMPLETE", "test_accuracy"].notna().all()
    assert not (folder / "run" / "checkpoints").exists()


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_trial_that_raises(executor: str, tmp_path: Path) -> None:
    done = _run(tmp_path, "raise", "--executor", executor)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 trials failed, the first, of " in done.stdout
    assert "RuntimeError: this seed is cursed. They are stored as FAIL" in done.stdout
    _check_failed(tmp_path)
    # A trial that raised is finished: it is not run again.
    again = _run(tmp_path, "raise", "--executor", executor)
    assert again.returncode == 1
    assert "2 trials failed" in again.stdout


@pytest.mark.slow
def test_a_trial_that_kills_its_worker(tmp_path: Path) -> None:
    done = _run(tmp_path, "die", alone=True)  # each death takes a new worker's start
    assert done.returncode == 1, done.stdout + done.stderr
    assert "its worker process died. They are stored as FAIL" in done.stdout
    assert done.stderr == ""
    _check_failed(tmp_path, optimizers=1)


@pytest.mark.slow
def test_a_trial_that_hangs(tmp_path: Path) -> None:
    done = _run(tmp_path, "hang", "--set", "packs.time_limit=30")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no result after 30 s (packs.time_limit). They are stored" in done.stdout
    _check_failed(tmp_path)


@pytest.mark.slow  # takes 3 GiB, and Ray looks at what other programs take too
def test_a_trial_that_takes_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = {line.split(":")[0]: float(line.split()[1]) for line in lines}
    limit = 1 - (kilobytes["MemAvailable"] - 3 * 2**20) / kilobytes["MemTotal"]
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{limit:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    done = _run(tmp_path, "hog", alone=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "out of memory, and Ray ended its worker process. They are stored" in done.stdout
    assert done.stderr == ""
    _check_failed(tmp_path, optimizers=1)


def test_of_workers_ended_for_memory_the_one_with_most_is_found() -> None:
    words = (
        "2 worker(s) were killed due to the node running low on memory. Selected to kill: "
        "(Actor(a2cf0001): job ID=01000000, pid=1, actual memory used=0.31GB, worker ID=d)\n"
        "Selected to kill: (Actor(e5d40002): job ID=01000000, pid=2, actual memory used=4.18GB, "
        "worker ID=e)\n]"
    )
    assert greediest(words) == "e5d40002"
    assert fault_of(words) is Fault.MEMORY
    assert greediest("The actor died unexpectedly") is None


def test_a_trial_for_which_memory_is_wanting(tmp_path: Path) -> None:
    done = _run(tmp_path, "starve", "--executor", "inline", "--set", "packs.rows='auto'")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "MemoryError. They are stored as FAIL" in done.stdout
    _check_failed(tmp_path)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["engine"]["rows"] > 1  # the others fit


def test_the_size_for_which_there_is_memory_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def greedy(pack: Pack, *arguments: object, **options: object) -> tuple[Outcome, ...]:
        sizes.append(len(pack.trials))
        if len(pack.trials) > 3:
            raise torch.OutOfMemoryError
        return train_pack(pack, *arguments, **options)  # type: ignore[arg-type]

    train_pack = engine.train_pack
    monkeypatch.setattr(engine, "train_pack", greedy)
    study = load_study(Path(QUICK), overrides=["training.epochs=1"])
    out = tmp_path / "run"
    code = run_study(
        study, RunOptions(out=out, executor="inline", report=False), Console(quiet=True)
    )
    assert code == 0
    # One pack was halved until its parts fitted; no pack was larger than these after it.
    assert sorted(size for size in sizes if size > 3) == [4] * 4 + [8] * 2 + [16]
    assert max(sizes[sizes.index(16) + 15 :]) == 2
    assert json.loads((out / "manifest.json").read_text())["engine"]["rows"] == 2
