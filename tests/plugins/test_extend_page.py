"""docs/extend.md, done as it says: from an empty folder to a report, and as a package."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from agsam_tune.executors.checks import check_rules
from agsam_tune.study import load_study
from agsam_tune.tasks.loading import load_task
from tests.plugins.page import commands, moves, shown_files, write_folder, write_package
from tests.run.commands import agsam_tune, invoke, results

# The page's study in seconds; the range of radius need not be found.
TINY = [
    *("--set", "training.epochs=2", "--set", "replicates=2", "--set", "phases.map.points=4"),
    *("--set", "phases.key.points=2", "--set", "phases.off.points=2"),
    *("--set", "phases.radius.points=2", "--set", "phases.tune.points=2"),
    *("--set", "phases.radius.low=0.1", "--set", "phases.radius.high=1.0"),
    *("--set", "phases.misset.points=2"),
]


def test_the_page_shows_what_it_speaks_of() -> None:
    assert list(shown_files()) == [
        *("my_tasks.py", "my_networks.py", "my_rules.py", "search_spaces/root_gsam.toml"),
        *("mine.toml", "test_mine.py", "pyproject.toml"),
    ]
    assert [words[:2] for words in commands()] == [["agsam-tune", "run"], ["python", "-m"]]
    assert set(moves()) <= set(shown_files())
    lines = {name: text.count("\n") for name, text in shown_files().items()}
    assert lines["my_tasks.py"] <= 30
    assert lines["my_rules.py"] <= 10


def test_the_study_runs_from_its_folder(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (_, *arguments), _ = commands()
    _check_run(invoke(*arguments, *TINY, "--executor", "inline", cwd=tmp_path), tmp_path)


@pytest.mark.slow
def test_the_study_runs_on_ray(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (_, *arguments), _ = commands()
    _check_run(agsam_tune(*arguments, *TINY, "--executor", "ray", cwd=tmp_path), tmp_path)


def _check_run(
    done: subprocess.CompletedProcess[str], folder: Path, module: str = "my_rules"
) -> None:
    """The study has run, with the folder's own rule."""
    assert done.returncode == 0, done.stdout + done.stderr
    out = folder / "runs" / "mine"
    assert (out / "report.html").is_file()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["foreign_code"] is True
    assert manifest["study"]["search_spaces"]["root_gsam"]["rule"] == f"{module}:root_gsam"
    table = results(out)
    assert set(table["optimizer"]) == {"sgd", "gsam", "root_gsam"}
    assert set(table["state"]) == {"COMPLETE"}
    own = table[table["optimizer"] == "root_gsam"]
    assert (own["radius"] > 0).all()
    assert own["gamma"].notna().all()
    assert own["test_accuracy"].max() > 0.6


def test_the_contract_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    page = vars(import_module("test_mine"))
    tests = [test for name, test in page.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()
    for name in ("my_tasks", "my_rules", "my_networks", "test_mine"):
        del sys.modules[name]


@pytest.mark.slow
def test_the_contract_is_asked_as_the_page_says(tmp_path: Path) -> None:
    write_folder(tmp_path)
    _, (_, *arguments) = commands()
    options = ["-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *arguments, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def _installed(folder: Path) -> Path:
    """The page's package, installed, and beside it a study that names what it announces."""
    source, target = folder / "my-plugin", folder / "installed"
    write_package(source)
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", *install, "--target", target, source],
        check=True,
        capture_output=True,
    )
    study = shown_files()["mine.toml"].replace('"my_tasks:blobs"', '"blobs"')
    (folder / "mine.toml").write_text(study)
    return target


def _check_list(listed: str) -> None:
    assert "blobs " in listed
    assert "my_plugin.tasks:blobs from my-plugin" in listed
    assert "my_plugin.rules:root_gsam: GSAM with a step scaled by the root" in listed


def test_the_package_announces_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_installed(tmp_path)))
    _check_list(invoke("list", cwd=tmp_path).stdout)
    study = load_study(tmp_path / "mine.toml")
    assert study.foreign_code
    assert study.search_spaces["root_gsam"].rule == "my_plugin.rules:root_gsam"
    assert load_task(study.task, study.task_options, seed=0).name == "blobs"
    check_rules(study, [])
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_plugin"]:
        del sys.modules[name]


@pytest.mark.slow
def test_a_study_of_the_package_runs(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(_installed(tmp_path))}
    _check_list(agsam_tune("list", cwd=tmp_path, environment=environment).stdout)
    arguments = ("run", "mine.toml", *TINY, "--executor", "inline")
    done = agsam_tune(*arguments, cwd=tmp_path, environment=environment)
    _check_run(done, tmp_path, "my_plugin.rules")
