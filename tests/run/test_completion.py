"""What a shell offers when Tab is pressed, and that it comes at once."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.run.commands import PROGRAM, agsam_tune, invoke
from tests.run.light import imported


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with two runs, a study, and a file that is none."""
    for run in ("runs/moons", "runs/mine", "elsewhere/first"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "manifest.json").write_text("{}")
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "mine.toml").write_text('task = "moons"\n')
    (tmp_path / "moves.toml").write_text("x = 1\n")
    return tmp_path


def environment(typed: str) -> dict[str, str]:
    """What bash says of a line, its last word being the one that is completed."""
    words = typed.split(" ")
    return {
        "_AGSAM_TUNE_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }


def offered(typed: str, cwd: Path) -> list[str]:
    done = invoke(cwd=cwd, environment=environment(typed))
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("run mo", ["moons", "moons_lr", "moons_noisy"]),
        ("plan mi", ["mine"]),
        ("run runs/", []),
        ("new x --task dig", ["digits"]),
        ("new x --optimizers sgd,gs", ["sgd,gsam", "sgd,gsam_matched"]),
        ("new x --optimizers gsam,gs", ["gsam,gsam_matched"]),
        ("export ", ["runs/mine", "runs/moons"]),
        ("dashboard runs/mo", ["runs/moons"]),
        ("report elsewhere/", ["elsewhere/first"]),
        ("run moons --set phases.tune.", ["points", "optimizers", "sampler"]),
        ("run moons --set training.ep", ["epochs", "eps"]),
        ("run moons --set training.epochs=1", []),
        ("data mn", ["mnist"]),
        ("data digi", []),
    ],
)
def test_what_is_offered(typed: str, words: list[str], folder: Path) -> None:
    before = typed.split()[-1].rpartition(".")[0]
    if "--set" in typed:
        words = [f"{before}.{word}=" for word in words]
    assert offered(f"agsam-tune {typed}", folder) == words


def test_commands_and_options_are_offered(folder: Path) -> None:
    assert {"run", "sys-info", "data"} <= set(offered("agsam-tune ", folder))
    assert {"--set", "--executor"} <= set(offered("agsam-tune run moons --", folder))


def test_nothing_heavy_is_imported(folder: Path) -> None:
    typed = ["", "run m", "new x --task m", "new x --optimizers s", "run m --set t", "data m"]
    environments = [environment(f"agsam-tune {line}") for line in typed]
    found = imported([[]] * len(typed), folder, environments=environments)
    assert dict(zip(typed, found, strict=True)) == {line: [] for line in typed}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_after_the_installation(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    path = f"{Path(PROGRAM[0]).parent}{os.pathsep}{os.environ['PATH']}"
    known = {**os.environ, "HOME": str(home), "PATH": path}
    # The shell that a test runs in is no shell, so it is named, which this variable allows.
    named = {**known, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = agsam_tune("--install-completion", "bash", cwd=folder, environment=named)
    assert done.returncode == 0, done.stderr
    script = (
        "source ~/.bashrc; complete -p agsam-tune > /dev/null || exit 1; "
        "COMP_WORDS=(agsam-tune run mi); COMP_CWORD=2; _agsam_tune_completion agsam-tune; "
        'echo "${COMPREPLY[@]}"'
    )
    shell = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=known, capture_output=True, text=True
    )
    assert (shell.returncode, shell.stdout) == (0, "mine\n"), shell.stderr
