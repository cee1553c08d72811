"""docs/import.md: its examples are read as it says, by the commands that it gives."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from agsam_tune import reporting
from agsam_tune.cli import app

DOCS = (Path(__file__).parents[2] / "docs" / "import.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


def test_the_examples_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The reports of other tests are enough; what is read is what is tested here.
    nothing = SimpleNamespace(claim=SimpleNamespace(text="nothing is claimed"), changed=())
    monkeypatch.setattr(reporting, "report_run", lambda *_, **__: nothing)
    (tmp_path / "sweep.csv").write_text(blocks("text")[1])
    (tmp_path / "mine.csv").write_text(blocks("text")[0])
    (tmp_path / "theirs.csv").write_text(blocks("text")[0].replace("0.9", "0.8"))
    for code in blocks("python"):
        exec(code, {})  # noqa: S102
    commands = [line[2:] for block in blocks("console") for line in block.splitlines()]
    assert len(commands) == 4
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "agsam-tune"
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
    found = {
        path.parent.name: reporting.read_run(path.parent) for path in tmp_path.glob("runs/*/*.json")
    }
    assert {name: len(run.trials) for name, run in found.items()} == {
        "sweep": 8,
        "two": 12,
        "lr": 192,
        "optuna": 24,
    }
    assert found["sweep"].trials["diverged"].sum() == 1
    assert found["lr"].study.task == "cifar10"
    assert found["lr"].study.search_spaces["adam"].ranges["lr"].log
    assert found["optuna"].study.search_spaces["sam"].ranges["rho"].high == 1.0
