"""The guide's commands, run one after another as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"


def _commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.mark.timeout(300)
def test_the_guide_works_from_its_first_command_to_its_last(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    assert shutil.which("agsam-tune", path=env["PATH"])
    commands = _commands()
    assert len(commands) == 5
    for command in commands:
        done = subprocess.run(
            shlex.split(command), cwd=tmp_path, env=env, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "mine.toml").is_file()
    assert (tmp_path / "runs" / "first" / "report.html").is_file()
    assert (tmp_path / "trials.csv").read_text().startswith("study,task,optimizer")


def test_the_guide_names_commands_that_there_are() -> None:
    from agsam_tune.cli.program import app

    known = {command.name for command in app.registered_commands}
    named = set(re.findall(r"agsam-tune ([a-z][a-z-]*)", GUIDE.read_text("utf-8")))
    assert named <= known
    assert {"new", "plan", "run", "dashboard", "report", "export", "import"} <= named
