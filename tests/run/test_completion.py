"""What a shell offers when Tab is pressed, and that it comes at once."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.commands import PROGRAM, agsam_tune
from tests.run.test_commands import HEAVY


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
        **os.environ,
        "_AGSAM_TUNE_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }


def offered(typed: str, cwd: Path) -> list[str]:
    done = agsam_tune(cwd=cwd, environment=environment(typed))
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
        ("run moons --set phases.tune.", ["sampler", "points", "seeds"]),
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


@pytest.mark.parametrize(
    "typed", ["", "run m", "new x --task m", "new x --optimizers s", "run m --set t", "data m"]
)
def test_nothing_heavy_is_imported(typed: str, folder: Path) -> None:
    code = (
        "import sys\nsys.argv = ['agsam-tune']\n"
        "from agsam_tune.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n"
        f"    print('imported', [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(f"agsam-tune {typed}"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) > 1
    assert done.stdout.endswith("imported []\n")


@pytest.mark.parametrize("typed", ["run m", "run moons --set training.", "export "])
def test_it_answers_at_once(typed: str, folder: Path) -> None:
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert offered(f"agsam-tune {typed}", folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5


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
