"""The guide's commands, run one after another as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agsam_tune.cli import app
from agsam_tune.report import write
from tests.report.pages import sketched
from tests.run.commands import TINY

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


def _are_done(folder: Path) -> None:
    assert (folder / "mine.toml").is_file()
    assert (folder / "runs" / "first" / "report.html").is_file()
    assert (folder / "trials.csv").read_text().startswith("study,task,optimizer")


def test_the_guide_works_from_its_first_command_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The slow tier has the whole study, whole figures and the plan, which takes longest.
    monkeypatch.setattr(write, "draw_sheet", sketched)
    commands = _commands()
    assert [command[:2] for command in commands] == [
        ["agsam-tune", name] for name in ("new", "plan", "run", "export", "report")
    ]
    typer.main.get_command(app).commands["plan"].make_context("plan", commands.pop(1)[2:])  # type: ignore[attr-defined]
    smaller = [word for word in TINY if word != "--no-report"]
    for _, name, *arguments in commands:
        done = CliRunner().invoke(app, [name, *arguments, *(smaller if name == "run" else [])])
        assert done.exit_code == 0, (name, done.output)
    _are_done(tmp_path)


@pytest.mark.slow
def test_the_guide_works_in_a_shell(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    assert shutil.which("agsam-tune", path=env["PATH"])
    for command in _commands():
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    _are_done(tmp_path)


def test_the_guide_names_commands_that_there_are() -> None:
    known = {command.name for command in app.registered_commands}
    named = set(re.findall(r"agsam-tune ([a-z][a-z-]*)", GUIDE.read_text("utf-8")))
    assert named <= known
    assert {"new", "plan", "run", "dashboard", "report", "export", "import"} <= named
