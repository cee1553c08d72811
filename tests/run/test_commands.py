"""`--help`, `--version` and `list`: they answer at once."""

import json
from pathlib import Path

import pytest

from agsam_tune import __version__
from agsam_tune.cli.durations import seconds as seconds_of
from agsam_tune.cli.errors import readable_errors
from tests.run.commands import TINY, agsam_tune, invoke
from tests.run.light import imported

STUDY = Path(__file__).parents[2] / "studies" / "quick.toml"

WRONG = (
    ["run", "missing.toml"],
    ["run", "moon"],
    ["new", "mine", "--task", "moon"],
    ["schema", "studdy"],
    ["run", "wrong.toml"],
    ["run", str(STUDY), "--set", "trainig.epochs=3"],
    ["run", str(STUDY), "--time-budget", "soon"],
    ["dashboard", "missing"],
    ["show", "missing"],
    ["report", "missing", "--set", "analysis.margin=0.01"],
    ["report", "missing", "--set", "analysis.margin=0.01", "--out", "elsewhere"],
    ["export", "missing", "--format", "md"],
    ["data", "mnits"],
    ["design", "moon", "--out", "next.csv"],
    ["design", "wrong.toml", "--out", "next.csv"],
    ["design", str(STUDY), "--out", "next.txt"],
)


RIGHT = (
    *(["--help"], ["list"], ["list", "--json"], ["show"], ["--version"]),
    *([command, "--help"] for command in ("run", "plan", "design", "bench", "dashboard")),
    *([command, "--help"] for command in ("data", "sys-info")),
    *(["schema"], ["schema", "search-space"], ["schema", "--here"], ["schema", "--help"]),
    *(["new", "mine"], ["new", "x", "--task", "my_tasks:blobs"], ["new", "--help"]),
)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """By what is answered at once: help, lists, and mistakes in words, files and keys."""
    (tmp_path / "wrong.toml").write_text(STUDY.read_text("utf-8").replace("task =", "tusk =", 1))
    calls = [*RIGHT, *WRONG]
    found = imported(calls, tmp_path)
    assert {
        " ".join(words): heavy for words, heavy in zip(calls, found, strict=True) if heavy
    } == {}


def test_list_is_whole() -> None:
    done = invoke("list")
    assert done.returncode == 0
    assert done.stdout.startswith("What a study can be made of")
    for name in ("moons", "paper_moons", "gsam_matched", "rho 0.005–8 log", "quick"):
        assert name in done.stdout


def test_list_is_for_programs_too() -> None:
    found = json.loads(invoke("list", "--json").stdout)
    assert list(found) == ["tasks", "optimizers", "studies", "problems"]
    tasks = {task["name"]: task for task in found["tasks"]}
    assert tasks["moons"].keys() == {"name", "description", "reference", "package"}
    assert tasks["moons"]["package"] is None
    optimizers = {one["name"]: one for one in found["optimizers"]}
    assert optimizers["gsam"].keys() == {"name", "description", "reference", "hyperparameters"}
    box = optimizers["gsam"]["hyperparameters"]["rho"]
    assert box.items() >= {"low": 0.005, "high": 8.0, "log": True, "default": 0.5}.items()
    assert optimizers["sgd"]["hyperparameters"] == {}
    assert {"name": "quick", "file": str(STUDY)} in found["studies"]
    assert found["problems"] == []


def test_list_names_what_it_cannot_use_and_lists_the_rest(tmp_path: Path) -> None:
    (tmp_path / "notes.toml").write_text("a = 1,")
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "mine.toml").write_text('optimizer = "mine" [')
    done = invoke("list", cwd=tmp_path)
    assert done.returncode == 0
    assert "gsam_matched" in done.stdout
    assert "mine.toml: not TOML" in done.stdout
    assert "notes" not in done.stdout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5s", 1.5), ("20m", 1200), ("1h30m", 5400), ("2h", 7200), ("0s", 0)],
)
def test_time_budgets(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_the_schema_is_printed_or_written(tmp_path: Path) -> None:
    for kind in ("study", "search-space"):
        printed = invoke("schema", kind, cwd=tmp_path)
        written = invoke("schema", kind, "--out", "schema.json", cwd=tmp_path)
        assert (printed.returncode, written.returncode, written.stdout) == (0, 0, "")
        assert (tmp_path / "schema.json").read_text("utf-8") == printed.stdout
        assert json.loads(printed.stdout)["title"] == f"agsam-tune {kind}"
    assert json.loads(invoke("schema").stdout)["title"] == "agsam-tune study"


def test_the_schema_of_a_folder_knows_its_optimizers(tmp_path: Path) -> None:
    (tmp_path / "search_spaces").mkdir()
    space = 'optimizer = "my_rules:mine"\n[rho]\nlow = 0\nhigh = 1\ndefault = 0.5\n'
    (tmp_path / "search_spaces" / "mine.toml").write_text(space)
    schema = json.loads(invoke("schema", "--here", cwd=tmp_path).stdout)
    (names, _) = schema["properties"]["optimizers"]["items"]["anyOf"]
    assert {"mine", "gsam"} <= set(names["enum"])


@pytest.mark.parametrize(
    "arguments",
    [["--out", "missing/schema.json"], ["search-space", "--here"], ["studies"]],
    ids=" ".join,
)
def test_a_schema_that_cannot_be(arguments: list[str], tmp_path: Path) -> None:
    done = invoke("schema", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_study_runs_by_its_name(tmp_path: Path) -> None:
    words = ("--executor", "inline", "--time-budget", "0s")
    done = invoke("run", "quick", *TINY, *words, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(f"Study: {STUDY}\n")
    assert (tmp_path / "runs" / "quick" / "manifest.json").is_file()


def test_version() -> None:
    assert agsam_tune("--version").stdout.strip() == __version__


def test_wrong_options_exit_with_2() -> None:
    for arguments in (["run"], ["fly"], ["run", "x.toml", "--executor", "slurm"]):
        assert invoke(*arguments).returncode == 2


def test_who_reads_no_further_is_no_fault() -> None:
    """As in `agsam-tune import FILE --out DIR | head -1`: Typer ends the program without a word."""
    with pytest.raises(BrokenPipeError), readable_errors(debug=False):
        raise BrokenPipeError
