"""docs/own_training.md: from the study file to the verdict by the page's own files and commands."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import invoke

DOCS = (Path(__file__).parents[2] / "docs" / "own_training.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files."""
    (tmp_path / "cancer.toml").write_text(blocks("toml")[0])
    (tmp_path / "train.py").write_text(blocks("python")[0])
    (tmp_path / "one.sh").write_text(blocks("sh")[0])
    return tmp_path


def call(command: list[str], folder: Path, **more: str) -> str:
    """The program and the page's script in this process, others in their own."""
    if command[:2] == ["python", "train.py"]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(sys, "argv", command[1:])
            runpy.run_path("train.py", run_name="__main__")
        return ""
    if command[0] == "agsam-tune":
        done = invoke(*command[1:], cwd=folder)
    else:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **more}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_works_from_its_first_command_to_its_last(folder: Path) -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    said = [call(shlex.split(line.removeprefix("$ ")), folder) for line in lines]
    assert len(said) == 9
    assert said[7] == blocks("text")[0]
    summary = json.loads((folder / "runs" / "cancer" / "summary.json").read_text("utf-8"))
    fair = {row["lens"]: row for row in summary["comparisons"] if row["metric"] == "regret"}
    for lens in ("own_scale", "equal_radius"):
        assert fair[lens]["verdict"] != "not_applicable"
        assert fair[lens]["estimate"] is not None
    assert summary["counts"]["trainings"] == 336
    assert (folder / "runs" / "cancer" / "report.html").is_file()


def test_a_task_of_an_array_trains_one_row(folder: Path) -> None:
    (folder / "results").mkdir()
    command = "agsam-tune design cancer.toml --results results --out next.csv"
    call(shlex.split(command), folder)
    call(["sh", "one.sh"], folder, SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="3")
    asked = pd.read_csv(folder / "next.csv")
    done = pd.read_csv(folder / "results" / "7-3.csv")
    assert len(done) == 1
    pd.testing.assert_frame_equal(done[asked.columns], asked.iloc[[3]].reset_index(drop=True))
    call(shlex.split(command), folder)
    again = pd.read_csv(folder / "next.csv")
    pd.testing.assert_frame_equal(again, asked.drop(index=3).reset_index(drop=True))


def test_the_loop_in_python_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names = {"pd": pd, "train": lambda row: {"test_accuracy": 0.9 - 0.01 * (row["point"] % 7)}}
    exec(blocks("python")[1], names)  # noqa: S102  (the page's own code)
    assert len(names["done"]) == 336
